"""What connections weigh on which nothing happens, in a server of its own."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

COUNT = 3000

SERVER = """
import gc, resource, sys
from tornadolike import ioloop, sse, web, websocket

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

class Stream(sse.EventStreamHandler):
    pass

class Echo(websocket.WebSocketHandler):
    pass

class Memory(web.RequestHandler):
    def get(self):
        gc.collect()
        with open("/proc/self/statm") as statm:
            self.write(str(int(statm.read().split()[1]) * resource.getpagesize()))

server = web.Application([("/sse", Stream), ("/ws", Echo), ("/memory", Memory)]).listen(0, "127.0.0.1")
print(next(iter(server._sockets.values())).getsockname()[1], flush=True)
ioloop.IOLoop.current().start()
"""
HEAD = "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n"
REQUESTS = {
    "sse": HEAD.format("/sse", ""),
    "ws": HEAD.format(
        "/ws",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    ),
}


@contextlib.contextmanager
def serving(program: Path) -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    program.write_text(SERVER)
    process = subprocess.Popen([sys.executable, str(program), str(wanted)], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(b"GET /memory HTTP/1.0\r\n\r\n")
        return int(one.makefile("rb").read().rpartition(b"\r\n\r\n")[2])


def answered(one: socket.socket, ending: bytes) -> None:
    received = b""
    while not received.endswith(ending):
        received += one.recv(4096)


def weight(port: int, kind: str, at_once: int) -> float:
    """Bytes that one more idle connection makes the server grow by."""
    ending = {"sse": b":\n\n\r\n", "ws": b"\r\n\r\n"}[kind]
    with socket.create_connection(("127.0.0.1", port)) as first:  # what is loaded for it is not counted
        first.sendall(REQUESTS[kind].encode())
        answered(first, ending)
    before = memory(port)
    opened: list[socket.socket] = []
    try:
        while len(opened) < COUNT:
            # All are accepted before the first of them asks.
            new = [socket.create_connection(("127.0.0.1", port)) for _ in range(at_once)]
            opened += new
            memory(port)
            for one in new:
                one.sendall(REQUESTS[kind].encode())
            for one in new:
                answered(one, ending)
        return (memory(port) - before) / COUNT
    finally:
        for one in opened:
            one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("at_once", [50, 300])
@pytest.mark.parametrize(("kind", "most"), [("sse", 4 * 1024), ("ws", 4.5 * 1024)])
def test_idle_connections(tmp_path: Path, kind: str, most: float, at_once: int) -> None:
    # Python takes memory from the system by the MiB; among 10,000 connections these two would hardly be seen.
    most += 2 * 1024 * 1024 / COUNT
    # Behind hundreds of handshakes at once there is also room that is free again.
    free = 300 if at_once > 50 else 0
    weights: list[float] = []
    while not weights or (min(weights) - free > most and len(weights) < 4):
        # A process that had to wait for its turn has more such room, never less: the least is what they weigh.
        with serving(tmp_path / "server.py") as port:
            weights.append(weight(port, kind, at_once))
    assert min(weights) - free <= most
