"""`streamlit run` on its Tornado server: pages, static and media files, sessions over WebSocket, uploads. Prints what was seen.

``streamlit_session.py DIRECTORY``.
"""

import json
import re
import signal
import sys
from pathlib import Path

import asking
import websocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

APPLICATION = """
import streamlit
streamlit.title("Squares")
number = streamlit.number_input("number", value=3)
streamlit.write("square", number * number)
streamlit.download_button("save", b"x" * 5000, "saved.bin")
streamlit.markdown("y" * 20000)
if streamlit.button("fail"):
    raise ValueError("of the application")
"""

OPTIONS = (
    "--server.headless=true", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false", "--server.enableStaticServing=true",
    "--server.maxUploadSize=1", "--server.enableWebsocketCompression=true", "--server.fileWatcherType=none",
)  # fmt: skip

ORIGIN = {"Origin": "http://elsewhere"}
REQUESTS = [
    ("GET", "/", {}),
    ("GET", "/a/page", {}),
    ("GET", "/_stcore/health", {}),
    ("HEAD", "/_stcore/health", {}),
    ("OPTIONS", "/_stcore/health", {}),
    ("GET", "/_stcore/host-config", ORIGIN),
    ("GET", "/app/static/picture.png", {}),
    ("GET", "/app/static/picture.png", {"Range": "bytes=3-8"}),
    ("HEAD", "/app/static/picture.png", {}),
    ("GET", "/app/static/%2e%2e/application.py", {}),
    ("GET", "/media/nosuch.bin", {}),
    ("OPTIONS", "/_stcore/upload_file/a/b", ORIGIN),
    ("PUT", "/_stcore/upload_file/a/b", ORIGIN),
    ("POST", "/_stcore/health", {}),
]


class Session:
    """A browser's connection: ``last`` has the elements of the page by kind."""

    def __init__(self, port: int) -> None:
        self.socket = websocket.WebSocket()
        self.socket.connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], timeout=60)
        self.last: dict[str, object] = {}

    def run(self, *, number: float | None = None, pressed: bool = False) -> list[str]:
        """Run the application, with the number typed or the button pressed. The elements that came."""
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        if number is not None:
            self._change(asked, "number_input").double_value = number
        if pressed:
            self._change(asked, "button").trigger_value = True
        self.socket.send_binary(asked.SerializeToString())
        return self._elements()

    def _change(self, asked: BackMsg, kind: str) -> object:
        widget = asked.rerun_script.widget_states.widgets.add()
        widget.id = self.last[kind].id
        return widget

    def _elements(self) -> list[str]:
        seen = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv())
            if message.WhichOneof("type") == "script_finished":
                return seen
            if message.WhichOneof("type") == "delta":
                element = message.delta.new_element
                kind = element.WhichOneof("type")
                self.last[kind] = getattr(element, kind)
                seen.append(f"{kind}: {element.markdown.body[:30]}" if kind == "markdown" else kind)


def session(server: asking.Server) -> dict[str, object]:
    seen: dict[str, object] = {}
    for method, path, headers in REQUESTS:
        status, kept, content = server.ask(method, path, headers=headers)
        shown = json.dumps(kept, sort_keys=True) + content.decode("utf-8", "replace")[:300]
        seen[f"{method} {path} {headers}"] = [status, shown.replace(str(server.port), "PORT")]
    browser = Session(server.port)
    seen["subprotocol"] = browser.socket.getsubprotocol()
    seen["first run"] = browser.run()
    status, _, content = server.ask("GET", browser.last["download_button"].url)
    seen["a file of the session"] = [status, len(content)]
    seen["a number typed"] = browser.run(number=9)
    seen["the button pressed"] = browser.run(pressed=True)
    others = [Session(server.port) for _ in range(5)]
    seen["others"] = [other.run(number=None) for other in others]
    for one in (browser, *others):
        one.socket.close()
    try:
        websocket.create_connection(f"ws://127.0.0.1:{server.port}/_stcore/stream", origin="http://elsewhere", timeout=30).close()
        seen["another origin"] = "connected"
    except websocket.WebSocketBadStatusException as error:
        seen["another origin"] = error.status_code
    return seen


def main() -> None:
    directory = Path(sys.argv[1])
    directory.joinpath("application.py").write_text(APPLICATION, encoding="utf-8")
    directory.joinpath("static").mkdir()
    directory.joinpath("static", "picture.png").write_bytes(b"png" * 100)
    port = asking.free_port()
    command = ["-m", "streamlit", "run", "application.py", f"--server.port={port}", *OPTIONS]
    with asking.served(command, port, directory, end=signal.SIGINT) as server:
        seen = session(server)
    told = [re.sub(re.escape(str(directory)), "DIRECTORY", line) for line in server.told()]
    print(json.dumps(seen | {"exit status": server.status, "log": told}))


if __name__ == "__main__":
    main()
