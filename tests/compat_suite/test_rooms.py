"""The rooms' load with small numbers: what goes wrong costs nothing that is not told."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_suite import environment
from compat_suite.rooms.members import Check, Member, each_frame

# What each disturbance takes beyond the defaults. They run at the same time: most of theirs is waiting.
LOADS = {
    "connections": ["--plain"],
    "broker": ["--pause", "0.3"],
    "worker": [],
    "slow": ["--rate", "60", "--pause", "2"],
    "slow drop": ["--rate", "60", "--seconds", "5", "--pause", "2", "--overflow", "drop"],
    "roll": [],
    "cable+broker": ["--pause", "2"],
}


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[dict[str, tuple[Any, Path]]]:
    """All of them, begun."""
    begun = {}
    for name, options in LOADS.items():
        file = tmp_path_factory.mktemp("rooms") / "result.json"
        command = [sys.executable, "-m", "compat_suite", "rooms", "--disturb", name.split()[0], "--json", str(file)]
        command += ["--processes", "2", "--sockets", "40", "--rooms", "4", "--seconds", "3", "--rate", "20"]
        command += ["--loop", request.config.getoption("--loop"), *options]
        variables = environment.child(alias=False)
        pipe, output = subprocess.PIPE, subprocess.STDOUT
        process = subprocess.Popen(command, stdout=pipe, stderr=output, text=True, cwd=environment.ROOT, env=variables)
        begun[name] = process, file
    yield begun
    for process, _ in begun.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", LOADS)
def test_under_what_goes_wrong(name: str, loads: dict[str, tuple[Any, Path]]) -> None:
    if name.startswith("cable") and os.getuid() != 0 and not os.environ.get("CI"):
        pytest.skip("network namespaces need root")
    process, file = loads[name]
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    (result,) = json.loads(file.read_text()).values()
    assert (result["lost"], result["doubled"], result["incomplete"], result["failed"]) == (0, 0, 0, 0), said
    assert result["published"] > 10
    if name == "cable+broker":
        assert result["reported"] > 0  # what one host had been told before the broker lost it, the other cannot get
    if name in {"worker", "slow", "roll"}:
        assert result["came back"] > 0
    if name == "slow drop":
        assert result["slow"]["lost"] > 0


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
