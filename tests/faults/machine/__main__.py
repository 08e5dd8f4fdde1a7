"""``python -m tests.faults.machine``, for as long as ``--seconds`` says: random scripts; ``--help`` names what else can be chosen.

What differs is made small and printed, and the exit status is 1; the script can be put into ``test_state_machine.py``.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.machine import comparing, scripts, sides


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.machine")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--parser", choices=["h11", "httptools"], default="httptools")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="the number of the first script")
    parser.add_argument("--scripts", type=int, default=1 << 62, help="no more than so many")
    chosen = parser.parse_args()
    end, number, different = time.monotonic() + chosen.seconds, chosen.seed, 0
    with tempfile.TemporaryDirectory() as directory, sides.both(chosen.loop, chosen.parser, Path(directory)) as (tornado, ours):
        while time.monotonic() < end and number < chosen.seed + chosen.scripts:
            found = comparing.shown(scripts.script(number), tornado, ours)
            number, different = number + 1, different + bool(found)
            if found:
                print(f"--- script {number - 1}", *found, sep="\n", flush=True)
    print(f"{number - chosen.seed} scripts from {chosen.seed} on {chosen.loop} with {chosen.parser}: {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
