"""The files of which a run skipped some tests: ``python .ci/skipped.py REPORT``.

Prints their paths, one a line, from a report of pytest's ``--junitxml``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET


def files_with_skipped(report: Path) -> Iterator[Path]:
    """The files in which at least one test was skipped, in the order of the report; ``LookupError`` for a name that no file has."""
    for case in ET.parse(report).iter("testcase"):
        if case.find("skipped") is not None:
            # A module that is skipped as a whole is a case without a class, named as the module.
            yield _file_of((case.get("classname") or case.get("name") or "").split("."))


def _file_of(names: list[str]) -> Path:
    for length in range(len(names), 0, -1):
        file = Path(*names[:length]).with_suffix(".py")
        if file.is_file():
            return file
    raise LookupError(f"no file holds the test {'.'.join(names)}")


if __name__ == "__main__":
    print("\n".join(str(file) for file in dict.fromkeys(files_with_skipped(Path(sys.argv[1])))))
