"""The rooms' load with small numbers: what goes wrong costs nothing that is not told."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_suite import environment
from compat_suite.rooms import servers
from compat_suite.rooms.members import Check, Member, each_frame
from tests.conftest import tool

# What each disturbance takes beyond the defaults. They run at the same time: most of theirs is waiting.
SECONDS = 120
LOADS = {
    "connections": ["--plain"],
    "broker": ["--pause", "0.3"],
    "worker": [],
    "slow": ["--rate", "60", "--pause", "2"],
    "slow drop": ["--rate", "60", "--seconds", "5", "--pause", "2", "--overflow", "drop"],
    "roll": [],
    "cable+broker": ["--pause", "2"],
}


class Load:
    """One of them, begun, in a group of processes of its own. What it says goes into a file: a pipe would be held by all that it starts."""

    def __init__(self, name: str, loop: str, directory: Path) -> None:
        self._said, self._file = directory / "said", directory / "result.json"
        command = [sys.executable, "-m", "compat_suite", "rooms", "--disturb", name.split(maxsplit=1)[0], "--json", str(self._file)]
        command += ["--processes", "2", "--sockets", "40", "--rooms", "4", "--seconds", "3", "--rate", "20", "--loop", loop, *LOADS[name]]
        variables, root = environment.child(alias=False), environment.ROOT
        with self._said.open("w") as said:
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
            self._process = subprocess.Popen(command, cwd=root, env=variables, start_new_session=True, **streams)

    def result(self) -> tuple[Any, str]:
        """What came of it, and what it said; fails where it does not end, or ends badly."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS)
        said = self._said.read_text()
        assert self._process.returncode == 0, said
        (result,) = json.loads(self._file.read_text()).values()
        return result, said

    def end(self) -> None:
        """It, and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(SECONDS)


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[dict[str, Load]]:
    """Those that are to be tested, begun."""
    tool("redis-server")
    wanted = [getattr(item, "callspec", None) for item in request.session.items if request.fixturename in getattr(item, "fixturenames", ())]
    loop = request.config.getoption("--loop")
    names = [one.params["name"] for one in wanted if one is not None]
    with contextlib.ExitStack() as stack:
        begun = {}
        for name in names:
            begun[name] = Load(name, loop, tmp_path_factory.mktemp("rooms"))
            stack.callback(begun[name].end)
        yield begun


@pytest.mark.parametrize("name", LOADS)
def test_under_what_goes_wrong(name: str, loads: dict[str, Load]) -> None:
    if name.startswith("cable") and os.getuid() != 0 and not os.environ.get("CI"):
        pytest.skip("network namespaces need root")
    result, said = loads[name].result()
    assert (result["lost"], result["doubled"], result["incomplete"], result["failed"]) == (0, 0, 0, 0), said
    assert result["published"] > 10
    if name == "cable+broker":
        assert result["reported"] > 0  # what one host had been told before the broker lost it, the other cannot get
    if name in {"worker", "slow", "roll"}:
        assert result["came back"] > 0
    if name == "slow drop":
        assert result["slow"]["lost"] > 0


def test_one_that_is_ended_leaves_nobody_behind(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tool("redis-server")
    load = Load("roll", request.config.getoption("--loop"), tmp_path)
    group = load._process.pid
    # Its processes, and a broker, are there.
    wait_for(lambda: len(processes(group)) >= 5)
    load._process.terminate()
    load._process.wait(SECONDS)
    left = processes(group)
    load.end()
    assert left == []


def processes(group: int) -> list[str]:
    """The command lines of those that live in it."""
    found = subprocess.run(["ps", "-e", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if line.split()[0] == str(group) and not line.split()[1].startswith("Z")]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_process_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    monkeypatch.setattr(servers, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(sys, "executable", str(silent))
    process = servers.Process({"name": "p0"})
    with pytest.raises(servers.CannotRun, match="says nothing"):
        process.wait_until_ready()
    process.end()


def test_members_notice() -> None:
    check = Check()
    member = Member(check, 0, ("", 0))
    for text in ("1-1 a 1", "1-2 b 1", "1-3 a 2", "1-4 a 4", "gap", "1-9 a 7", "1-10 b 4", "1-11 b 4", "1-12 b 6"):
        member.frame(1, text.encode())
    assert (check.received, check.lost, check.reported, check.doubled, check.gaps) == (8, 2, 4, 1, 1)
    assert member.last == "1-12"


def test_frames_in_pieces() -> None:
    got: list[tuple[int, bytes]] = []
    wire, rest = b"\x81\x03one\x81\x7e\x00\xc8" + b"x" * 200 + b"\x88\x02\x03\xe8", b""
    for at in range(len(wire)):
        rest = each_frame(rest + wire[at : at + 1], lambda opcode, content: got.append((opcode, content)))
    assert (got, rest) == ([(1, b"one"), (1, b"x" * 200), (8, b"\x03\xe8")], b"")
