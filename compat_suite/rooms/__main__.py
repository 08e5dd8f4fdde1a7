"""``python -m compat_suite.rooms``: as ``python -m compat_suite rooms``."""

import argparse
import sys

from compat_suite.rooms import runner

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m compat_suite.rooms", description=sys.modules["compat_suite.rooms"].__doc__)
    runner.add_options(parser)
    sys.exit(runner.execute(parser.parse_args()))
