"""Where the output of commands that find something out goes: progress to stderr, results to stdout, all figures as JSON to a file."""

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

STDOUT = "-"


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option ``--json``."""
    parser.add_argument("--json", metavar="FILE", help=f"write {what} as JSON (-: to standard output, and everything else to stderr)")


def aside(file: str | None) -> contextlib.AbstractContextManager[Any]:
    """While JSON is to go to stdout, what is printed goes to stderr."""
    return contextlib.redirect_stdout(sys.stderr) if file == STDOUT else contextlib.nullcontext()


def write_json(file: str, data: object) -> None:
    """Write what ``--json`` asks for."""
    text = json.dumps(data, indent=1) + "\n"
    if file == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        Path(file).write_text(text, encoding="utf-8")


def unwritable(*files: str | None) -> str | None:
    """Why one of the files cannot be written, said before the work and not after it; None: nothing is known against it."""
    for file in files:
        if not file or file == STDOUT:
            continue
        if Path(file).is_dir():
            return f"can't write {file!r}: is a directory"
        if not Path(file).parent.is_dir():
            return f"can't write {file!r}: no such directory"
    return None


def complain(command: str, message: str) -> None:
    """A command's own message, in one line."""
    print(f"{command}: {message}", file=sys.stderr, flush=True)  # noqa: T201


class Progress:
    """One line on stderr that is written over; where stderr is no terminal, a line for each step."""

    def __init__(self) -> None:
        self._over = sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        print(f"\r\x1b[K{text}" if self._over else text, end="" if self._over else "\n", file=sys.stderr, flush=True)  # noqa: T201

    def end(self) -> None:
        """Take the last line away."""
        if self._over:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201
