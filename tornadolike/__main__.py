"""``python -m tornadolike``: the command line."""

import argparse
import sys
from collections.abc import Sequence

import tornadolike
from tornadolike._cli import bench, check, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (by default the process's own arguments) names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="tornadolike", description="Tornado applications on tornadolike.")
    parser.add_argument(
        "--version", action="version", version=f"tornadolike {tornadolike.__version__} (API of Tornado {tornadolike.version})"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (run, bench, check):
        command.register(commands)
    own, program = _split(list(sys.argv[1:] if argv is None else argv))
    arguments = parser.parse_args(own)
    arguments.program_arguments = program
    status: int = arguments.execute(arguments)
    return status


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the first ``--`` is ours, what stands behind it goes to the program that is run."""
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
