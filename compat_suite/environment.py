"""What the suite needs of the Python it runs in, the choices that its parts share, and the variables its child processes get."""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from tornadolike._cli import output

ROOT = Path(__file__).resolve().parent.parent
TORNADO_VERSION = "6.6.1"
_SHAPING = ("tornado", "hypothesis", "pycares", "pycurl", "twisted", "uvloop")
_LOOKUP = "import tornado, tornadolike; print(tornado is tornadolike)"


class Unsuitable(Exception):
    """This Python cannot run the suite; the message says what to install."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every part asks that runs something: on what, and where to write the results."""
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="event loop to run on")
    add_engine_and_json(parser)


def add_engine_and_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--http", choices=["auto", "h11", "httptools"], default="auto", help="HTTP/1.1 parser to run on")
    output.add_json(parser, "the results")


def child(*, alias: bool, loop: str = "asyncio", engine: str = "auto") -> dict[str, str]:
    """Environment of a child process that runs on tornadolike (``alias``) or on Tornado.

    The checkout comes first on its path, so that what is measured is what lies here and not an older installation of it.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("TORNADOLIKE_", "PYTHONPATH"))}
    variables["PYTHONPATH"] = str(ROOT)
    if alias:
        variables |= {"TORNADOLIKE_AS_TORNADO": "1", "TORNADOLIKE_LOOP": loop, "TORNADOLIKE_HTTP": engine}
    return variables


def check() -> None:
    """Raises `Unsuitable` unless Tornado is installed and the alias reaches child processes."""
    advice = "set up an environment with: pip install '.[compat]'"
    try:
        found = importlib.metadata.version("tornado")
    except importlib.metadata.PackageNotFoundError:
        raise Unsuitable(f"Tornado {TORNADO_VERSION} is not installed; {advice}") from None
    if found != TORNADO_VERSION:
        raise Unsuitable(f"the suite compares with Tornado {TORNADO_VERSION}, installed is {found}; {advice}")
    answer = subprocess.run(
        [sys.executable, "-c", _LOOKUP], env=child(alias=True), cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    if answer.stdout.strip() != "True":
        raise Unsuitable(f"`import tornado` is not served by tornadolike in child processes (its .pth file is not installed); {advice}")


def fingerprint(loop: str) -> str:
    """Changes with everything that a result of Tornado's own suite depends on."""
    versions: dict[str, str | None] = {}
    for name in _SHAPING:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    facts = [loop, platform.platform(), sys.version, versions]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
