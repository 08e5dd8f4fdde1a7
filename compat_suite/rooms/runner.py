"""The load: servers, members, publishers, a disturbance, and what came of it."""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine
from typing import Any

from compat_suite.rooms import beside, disturbances, hosts
from compat_suite.rooms.disturbances import Stage
from compat_suite.rooms.members import Check, Member
from compat_suite.rooms.servers import BROKERS, BrokerServer, CannotRun, Process, Workers, broker
from tornadolike._bench.errors import BenchError
from tornadolike._bench.many_connections import raise_file_limit
from tornadolike._cli import output

# What a room says while a member does not read: more than kernels keep for who has small buffers, and than its bound.
_SLOW_BYTES, _LEAST_SLOW_MESSAGE = 160_000, 2000
_QUIET_SECONDS, _MOST_SECONDS = 30.0, 600.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--broker", default="redis", help="redis, nats, postgres: a server of ours; or a URL; `memory` with one process")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--sockets", type=int, default=10_000, help="in all processes together")
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long messages are published")
    parser.add_argument("--rate", type=float, default=4.0, help="messages a second of each process, over all rooms")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="uvloop")
    parser.add_argument("--disturb", action="append", choices=[*disturbances.KINDS, "all"], help="can be repeated")
    parser.add_argument("--pause", type=float, help="seconds that the disturbance lasts, where it lasts")
    parser.add_argument("--overflow", choices=["close", "drop"], default="close", help="what becomes of members that do not read (slow)")
    parser.add_argument("--lasting", action="store_true", help="redis writes everything to its disk before it answers")
    parser.add_argument("--plain", action="store_true", help="members are sent what was published, without ids")
    output.add_json(parser, "the results")
    beside.add_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """0: nothing lost or doubled without a word; 1: something was; 2: it could not be run."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and what was started ends, too
    try:
        raise_file_limit(arguments.sockets * (1 if arguments.beside is None else len(beside.OURS) + len(arguments.beside)))
        if arguments.beside is not None:
            return beside.execute(arguments)
        return _execute(arguments)
    except (BenchError, CannotRun) as error:
        print(f"rooms: {error}", file=sys.stderr)
        return 2


def _execute(arguments: argparse.Namespace) -> int:
    chosen = arguments.disturb or ["nothing"]
    with output.aside(arguments.json):
        results = {what: one(arguments, what) for what in (disturbances.KINDS if "all" in chosen else chosen)}
    if arguments.json:
        output.write_json(arguments.json, results)
    return int(any(result["problems"] for result in results.values()))


def one(arguments: argparse.Namespace, what: str) -> dict[str, Any]:
    """One load with one disturbance; prints a line."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(hosts.two()) if what.startswith("cable") else None
        server, url = None, arguments.broker
        if arguments.broker in BROKERS:
            where = (place[0].cable, place[0].prefix) if place else ("127.0.0.1", ())
            server = stack.enter_context(broker(arguments.broker, *where, lasting=arguments.lasting))
            url = server.url
        result = _run(_Load(arguments, what, url, server, place, stack).run())
    print(_line(arguments, what, result), flush=True)
    for example in [*result["problems"], *result["examples"]]:
        print(f"  {example}")
    return result


def _run(load: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """On the faster loop, whatever that of the servers: ten thousand members are here."""
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    try:
        return run(load)
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


class _Load:
    def __init__(
        self,
        arguments: argparse.Namespace,
        what: str,
        url: str,
        server: BrokerServer | None,
        place: tuple[hosts.Host, hosts.Host, hosts.Cable] | None,
        stack: contextlib.ExitStack,
    ) -> None:
        self.arguments, self.what = arguments, what
        self.disturb, pause = disturbances.KINDS[what]
        options = {
            "broker": url,
            "rooms": arguments.rooms,
            "loop": arguments.loop,
            "overflow": arguments.overflow if what == "slow" else "",
        }
        self.processes: list[Process] = []
        for number in range(2 if what == "roll" else arguments.processes):
            host = place[number % 2] if place else None
            where = (host.address, host.prefix) if host else ()
            process = Process({**options, "name": f"p{number}"}, *where)
            stack.callback(process.end)
            self.processes.append(process)
        for process in self.processes:
            process.wait_until_ready()
        workers = None
        if what == "roll":
            workers = Workers({**options, "name": ""}, arguments.processes, stack.enter_context(tempfile.TemporaryDirectory()))
            stack.callback(workers.end)
        pause = pause if arguments.pause is None else arguments.pause
        self.seconds = arguments.seconds
        self.stage = Stage(self.seconds, pause, server, self.processes, cable=place and place[2], workers=workers)
        kind = "plain/" if arguments.plain else ""
        self.check, self.slow = Check(kind), Check(kind)
        self.members: list[Member] = []
        self.phases: dict[str, tuple[float, float]] = {}
        self._begun = time.monotonic(), time.process_time()

    def _ended(self, phase: str) -> None:
        """Seconds that this phase took, and of our CPU."""
        now = time.monotonic(), time.process_time()
        self.phases[phase] = round(now[0] - self._begun[0], 1), round(now[1] - self._begun[1], 1)
        self._begun = now

    def _address(self, number: int) -> tuple[str, int]:
        workers = self.stage.workers
        return self.processes[number % len(self.processes)].address if workers is None else workers.address

    async def run(self) -> dict[str, Any]:
        """Raises `CannotRun` where it takes too long."""
        most = _MOST_SECONDS + self.seconds + self.stage.pause
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            async with asyncio.timeout(most):
                return await self._run()
        except TimeoutError:
            raise CannotRun(f"{self.what}: no end within {most:.0f} s") from None

    async def _run(self) -> dict[str, Any]:
        arguments = self.arguments
        every = max(1, arguments.sockets // 50) if self.what == "slow" else 0
        for number in range(arguments.sockets):
            slow = number < every
            check = self.slow if slow else self.check
            # Those who are slow are in one room: what is said there is long, and many read it.
            room = 0 if slow else number % arguments.rooms
            self.members.append(Member(check, room, self._address(number if slow else number // arguments.rooms), slow=slow))
        self.stage.slow = [member for member in self.members if member.slow]
        returning: asyncio.Task[None] | None = None
        try:
            for begin in range(0, len(self.members), 200):
                await asyncio.gather(*(member.connect() for member in self.members[begin : begin + 200]))
            await self._joined()
            self._ended("members joined")
            returning = asyncio.create_task(self._come_back())
            started = time.monotonic()
            size = self._message_size() if self.what == "slow" else 0
            for process in self.processes:
                process.tell(f"publish {arguments.rate} {size}")
            await asyncio.sleep(self.seconds / 3)
            await self.disturb(self.stage)
            # By what is published last members see what is missing: it must come after what went wrong.
            await asyncio.sleep(max(self.seconds / 3, started + self.seconds - time.monotonic()))
            for process in self.processes:
                process.tell("stop")
            results = {process.name: await asyncio.to_thread(process.result) for process in self.processes}
            took = time.monotonic() - started
            self._ended("messages published")
            missing = await self._everything(results)
            self._ended("everything received")
            if returning.done():
                returning.result()  # raises: they should have been brought back until now
            return self._result(results, missing, took)
        finally:
            self.check.over = self.slow.over = True
            if returning is not None:
                returning.cancel()
            for member in self.members:
                if member.transport is not None:
                    member.transport.abort()

    def _message_size(self) -> int:
        arguments = self.arguments
        messages = arguments.rate * len(self.processes) / arguments.rooms * min(self.stage.pause, self.seconds * 2 / 3)
        return max(_LEAST_SLOW_MESSAGE, int(_SLOW_BYTES / messages))

    async def _joined(self) -> None:
        """Wait until all rooms have all members: until then what is published need not come to them."""
        expected = [sum(member.room == room for member in self.members) for room in range(self.arguments.rooms)]
        end = time.monotonic() + 60
        for room, count in enumerate(expected):
            while await _counted(self._address(0), room) != count:
                if time.monotonic() > end:
                    raise CannotRun(f"room {room} has {await _counted(self._address(0), room)} members, not {count}")
                await asyncio.sleep(0.05)

    async def _come_back(self) -> None:
        """Members whose connection is gone go where somebody listens, with the last id that they saw."""
        while True:
            for check in (self.check, self.slow):
                left, check.left = check.left[:100], check.left[100:]
                await asyncio.gather(*(self._bring_back(check, member) for member in left))
            await asyncio.sleep(0.01)

    async def _bring_back(self, check: Check, member: Member) -> None:
        try:
            await member.connect(self._address(random.randrange(1000)))
            check.came_back += 1
        except OSError as error:
            check.refused[str(error)[:60]] += 1
            check.left.append(member)

    async def _everything(self, results: dict[str, Any]) -> int:
        """Wait until all members have seen the last message of each publisher; how many have not, after a long time without progress."""
        members = self.members
        if self.what == "slow" and self.arguments.overflow == "drop":
            members = [member for member in members if not member.slow]  # the last one may be among what was dropped
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
            received = self.check.received + self.slow.received
            if received != before:
                quiet_since, before = time.monotonic(), received
            elif time.monotonic() - quiet_since > _QUIET_SECONDS:
                return missing
            await asyncio.sleep(0.1)

    def _result(self, results: dict[str, Any], missing: int, took: float) -> dict[str, Any]:
        check, slow = self.check, self.slow
        result: dict[str, Any] = {
            "published": sum(result["accepted"] for result in results.values()),
            "failed": sum(result["failed"] for result in results.values()),
            "seconds": took,
            "received": check.received + slow.received,
            "lost": check.lost,
            "reported": check.reported,
            "doubled": check.doubled + slow.doubled,
            "gaps": check.gaps,
            "came back": check.came_back + slow.came_back,
            "incomplete": missing,
            "slow": {"members": len(self.stage.slow), "lost": slow.lost, "closed": dict(slow.closed), "came back": slow.came_back},
            "cpu": sum(result["cpu"] for result in results.values()),
            "phases": dict(self.phases),
            "examples": check.examples + slow.examples,
        }
        result["problems"] = [f"{key}: {result[key]}" for key in ("lost", "doubled", "incomplete", "failed") if result[key]]
        result["problems"] += [f"{count} x {what}" for what, count in (check.refused + slow.refused).items()]
        if self.what == "slow":
            result["problems"] += self._slow_problems()
        return result

    def _slow_problems(self) -> list[str]:
        problems = []
        if self.check.came_back:
            problems.append(f"{self.check.came_back} members left that read all the time")
        if self.arguments.overflow == "drop":
            if not self.slow.lost:
                problems.append("nothing was dropped")
            if self.slow.came_back:
                problems.append("members were closed whose messages are to be dropped")
        else:
            if self.slow.came_back < len(self.stage.slow):
                problems.append(f"of {len(self.stage.slow)} slow members {self.slow.came_back} were closed")
            if self.slow.lost:
                problems.append(f"those who were slow lost {self.slow.lost} without a word")
        return problems


async def _counted(address: tuple[str, int], room: int) -> int:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET /count/{room} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.rpartition(b"\r\n\r\n")[2])


def _line(arguments: argparse.Namespace, what: str, result: dict[str, Any]) -> str:
    slow = result["slow"]
    about_slow = f", slow: {slow['members']}, closed {slow['closed']}, dropped {slow['lost']}" if slow["members"] else ""
    cost = result["cpu"] / max(1, result["received"]) * 1e6
    return (
        f"{arguments.sockets} WebSockets in {arguments.processes} processes, {arguments.rooms} rooms, {arguments.broker}, "
        f"{arguments.loop}, disturbed: {what}; {result['published']} published in {result['seconds']:.1f} s, "
        f"{result['received']} received, "
        f"lost {result['lost']}, doubled {result['doubled']}; reported lost {result['reported']} by {result['gaps']} gaps; "
        f"came back {result['came back']}{about_slow}; server CPU {cost:.1f} us a message received"
    )
