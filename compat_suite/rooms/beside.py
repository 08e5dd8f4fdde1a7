"""``--beside NAME,NAME``: the same room server on other packages, and what a delivered message costs each of them in CPU time.

* ``hub``: ours, in as many processes as ``--processes`` says, on Redis;
* ``broadcast``: ours without a hub, in one process: what the sockets alone cost;
* ``channels``: channels and channels-redis under uvicorn; ``daphne``: the same under daphne;
* ``socketio``: python-socketio with its Redis manager on Tornado.

All run at the same time, with as many members each; the members of each room say something in turn, candidate after candidate, in several
rounds. CPU is that of the server processes, the broker's apart. The environment of the others is made once, in the cache directory.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compat_suite.downstream import environments
from compat_suite.rooms.members import CLOSE, PING, TEXT, Check, Member
from compat_suite.rooms.servers import CannotRun, broker, free_port, wait_until_it_listens

_PROGRAMS = Path(__file__).with_name("programs")
_REQUIRES = [
    "channels[daphne]>=4.3,<5",
    "channels-redis>=4.3,<5",
    "uvicorn[standard]>=0.40,<1",
    "python-socketio>=5.15,<6",
    "redis[hiredis]>=5,<7",
]
_MARK = b"mmmm"
OURS = ("broadcast", "hub")
OTHERS = ("channels", "daphne", "socketio")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--beside",
        metavar="NAMES",
        type=_names,
        help=f"measure CPU beside these: {', '.join(OTHERS)}; `-`: only ourselves",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of --beside")
    parser.add_argument("--messages", type=int, default=20, help="of --beside: in each room, in each round")


def _names(text: str) -> list[str]:
    names = [] if text == "-" else text.split(",")
    if unknown := set(names) - {*OTHERS}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def execute(arguments: argparse.Namespace) -> int:
    """Measure, print the table. 0: our sockets with a hub cost at most 1.2 times what they cost without, others at least four times."""
    environment = environments.Package("rooms", "", _REQUIRES, "", [], 0)
    if arguments.beside:
        environments.prepare(environment)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(broker("redis"))
        assert server.process is not None
        names = [*OURS, *arguments.beside]
        candidates = [stack.enter_context(_serving(name, arguments, server.url, environment)) for name in names]
        asyncio.run(_measure(candidates, arguments, server.process.pid))
    return _report(candidates)


class Candidate:
    """One room server, in its processes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []
        self.members: list[Listener] = []
        self.costs: list[float] = []
        self.broker_costs: list[float] = []
        self.delivered = self.expected = self.closed = 0

    def cpu(self) -> float:
        """Seconds that its processes have used."""
        return sum(_cpu(process.pid) for process in self.processes)


class Listener(Member):
    """A member that counts."""

    def __init__(self, candidate: Candidate, room: int, port: int) -> None:
        super().__init__(Check(), room, ("127.0.0.1", port))
        self.candidate = candidate
        self.socketio = candidate.name == "socketio"
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def enter(self) -> None:
        """Connect, and again where the server takes too long for its own taste."""
        for _ in range(20):
            with contextlib.suppress(ConnectionError):
                if self.joined.done():
                    self.joined = asyncio.get_running_loop().create_future()
                await self.connect()
                if self.socketio:
                    await self.joined
                return
        raise CannotRun(f"{self.candidate.name} does not let everybody in")

    @property
    def path(self) -> str:
        return f"/socket.io/?EIO=4&transport=websocket&room={self.room}" if self.socketio else f"/{self.room}"

    def frame(self, opcode: int, content: bytes) -> None:
        if opcode == CLOSE and self.transport is not None:
            self.transport.close()
        elif opcode == PING and self.transport is not None:  # uvicorn lets go whoever does not answer
            self.transport.write(bytes([0x8A, 0x80 | len(content), 0, 0, 0, 0]) + content)
        if opcode != TEXT:
            return
        if _MARK in content:
            self.candidate.delivered += 1
        elif self.socketio:
            self.answer(content)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self.socketio and not self.joined.done():
            self.joined.set_exception(ConnectionError("closed before it was joined"))

    def answer(self, content: bytes) -> None:
        """What Engine.IO and Socket.IO want to hear."""
        if content.startswith(b"0"):
            self.send(b"40")
        elif content.startswith(b"40"):
            self.joined.set_result(None)
        elif content == b"2":
            self.send(b"3")

    def send(self, content: bytes) -> None:
        assert self.transport is not None, f"{self.candidate.name} has closed a connection"
        self.transport.write(bytes([0x81, 0x80 | len(content), 0, 0, 0, 0]) + content)

    def say(self, number: int) -> None:
        text = b"%08d" % number + b"m" * 56
        self.send(b'42["message","%s"]' % text if self.socketio else text)


@contextlib.contextmanager
def _serving(name: str, arguments: argparse.Namespace, url: str, environment: environments.Package) -> Iterator[Candidate]:
    candidate = Candidate(name)
    python = sys.executable if name in OURS else str(environment.python)
    try:
        for _ in range(1 if name == "broadcast" else arguments.processes):
            port = free_port()
            commands = {
                "channels": [
                    "-m",
                    "uvicorn",
                    "--port",
                    str(port),
                    "--log-level",
                    "error",
                    "--backlog",
                    "4096",
                    "channels_rooms:application",
                ],
                "daphne": ["-m", "daphne", "-p", str(port), "-v", "0", "channels_rooms:application"],
            }
            command = [python, *commands.get(name, [str(_PROGRAMS / f"{name}_rooms.py")])]
            variables = {**os.environ, "ROOMS_BROKER": url, "ROOMS_PORT": str(port)}
            quiet = subprocess.DEVNULL
            if name in OURS:
                variables["PYTHONPATH"] = str(environments.environment.ROOT)
            candidate.processes.append(
                subprocess.Popen(command, env=variables, cwd=_PROGRAMS, stdout=quiet, stderr=None if name in OURS else quiet)
            )
            candidate.ports.append(port)
        for process, port in zip(candidate.processes, candidate.ports, strict=True):
            wait_until_it_listens(process, port)
        yield candidate
    finally:
        for process in candidate.processes:
            process.kill()
            process.wait()


def _cpu(pid: int) -> float:
    """Seconds on a processor, of all threads."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


async def _measure(candidates: list[Candidate], arguments: argparse.Namespace, broker_pid: int) -> None:
    for candidate in candidates:
        for number in range(arguments.sockets):
            port = candidate.ports[number // arguments.rooms % len(candidate.ports)]
            candidate.members.append(Listener(candidate, number % arguments.rooms, port))
        for begin in range(0, arguments.sockets, 50):
            some = candidate.members[begin : begin + 50]
            await asyncio.gather(*(member.enter() for member in some))
        await asyncio.sleep(1)
        await _round(candidate, arguments, 3)  # to get warm
    for number in range(arguments.rounds):
        for candidate in candidates[number % 2 :] + candidates[: number % 2]:
            cpu, broker_cpu, before = candidate.cpu(), _cpu(broker_pid), candidate.delivered
            await _round(candidate, arguments, arguments.messages)
            delivered = max(1, candidate.delivered - before)
            candidate.costs.append((candidate.cpu() - cpu) / delivered * 1e6)
            candidate.broker_costs.append((_cpu(broker_pid) - broker_cpu) / delivered * 1e6)
    for candidate in candidates:
        candidate.closed = sum(member.transport is None for member in candidate.members)
        for member in candidate.members:
            if member.transport is not None:
                member.transport.abort()


async def _round(candidate: Candidate, arguments: argparse.Namespace, messages: int) -> None:
    """So many messages into each room, at ``--rate`` for each process; then wait until they have come."""
    members, interval = candidate.members, arguments.rooms / (arguments.rate * arguments.processes)
    tick = time.monotonic()
    for number in range(messages):
        for room in range(arguments.rooms):
            speakers = [member for member in members[room :: arguments.rooms] if member.transport is not None]
            if not speakers:
                raise CannotRun(f"{candidate.name} has closed all connections of a room")
            speakers[number % len(speakers)].say(number)
        candidate.expected += sum(member.transport is not None for member in members)
        tick += interval
        await asyncio.sleep(max(0.0, tick - time.monotonic()))
    before, since = -1, time.monotonic()
    while candidate.delivered < candidate.expected and time.monotonic() - since < 10:
        if candidate.delivered != before:
            before, since = candidate.delivered, time.monotonic()
        await asyncio.sleep(0.02)


def _report(candidates: list[Candidate]) -> int:
    figures: dict[str, Any] = {candidate.name: statistics.median(candidate.costs) for candidate in candidates}
    ours, alone = figures["hub"], figures["broadcast"]
    print("| rooms on | server CPU for a message delivered, us: median (least) | to ours | the broker's CPU, us | delivered | closed |")
    print("|---" * 6 + "|")
    for one in candidates:
        figure = figures[one.name]
        print(
            f"| {one.name} | {figure:.2f} ({min(one.costs):.2f}) | {figure / ours:.2f} | {statistics.median(one.broker_costs):.2f} "
            f"| {one.delivered} of {one.expected} | {one.closed} |"
        )
    enough = ours <= 1.2 * alone and all(figures[name] >= 4 * ours for name in figures if name in OTHERS)
    return 0 if enough else 1
