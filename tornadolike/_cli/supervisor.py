"""The parent of ``--workers`` and ``--reload``: starts processes that serve, looks after them, replaces and ends them.

Workers are new processes with the same command line, not forks: each imports the program by itself, so that a worker which takes
another's place runs what the files say then. The listening sockets are the supervisor's (see ``worker``). On TCP each number has a
socket of its own with SO_REUSEPORT, among which the kernel spreads connections evenly; a new worker gets those of the number it takes over.

* SIGTERM, SIGINT: end all, which drain. A second one kills.
* SIGHUP: replace the workers one by one; the old one is told to end when the new one listens. If a new one does not come up, the rest stay.
* A worker that ends by itself is started again: at once for the first time, later after 1, 2, 4, ... up to 30 seconds, until one has
  lived for a minute. If none of the first workers ever listens, the whole ends with status 3.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from tornadolike._cli import draining, reloading, worker
from tornadolike._net import listening

FAILED_START = 3

_MOST_SECONDS_BETWEEN = 30.0
_LIVED_SECONDS = 60.0
_FIRST_SECONDS = 5.0
_KILL_AFTER_SECONDS = 5.0  # beyond the drain
_RELOAD_DRAIN_SECONDS = 2.0


def supervise(arguments: argparse.Namespace) -> int:
    """Run the program in workers until told to end; returns the exit status."""
    count = 1 if arguments.workers is None else arguments.workers or os.cpu_count() or 1
    return asyncio.run(_Supervisor(count, arguments).run())


class _Sockets:
    """The listening sockets, by what a worker asked for and its number."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme  # such as "http://"; "" where only the program knows
        self._tcp: dict[tuple[Any, ...], socket.socket] = {}
        self._ports: dict[tuple[Any, ...], int] = {}
        self._unix: dict[str, socket.socket] = {}

    def find(self, question: dict[str, Any], number: int, asked: dict[tuple[Any, ...], int]) -> socket.socket:
        """The socket for a worker's question; raises what opening it raises."""
        if "path" in question:
            if question["path"] not in self._unix:
                self._unix[question["path"]] = listening.bind_unix(question["path"], question["mode"], question["backlog"])
                draining.say(f"listening on unix:{question['path']}")
            return self._unix[question["path"]]
        host, port, *more = question["address"]
        wanted = (question["family"], host, port, *more)
        time_asked = asked[wanted] = asked.get(wanted, 0) + 1
        if port == 0:  # whoever asks first gets a free one; the others follow
            port = self._ports.get((wanted, time_asked), 0)
        key = (question["family"], host, port, *more, number)
        if port == 0 or key not in self._tcp:
            sock = listening.open_socket(
                question["family"], question["kind"], question["proto"], (host, port, *more), reuse_port=True, backlog=question["backlog"]
            )
            if sock is None:
                raise OSError(97, "Address family not supported by protocol")
            taken = sock.getsockname()[1]
            key = (question["family"], host, taken, *more, number)
            if not any(known[:-1] == key[:-1] for known in self._tcp):
                draining.say(f"listening on {self._scheme}{f'[{host}]' if ':' in host else host}:{taken}")
            self._ports[wanted, time_asked] = taken
            self._tcp[key] = sock
        return self._tcp[key]

    def release(self, number: int) -> None:
        """Close what belongs to a number that nobody serves for a while, so that the kernel gives its connections to others."""
        for key in [key for key in self._tcp if key[-1] == number]:
            self._tcp.pop(key).close()


class _Worker:
    """One process."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: socket.socket, life: int) -> None:
        self.number = number
        self.process = process
        self.pid = process.pid
        self.channel = channel
        self.life = life
        self.began = time.monotonic()
        self.listens = asyncio.Event()
        self.ended = asyncio.Event()
        self.told = False
        self.asked: dict[tuple[Any, ...], int] = {}

    def tell(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, without asking for the status before: Popen does, and takes it away from asyncio, which then knows none."""
        self.told = True
        if self.process.returncode is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, number)
                os.write(self.life, worker.SIGNAL_SENT)


class _Supervisor:
    def __init__(self, count: int, arguments: argparse.Namespace) -> None:
        self._count = count
        self._arguments = arguments
        self._drain = min(arguments.drain, _RELOAD_DRAIN_SECONDS) if arguments.reload else arguments.drain
        self._sockets = _Sockets("" if not arguments.attribute else "https://" if arguments.ssl_certfile else "http://")
        self._workers: dict[int, _Worker] = {}  # those that are meant to serve, by number
        self._all: set[_Worker] = set()
        self._failures: dict[int, int] = {}
        self._pausing: set[int] = set()  # numbers that are between two workers
        self._ending: int | None = None
        self._ever_listened = False
        self._status = 0
        self._end = asyncio.Event()
        self._roll: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._directory = _metrics_directory()
        self._starting = asyncio.Lock()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._on_end, int(one))
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        if self._arguments.attribute:
            loop.add_signal_handler(signal.SIGUSR1, self._reopen_logs)
        self._spawn(self._start_all())
        if self._arguments.reload:
            self._spawn(self._watch_sources())
        await self._end.wait()
        for task in tuple(self._tasks):
            task.cancel()
        return self._status

    def _spawn(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- workers

    async def _start_all(self) -> None:
        """The first one, and the others when it listens, or has not ended for a while: so what is wrong with all is said by one."""
        async with self._starting:
            self._pausing.update(range(1, self._count))
            first = self._workers.get(0) or await self._start(0)
            if self._count > 1:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_listens(first), _FIRST_SECONDS)
            has_failed = first.ended.is_set() and not first.listens.is_set() and first.process.returncode
            for number in range(1, self._count):
                self._pausing.discard(number)
                if not has_failed and self._ending is None and number not in self._workers:
                    await self._start(number)

    async def _start(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        environment = os.environ | {
            worker.ENVIRONMENT_VARIABLE: json.dumps({"number": number, "channel": theirs.fileno(), "life": reading}),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *sys.orig_argv[1:],
            env=environment,
            pass_fds=(theirs.fileno(), reading, *(() if self._arguments.fd is None else (self._arguments.fd,))),
            start_new_session=not self._arguments.reload,  # else a terminal's Ctrl-C would reach it twice
        )
        theirs.close()
        os.close(reading)
        ours.setblocking(False)
        one = _Worker(number, process, ours, writing)
        self._workers[number] = one
        self._all.add(one)
        asyncio.get_running_loop().add_reader(ours, self._on_question, one)
        self._spawn(self._wait_for(one))
        if self._ending is not None:  # since it was asked for: nobody has told it
            self._tell([one])
        return one

    def _on_question(self, one: _Worker) -> None:
        try:
            data = one.channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(one.channel)
            return
        for line in data.splitlines():
            question = json.loads(line)
            if question.get("ready"):
                self._ever_listened = True
                one.listens.set()
            else:
                self._answer(one, question)

    def _answer(self, one: _Worker, question: dict[str, Any]) -> None:
        try:
            sock = self._sockets.find(question, one.number, one.asked)
        except OSError as error:
            one.channel.send(json.dumps([error.errno, error.strerror or str(error)]).encode())
        except ValueError as error:
            one.channel.send(json.dumps([None, str(error)]).encode())
        else:
            socket.send_fds(one.channel, [b"+"], [sock.fileno()])

    async def _wait_for(self, one: _Worker) -> None:
        code = await one.process.wait()
        asyncio.get_running_loop().remove_reader(one.channel)
        one.channel.close()
        os.close(one.life)
        self._all.discard(one)
        one.ended.set()
        _retire_metrics(self._directory, one.pid)
        if self._workers.get(one.number) is one:
            del self._workers[one.number]
            if not one.told and self._ending is None:
                await self._replace_fallen(one, code)
        if not self._all and (self._ending is not None or self._is_over()):
            self._end.set()

    def _is_over(self) -> bool:
        """Whether no worker is meant to serve any more."""
        return not self._workers and not self._pausing and not self._arguments.reload and self._roll is None

    async def _replace_fallen(self, one: _Worker, code: int) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"
        if self._arguments.reload:
            draining.say(f"the program {how}; waiting for a change")
            return
        if code == 0:
            draining.say(f"worker {one.number} (pid {one.pid}) exited normally")
            return  # as the children of fork_processes
        if not self._ever_listened:
            draining.say(f"worker {one.number} (pid {one.pid}) {how} before it listened; giving up")
            self._status = code if code == 2 else FAILED_START
            self._on_end(signal.SIGTERM)
            return
        if time.monotonic() - one.began > _LIVED_SECONDS:
            self._failures.pop(one.number, None)
        failures = self._failures[one.number] = self._failures.get(one.number, 0) + 1
        pause = 0.0 if failures == 1 else min(_MOST_SECONDS_BETWEEN, 2.0 ** (failures - 2))
        draining.say(f"worker {one.number} (pid {one.pid}) {how}, starting another{f' in {pause:g} s' if pause else ''}")
        if pause:
            self._sockets.release(one.number)
            self._pausing.add(one.number)
            await asyncio.sleep(pause)
            self._pausing.discard(one.number)
        if self._ending is None and one.number not in self._workers:
            await self._start(one.number)

    # -- ending

    def _on_end(self, number: int) -> None:
        if self._ending is not None:
            for one in self._all:
                one.tell(signal.SIGKILL)
            return
        self._ending = number
        if number == signal.SIGINT:
            self._status = 128 + number
        if not self._all:
            self._end.set()
        self._tell(list(self._all))

    def _tell(self, those: list[_Worker]) -> None:
        """Tell them to end, and see to it that they do."""
        for one in those:
            one.tell()
        self._spawn(self._kill_late(those))

    async def _kill_late(self, those: list[_Worker]) -> None:
        """What does not end when its time is over is stuck."""
        await asyncio.sleep(self._drain + self._arguments.drain_delay + _KILL_AFTER_SECONDS)
        for one in those:
            if not one.ended.is_set():
                draining.say(f"worker {one.number} (pid {one.pid}) does not end, killing it")
                one.tell(signal.SIGKILL)

    def _reopen_logs(self) -> None:
        for one in self._all:
            if one.listens.is_set() and not one.ended.is_set():  # before that the signal would end it
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGUSR1)

    # -- replacing

    def _on_hangup(self) -> None:
        if self._roll is None and self._ending is None:
            self._roll = self._spawn(self._replace_all())

    async def _replace_all(self) -> None:
        try:
            draining.say("SIGHUP: replacing the workers one by one")
            async with self._starting:
                for number in range(self._count):
                    if self._ending is not None:
                        return
                    if not await self._replace(number):
                        return
            draining.say("SIGHUP: all workers are replaced")
        finally:
            self._roll = None

    async def _replace(self, number: int) -> bool:
        """Start another worker and, when it listens, tell the old one to end; says whether that worked."""
        old = self._workers.get(number)
        new = await self._start(number)
        if not await _listens(new):
            if self._ending is None:  # else all end, and it is nobody's fault
                draining.say(f"SIGHUP: the new worker {number} (pid {new.pid}) does not listen; the others stay")
            new.tell()
            if old is not None and not old.ended.is_set():
                self._workers[number] = old
            return False
        if old is not None and not old.ended.is_set():
            old.tell()
            late = self._spawn(self._kill_late([old]))
            await old.ended.wait()
            late.cancel()
        return True

    # -- reloading

    async def _watch_sources(self) -> None:
        async for changed in reloading.changes(self._watched()):
            broken = reloading.syntax_error(changed)
            if broken is not None:
                draining.say(f"{broken}; waiting for the next change")
                continue
            draining.say(f"{reloading.shown(changed)} changed, restarting")
            for one in tuple(self._all):
                one.tell()
                late = self._spawn(self._end_for_reload(one))
                await one.ended.wait()
                late.cancel()
            if self._ending is None:
                await self._start_all()

    def _watched(self) -> list[Path]:
        given = self._arguments.reload_dir
        directories = [Path(name) for name in given or ["."]]
        if self._arguments.target and not self._arguments.attribute and not given:
            directories.append(Path(self._arguments.target).resolve().parent)
        if not given and (self._arguments.attribute or self._arguments.module):
            directories += reloading.places_of(self._arguments.module or self._arguments.target.partition(":")[0])
        return directories

    async def _end_for_reload(self, one: _Worker) -> None:
        await asyncio.sleep(self._drain)
        one.tell(signal.SIGTERM)  # the second: at once
        await asyncio.sleep(1)
        one.tell(signal.SIGKILL)


async def _listens(one: _Worker) -> bool:
    """Wait until a worker listens, or has ended."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (one.listens, one.ended)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in waiting:
            future.cancel()
    return one.listens.is_set() and not one.ended.is_set()


def _metrics_directory() -> str | None:
    """Where the workers' metrics are added up, for ``tornadolike.metrics``; None where prometheus-client is not installed."""
    import importlib.util

    if importlib.util.find_spec("prometheus_client") is None:
        return None
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if given:
        return given
    import atexit
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix="tornadolike-metrics-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    return directory


def _retire_metrics(directory: str | None, pid: int) -> None:
    if directory is not None:
        from tornadolike._cli import metrics_files

        metrics_files.retire(directory, pid)
