"""``bokeh serve``: pages, scripts, a session over its WebSocket, which two clients change; an embedded server. Prints what was seen."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_APP = """
from bokeh.io import curdoc
from bokeh.models import ColumnDataSource, Slider
from bokeh.layouts import column
from bokeh.plotting import figure

source = ColumnDataSource({"x": list(range(5)), "y": [0] * 5})
slider = Slider(start=0, end=10, value=1, title="factor", name="slider")

def changed(name, old, new):
    source.data = {"x": source.data["x"], "y": [new * x for x in source.data["x"]]}

slider.on_change("value", changed)
plot = figure(height=200)
plot.line("x", "y", source=source)
source.name = "source"
curdoc().add_root(column(slider, plot))
curdoc().title = "of the suite"
curdoc().on_session_destroyed(lambda context: None)
"""
_VOLATILE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}|p\d{4,}|eyJ[\w-]+|v=[0-9a-f]{20,}|:\d{4,5}\b|\bfr?[\w-]{40,}")


def main() -> None:
    directory = Path(sys.argv[1])
    (directory / "sample.py").write_text(_APP, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bokeh", "serve", "sample.py", "--port", str(port), "--address", "127.0.0.1"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
        try:
            await_start(port)
            seen = pages(port) | session(f"http://127.0.0.1:{port}/sample")
        finally:
            process.terminate()
            process.wait(20)
    seen["exit status"] = process.returncode
    seen["log"] = sorted(
        {_VOLATILE.sub("#", line) for line in (directory / "log").read_text().splitlines() if re.search("ERROR|Error|Trace", line)}
    )
    seen |= asyncio.run(embedded())
    print(json.dumps(seen))


def await_start(port: int) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def pages(port: int) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for path in ("/", "/sample", "/sample/autoload.js?bokeh-autoload-element=e", "/sample/metadata", "/static/js/bokeh.min.js", "/nosuch"):
        try:
            answer: Any = urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = answer.read().decode()
            headers = sorted(
                (name, _VOLATILE.sub("#", value))
                for name, value in answer.headers.items()
                if name not in ("Date", "Etag", "Last-Modified", "Content-Length")
            )
            seen[path] = [answer.status, headers, len(body) if path.startswith("/static") else _VOLATILE.sub("#", body)[:2000]]
    return seen


def session(url: str) -> dict[str, Any]:
    """Clients in Python, which are browsers to the server, share a session: one changes it, the application answers, another sees it."""
    from bokeh.client import pull_session

    seen: dict[str, Any] = {}
    numbers = []
    with pull_session(url=url) as first:
        seen["document"] = [first.document.title, sorted({type(model).__name__ for model in first.document.models})]
        for value in (3, 7):
            with pull_session(url=url, session_id=first.id) as client:
                client.document.select_one({"name": "slider"}).value = value
                client.force_roundtrip()
            with pull_session(url=url, session_id=first.id) as other:
                numbers.append([int(number) for number in other.document.select_one({"name": "source"}).data["y"]])
        seen["server info"] = sorted(first.request_server_info()["version_info"])
    seen["answers"] = numbers
    try:
        pull_session(url=url, max_message_size=1)
    except Exception as error:
        seen["limits"] = f"{type(error).__name__}: {_VOLATILE.sub('#', str(error))}"
    return seen


async def embedded() -> dict[str, Any]:
    """A server inside a program, on its loop, as the examples embed it; periodic callbacks of a session run."""
    from bokeh.client.connection import ClientConnection  # noqa: F401 - what pull_session stands on is there
    from bokeh.server.server import Server
    from tornado.httpclient import AsyncHTTPClient
    from tornado.ioloop import IOLoop
    from tornado.websocket import websocket_connect

    called: list[str] = []
    enough = asyncio.Event()

    def application(document: Any) -> None:
        def tick() -> None:
            called.append("tick")
            if len(called) == 3:
                enough.set()

        document.add_periodic_callback(tick, 20)
        document.add_next_tick_callback(lambda: called.append("next"))

    server = Server({"/": application}, port=0, io_loop=IOLoop.current(), allow_websocket_origin=["here"])
    server.start()
    page = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{server.port}/")
    await asyncio.wait_for(enough.wait(), 20)
    try:
        await websocket_connect(f"ws://127.0.0.1:{server.port}/ws")
        refused = "no"
    except Exception as error:
        refused = str(error)
    server.stop()
    return {"embedded page": page.code, "first callback": called[0], "no subprotocol": refused}


if __name__ == "__main__":
    main()
