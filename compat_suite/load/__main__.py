"""``python -m compat_suite.load``: as ``python -m compat_suite load``."""

import sys
from collections.abc import Sequence

from compat_suite import __main__ as whole


def main(argv: Sequence[str] | None = None) -> int:
    return whole.main(["load", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
