"""``python -m compat_suite [all|surface|upstream]``."""

import argparse
import sys
from collections.abc import Sequence

from compat_suite import environment, surface, upstream


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compat_suite", description=sys.modules["compat_suite"].__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    everything = commands.add_parser("all", help="surface, then upstream")
    upstream.add_options(everything)
    surface_parser = commands.add_parser("surface", help="compare the public APIs, name by name")
    surface_parser.add_argument("--json", metavar="FILE", help="write the result there as well")
    upstream.add_options(commands.add_parser("upstream", help="run Tornado's own tests against tornadolike"))
    arguments = parser.parse_args(argv or ["all"])
    try:
        environment.check()
    except environment.Unsuitable as error:
        print(f"compat_suite: {error}", file=sys.stderr)
        return 2
    status = 0
    if arguments.command in ("all", "surface"):
        status |= surface.execute(arguments.json if arguments.command == "surface" else None)
    if arguments.command in ("all", "upstream"):
        status |= upstream.execute(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
