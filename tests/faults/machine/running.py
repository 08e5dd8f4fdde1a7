"""Runs a script against a server of one package, on the loop that runs, and keeps what a client and the hooks saw of it."""

import asyncio
import contextlib
import gc
import importlib
import os
import re
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.machine import programs, scripts

_KERNEL_BYTES = 65536  # what lies in sockets' buffers is bounded, so that who does not read is noticed
_QUIET_TURNS = 24
_DRIP, _DRIPPING = 7, 3000  # so few bytes at once, where there are no more than that to be sent


class Seen(NamedTuple):
    """What became of one step."""

    received: str
    hooks: list[str]
    closed: bool
    sent: int
    deaf: bool  # the client does not read: nobody knows whether the connection is closed


LATER = 100.0


class Transcript(NamedTuple):
    """One side's run."""

    steps: list["Seen"]
    errors: list[str]
    left: list[str]


class Client:
    """A socket that is neither watched nor waited for: the script says when it is looked at."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, do_handshake_on_connect=False, server_hostname="localhost")
        self.unsent = b""
        self.sent = 0
        self.received = b""
        self.deaf = self.ends = self.ended = self.closed = self.left = self.drips = False

    def send(self, data: bytes) -> None:
        """Have it sent, by and by; not once the client has ended."""
        if not self.left and not self.ends:
            self.unsent += data

    def work(self) -> bool:
        """Send and read what goes; whether anything did."""
        return not self.left and (self._send() | self._read())

    def _send(self) -> bool:
        if not self.unsent:
            if self.ends and not self.ended:
                self.ended = True
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self.socket, socket.SHUT_WR)  # not that of TLS: then nothing could be read
            return False
        try:
            count = self.socket.send(self.unsent[: _DRIP if self.drips and len(self.unsent) < _DRIPPING else _KERNEL_BYTES])
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            self.unsent = b""
            return False
        self.sent += count
        self.unsent = self.unsent[count:]
        return True

    def _read(self) -> bool:
        if self.deaf or self.closed:
            return False
        try:
            data = self.socket.recv(262144)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # perhaps something came that is TLS's own
            return False
        except OSError:
            data = b""
        if data:
            # Nobody shall wait for an acknowledgement before he sends on.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.received += data
        self.closed = not data
        return True

    def leave(self, reset: bool, last_words: bytes = b"") -> None:
        """``last_words`` arrive together with the end."""
        if last_words and not self.left:
            self.socket.send(last_words)
        if reset and not self.left:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.left = True
        self.unsent = b""
        self.socket.close()


class Clock:
    """What is added to the time of loops: theirs alone, where one of them goes by a clock that nobody can set."""

    ahead = 0.0


class Side:
    """A package, a loop and a directory with a file."""

    def __init__(
        self, package: str, runner: asyncio.Runner, directory: Path, contexts: tuple[ssl.SSLContext, ssl.SSLContext], clock: Clock
    ) -> None:
        self.package, self.runner, self.directory = package, runner, directory
        self.contexts, self.clock = contexts, clock

    def later(self) -> None:
        """Nothing has happened for a while."""
        self.clock.ahead += LATER

    def run(self, script: scripts.Script, patience: float = 0.0) -> Transcript:
        """``patience``: seconds to wait at least before the program is taken to be quiet."""
        return self.runner.run(_Run(self, script, patience).all())


class _Run:
    def __init__(self, side: Side, script: scripts.Script, patience: float) -> None:
        self.side, self.script, self.patience = side, script, patience
        self.notes = programs.Notes()
        self.errors: list[str] = []
        self.received: list[str] = []
        self.closed: list[bool] = []
        self.sent: list[int] = []
        self.deaf: list[bool] = []
        self.behind = b""  # what the client has begun to send
        self.unending = False

    async def all(self) -> Transcript:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(f"{context['message']}: {context.get('exception')!r}"))
        before, tasks = _descriptors(), asyncio.all_tasks()
        await self._talk()
        left = await self._left(before, tasks)
        loop.set_exception_handler(None)
        hooks: list[list[str]] = [[] for _ in range(self.notes.step + 1)]
        for step, who, what in self.notes.events:
            hooks[step].append(f"{who}: {what}")
        received = attributed(self.received, hooks)
        steps = [Seen(*one) for one in zip(received, hooks[:-1], self.closed, self.sent, self.deaf, strict=True)]
        return Transcript(steps, self.errors, left)

    async def _talk(self) -> None:
        httpserver, netutil = (importlib.import_module(f"{self.side.package}.{name}") for name in ("httpserver", "netutil"))
        server = httpserver.HTTPServer(
            programs.application(self.side.package, self.notes, str(self.side.directory), **self.script.program),
            ssl_options=self.side.contexts[0] if self.script.tls else None,
            **self.script.settings,
        )
        listening = netutil.bind_sockets(0, "127.0.0.1")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listening[0].setsockopt(socket.SOL_SOCKET, option, _KERNEL_BYTES)
        server.add_sockets(listening)
        client = self.client = Client(listening[0].getsockname()[1], self.side.contexts[1] if self.script.tls else None)
        await self._settle()
        for _ in self._steps(client):
            await self._settle()
            self._look(client)
            self.notes.step += 1
        while self.notes.release():
            await self._settle()
        client.leave(reset=False)
        await self._settle()
        self._look(client)
        while self.notes.release():
            await self._settle()
        self.notes.step += 1  # what follows is the end of the server
        self.connections = len(server._connections)
        server.stop()
        try:
            # Tornado waits for ever for a connection whose handler was cancelled in the wrong place.
            async with asyncio.timeout(0.1 if self.side.package == "tornado" else 10):
                await server.close_all_connections()
        except TimeoutError:
            self.unending = True
        await self._settle()
        while self.notes.release():
            await self._settle()

    def _steps(self, client: Client) -> Iterator[None]:
        """Do what the script says; after each step the program gets its time."""
        for step in self.script.steps:
            if step.kind in ("send", "part", "drip"):
                data = step.data(self.side.package)
                cut = int(len(data) * step.share)  # what is left is sent before the next one
                client.drips = step.kind == "drip"
                client.send(self.behind + data[:cut])
                self.behind = data[cut:]
            elif step.kind == "later":
                self.side.later()
            elif step.kind in ("release", "cancel"):
                self.notes.release(cancel=step.kind == "cancel")
            elif step.kind == "end":
                client.ends = True
            elif step.kind in ("leave", "reset"):
                client.leave(step.kind == "reset", step.data(self.side.package))
            else:
                client.deaf = step.kind == "deaf"
            yield
        yield from self._last_steps(client)

    def _last_steps(self, client: Client) -> Iterator[None]:
        """What is left of the last request, and of what waits. And then: is the connection still served?"""
        client.deaf = False
        client.send(self.behind)
        yield
        for _ in range(20):
            self.notes.release()
            yield
            if not self.notes.waiting:
                break
        upgraded = any("HTTP/1.1 101" in received for received in self.received)
        client.send(scripts.FRAMES["text"] if upgraded else scripts.PROBE)
        yield

    def _look(self, client: Client) -> None:
        received, client.received = client.received, b""
        self.received.append(readable(received))
        self.closed.append(client.closed)
        self.sent.append(client.sent)
        self.deaf.append(client.deaf)

    async def _settle(self) -> None:
        """Let the loop turn until nobody has done anything for a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience
        quiet = 0
        while quiet < _QUIET_TURNS or loop.time() < end:
            before = len(self.notes.events), self.notes.events[-1:]
            await asyncio.sleep(0)
            done = self.client.work()
            quiet = 0 if done or before != (len(self.notes.events), self.notes.events[-1:]) else quiet + 1

    async def _left(self, descriptors: set[str], tasks: set[Any]) -> list[str]:
        left = []
        if self.unending:
            left.append("close_all_connections, which does not end")
        if self.connections:
            left.append(f"{self.connections} connections")
        for _ in range(3):
            if any(one() is not None for one in self.notes.seen):
                gc.collect()
                await asyncio.sleep(0)
        if more := asyncio.all_tasks() - tasks:
            left += [f"task {task!r}" for task in more]
        left += [f"object {found!r}" for one in self.notes.seen if (found := one()) is not None]
        if _descriptors() - descriptors:
            left.append(f"descriptors {_descriptors() - descriptors}")
        return left


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


_GZIP_TIME = re.compile(rb"\x1f\x8b\x08\x00.{6}", re.DOTALL)  # and the system
_HEAD = re.compile(r"HTTP/1\.[01] [0-9]{3} [^\r]*\r\n(?:[^\r]+\r\n)*\r\n")


def readable(data: bytes) -> str:
    """Text in which runs are short, and the fields of each head stand in alphabetical order, without what no two answers share."""
    data = _GZIP_TIME.sub(lambda found: found[0][:4] + bytes(6), data)
    text = re.sub("x{40,}", lambda found: f"<{len(found[0])} x>", data.decode("latin-1"))
    return _HEAD.sub(_sorted_head, text)


def attributed(received: list[str], hooks: list[list[str]]) -> list[str]:
    """With the name of its request before each final head: they are answered in the order in which their handlers are made."""
    whose = iter([hook.partition(": ")[0] for step in hooks for hook in step if hook.endswith(": initialize")])
    return [
        _HEAD.sub(lambda found: found[0] if found[0].startswith("HTTP/1.1 100 ") else f"[{next(whose, '?')}] {found[0]}", text)
        for text in received
    ]


def _sorted_head(found: "re.Match[str]") -> str:
    first, *fields = found[0][:-4].split("\r\n")
    kept = sorted(field for field in fields if not field.startswith(("Date: ", "Server: ")))
    return "\r\n".join([first, *kept, "", ""])
