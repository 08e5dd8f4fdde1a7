"""``python -m tests.faults.machine [--seconds N] [--loop NAME] [--parser NAME] [--seed N]``: random scripts for as long as wanted.

What differs is made as small as it gets and printed, and the exit status is 1; the script can be put into ``test_state_machine.py``.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from tests.faults.machine import comparing, scripts, sides


class _Enough(BaseException):
    """The time is over."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.machine")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--parser", choices=["h11", "httptools"], default="httptools")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    chosen = parser.parse_args()
    end, runs, different = time.monotonic() + chosen.seconds, 0, 0
    with tempfile.TemporaryDirectory() as directory, sides.both(chosen.loop, chosen.parser, Path(directory)) as (tornado, ours):
        for number in range(1_000_000):
            if time.monotonic() > end:
                break
            count, found = search(tornado, ours, chosen.seed + number, end)
            runs += count
            if found:
                different += 1
                print(*found, sep="\n", flush=True)
    print(f"{runs} scripts from seed {chosen.seed} on {chosen.loop} with {chosen.parser}: {different} differences")
    return 1 if different else 0


def search(tornado: Any, ours: Any, number: int, end: float) -> tuple[int, list[str]]:
    """How many scripts were run, and the smallest one that differs, with what differs."""
    runs, smallest = 0, list[str]()

    @seed(number)
    @settings(max_examples=300, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
    @given(scripts.scripts())
    def same(script: scripts.Script) -> None:
        nonlocal runs, smallest
        if time.monotonic() > end + (60 if smallest else 0):
            raise _Enough
        runs += 1
        found = comparing.difference(script, tornado, ours)
        if found:
            smallest = [f"--- seed {number}", *map(repr, script.steps), repr(script.settings), *found]
        assert not found

    with contextlib.suppress(AssertionError, BaseExceptionGroup, _Enough):
        same()
    return runs, smallest


if __name__ == "__main__":
    sys.exit(main())
