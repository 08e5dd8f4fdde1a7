"""``python -m compat_suite.rooms``: rooms over processes under load, and under what goes wrong.

Processes of `rooms_child` share a broker; WebSockets join rooms in each; every process publishes numbered messages into every room. Each
member must see, for each publisher, 1, 2, 3, ... without a hole or a repetition; a hole is right only where the member was told of a gap.
Meanwhile the broker's connections are cut, the broker is frozen for five seconds, or a process is killed, whose members come back
elsewhere with the last id that they saw. The broker is a ``redis-server`` of ours, unless ``--broker`` names one.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tornadolike._bench.many_connections import raise_file_limit


class Process:
    """One server process."""

    def __init__(self, broker: str, number: int, rooms: int, loop: str) -> None:
        self.name = f"p{number}"
        command = [sys.executable, "-m", "compat_suite.rooms_child", broker, self.name, str(rooms), loop]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._line())

    def _line(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline()

    def tell(self, line: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def result(self) -> Any:
        return json.loads(self._line() or '{"counts": [], "accepted": 0, "failed": 0, "cpu": 0}')

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


class Member(asyncio.Protocol):
    """A client that checks what it is sent; lean, since there are ten thousand of them."""

    def __init__(self, check: "Check", room: int, port: int) -> None:
        self.check, self.room, self.port = check, room, port
        self.seen: dict[str, int] = {}
        self.last = ""
        self.told_gap = False
        self.reads = True
        self.transport: asyncio.Transport | None = None
        self._rest = b""
        self._open = False

    async def connect(self, port: int) -> None:
        self._rest, self._open, self.port = b"", False, port
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self.opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        path = f"/{self.check.kind}{self.room}" + (f"?last={self.last}" if self.last else "")
        key = base64.b64encode(os.urandom(16)).decode()
        fields = ["Host: a", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        transport.write("\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
            self._open, data = True, data[end + 4 :]
            self.opened.set_result(None)
        at, length = 0, len(data)
        while length - at >= 2:
            size, begin = data[at + 1], at + 2
            if size == 126:
                if length - at < 4:
                    break
                size, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            if length - begin < size:
                break
            if data[at] & 15 == 1:
                self.message(data[begin : begin + size].decode())
            at = begin + size
        self._rest = data[at:]

    def message(self, text: str) -> None:
        if text == "gap":
            self.told_gap = True
            self.check.gaps += 1
            return
        *id_, name, number = text.split(" ")
        before = self.seen.get(name, 0)
        self.check.received += 1
        if int(number) <= before:
            self.check.doubled += 1
        elif int(number) != before + 1 and not self.told_gap:
            self.check.lost += int(number) - before - 1
            if len(self.check.examples) < 5:
                self.check.examples.append(f"room {self.room}, {name}: {before} -> {number}")
        self.seen[name] = int(number)
        if id_:
            self.last = id_[0]

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if not self.check.over:
            self.check.left.append(self)


class Check:
    """What all members together saw."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.received = self.doubled = self.lost = self.gaps = 0
        self.examples: list[str] = []
        self.left: list[Member] = []
        self.over = False


@contextlib.contextmanager
def redis() -> Iterator[tuple[str, "subprocess.Popen[bytes]", int]]:
    """A server of our own."""
    with socket.socket() as sock, tempfile.TemporaryDirectory() as directory:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        sock.close()
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory], stdout=subprocess.DEVNULL
        )
        try:
            yield f"redis://127.0.0.1:{port}/0", process, port
        finally:
            process.kill()
            process.wait()


async def disturb(what: str, seconds: float, server: "subprocess.Popen[bytes] | None", port: int, processes: list[Process]) -> None:
    """In the middle of the load."""
    await asyncio.sleep(seconds / 3)
    if what == "connections":
        for _ in range(3):
            command = "redis-cli", "-p", str(port), "client", "kill", "type", "normal"
            await (await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)).wait()
            await asyncio.sleep(seconds / 12)
    elif what == "freeze" and server is not None:
        server.send_signal(signal.SIGSTOP)
        await asyncio.sleep(5)
        server.send_signal(signal.SIGCONT)
    elif what == "worker":
        processes.pop().kill()


async def come_back(check: Check, processes: list[Process]) -> None:
    """Members whose server is gone go to another, with the last id that they saw."""
    while not check.over:
        left, check.left = check.left, []
        for member in left:
            await member.connect(random.choice(processes).port)
        await asyncio.sleep(0.05)


async def run(arguments: argparse.Namespace, broker: str, server: "subprocess.Popen[bytes] | None", port: int) -> int:
    processes = [Process(broker, number, arguments.rooms, arguments.loop) for number in range(arguments.processes)]
    check = Check("plain/" if arguments.plain else "")
    all_processes = list(processes)
    try:
        members = [Member(check, number % arguments.rooms, processes[number % len(processes)].port) for number in range(arguments.sockets)]
        for begin in range(0, len(members), 200):
            await asyncio.gather(*(member.connect(member.port) for member in members[begin : begin + 200]))
        await asyncio.sleep(1)
        started = time.monotonic()
        for process in processes:
            process.tell(f"publish {arguments.seconds} {arguments.rate}")
        returning = asyncio.create_task(come_back(check, processes))
        await disturb(arguments.disturb, arguments.seconds, server, port, processes)
        results = {process.name: await asyncio.to_thread(process.result) for process in processes}
        took = time.monotonic() - started
        complete = await everything(members, results)
        check.over = True
        returning.cancel()
        return report(arguments, check, results, complete, took)
    finally:
        check.over = True
        for process in all_processes:
            process.kill()


async def everything(members: list[Member], results: dict[str, Any]) -> int:
    """Wait until all members have seen the last message of each publisher; how many have not, after ten seconds without progress."""
    quiet_since, before = time.monotonic(), -1
    while True:
        missing = sum(
            member.seen.get(name, 0) != result["counts"][member.room]
            for member in members
            for name, result in results.items()
            if result["counts"]
        )
        if not missing:
            return 0
        if missing != before:
            quiet_since, before = time.monotonic(), missing
        elif time.monotonic() - quiet_since > 10:
            return missing
        await asyncio.sleep(0.2)


def report(arguments: argparse.Namespace, check: Check, results: dict[str, Any], missing: int, took: float) -> int:
    published = sum(result["accepted"] for result in results.values())
    cpu = sum(result["cpu"] for result in results.values())
    print(
        f"{arguments.sockets} WebSockets in {arguments.processes} processes, {arguments.rooms} rooms, {arguments.loop}, "
        f"disturbed: {arguments.disturb}; {published} published in {took:.1f} s, {check.received} received, lost {check.lost}, "
        f"doubled {check.doubled}, gaps told {check.gaps}, members without the last message {missing}; "
        f"server CPU {cpu / max(1, check.received) * 1e6:.1f} us a message received"
    )
    for example in check.examples:
        print(f"  {example}")
    failed = sum(result["failed"] for result in results.values())
    return 1 if check.lost or check.doubled or missing or failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """0: nothing lost, nothing doubled."""
    parser = argparse.ArgumentParser(prog="python -m compat_suite.rooms", description=__doc__)
    parser.add_argument("--broker", default="", help="URL of a broker; a redis-server is started without it; `memory` with one process")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--sockets", type=int, default=10_000, help="in all processes together")
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=4.0, help="messages a second of each process, over all rooms")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="uvloop")
    parser.add_argument("--disturb", choices=["nothing", "connections", "freeze", "worker"], default="nothing")
    parser.add_argument("--plain", action="store_true", help="members are sent what was published, without ids")
    arguments = parser.parse_args(argv)
    raise_file_limit(arguments.sockets + 200)
    if arguments.broker:
        return asyncio.run(run(arguments, arguments.broker, None, 0))
    with redis() as (url, server, port):
        return asyncio.run(run(arguments, url, server, port))


if __name__ == "__main__":
    sys.exit(main())
