"""One whole session of a Jupyter server, over the wire: start, pages, contents, a kernel, a cell, shutdown. Prints what was seen.

``jupyter_session.py MODULE DIRECTORY``: the module to start, ``jupyter_server`` or ``notebook``.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

_TOKEN = "of-the-suite"
_STARTING_SECONDS = 90


def main() -> None:
    module, directory = sys.argv[1], Path(sys.argv[2])
    (directory / "root").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    private = {f"JUPYTER_{name}": str(directory / name.lower()) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    command = [
        sys.executable,
        "-m",
        module,
        f"--port={port}",
        "--ip=127.0.0.1",
        f"--IdentityProvider.token={_TOKEN}",
        f"--ServerApp.root_dir={directory / 'root'}",
        "--allow-root",
        "--no-browser",
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **private, "IPYTHONDIR": str(directory / "ipython")})
        try:
            seen = asyncio.run(session(port))
            process.wait(20)
        except BaseException:
            print((directory / "log").read_text(encoding="utf-8"), file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()
    seen["exit status"] = process.returncode
    text = (directory / "log").read_text(encoding="utf-8")
    seen["log"] = sorted(
        {
            re.sub(r"\d+", "N", line)
            for line in text.splitlines()
            if re.match(r"\[[EC] ", line) or "Traceback" in line or re.match(r"\w*(Error|Exception)\b", line)
        }
    )
    print(json.dumps(seen))


async def session(port: int) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def ask(method: str, path: str, body: Any = None) -> Any:
        status, headers, content = await request(port, method, path, None if body is None else json.dumps(body))
        kept = [
            (name, value)
            for name, value in headers
            if name not in ("Date", "Set-Cookie", "Content-Length", "Etag", "Last-Modified", "X-Jupyter-Request-Id")
        ]
        label = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", f"{method} {path}")
        seen[label] = [status, re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", json.dumps(kept))]
        return json.loads(content) if content.startswith((b"{", b"[")) else content

    deadline = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            await ask("GET", "/api")
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
    await ask("GET", "/api/status")
    for page in ("/", "/tree", "/notebooks/none.ipynb", "/static/favicon.ico", "/login"):
        await ask("GET", page)
    await ask("PUT", "/api/contents/note.txt", {"type": "file", "format": "text", "content": "text \u00e9"})
    seen["content"] = (await ask("GET", "/api/contents/note.txt"))["content"]
    seen["listing"] = [one["name"] for one in (await ask("GET", "/api/contents/"))["content"]]
    await ask("GET", "/files/note.txt")
    await ask("PATCH", "/api/contents/note.txt", {"path": "renamed.txt"})
    await ask("DELETE", "/api/contents/renamed.txt")
    await ask("GET", "/api/contents/nosuch")
    await ask("GET", "/api/kernelspecs")
    kernel = (await ask("POST", "/api/kernels", {"name": "python3"}))["id"]
    seen["cell"] = await cell(port, kernel)
    await ask("POST", f"/api/kernels/{kernel}/interrupt", {})
    await ask("GET", "/api/kernels")
    await ask("DELETE", f"/api/kernels/{kernel}")
    await ask("POST", "/api/shutdown", {})
    return seen


async def request(port: int, method: str, path: str, body: str | None) -> tuple[int, list[tuple[str, str]], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = (body or "").encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: token {_TOKEN}",
        "Connection: close",
        f"Content-Length: {len(data)}",
        "",
        "",
    ]
    writer.write("\r\n".join(lines).encode() + data)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    content = await reader.read()
    writer.close()
    return int(head[0].split()[1]), [(name, value) for name, _, value in (line.partition(": ") for line in head[1:] if line)], content


async def cell(port: int, kernel: str) -> list[Any]:
    """Execute one cell over the kernel's WebSocket; the kinds of the messages that came, and their content."""
    from websocket import create_connection

    def run() -> list[Any]:
        connection = create_connection(
            f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels?session_id=s", header=[f"Authorization: token {_TOKEN}"], timeout=60
        )
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "u", "session": "s", "date": "", "version": "5.3"}
        content = {
            "code": "import tornado\nprint('printed', 6 * 7)\n'result'",
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        connection.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
        found: list[Any] = []
        while True:
            message = json.loads(connection.recv())
            if message["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            kind, body = message["msg_type"], message["content"]
            found.append(
                [message["channel"], kind, body.get("text") or body.get("data") or body.get("execution_state") or body.get("status")]
            )
            if any(one[1] == "execute_reply" for one in found) and any(one[1:] == ["status", "idle"] for one in found):
                connection.close()
                return sorted(found, key=repr)

    return await asyncio.get_running_loop().run_in_executor(None, run)


if __name__ == "__main__":
    main()
