"""``python -m compat_suite loops``: what works on which event loop, on the Python that runs this.

Each loop that is installed runs one program under ``tornadolike run``, which is asked for everything in turn, and is then told to end.
With ``--suites`` our own tests and Tornado's run too, on the loops that they know. The table of docs/engines.md is made of its lines.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from compat_suite import environment
from tornadolike._cli import output
from tornadolike._loop import factory

_PROGRAM = Path(__file__).with_name("loops_child.py")
_ASKED = {"client": "/asked/client", "WebSocket": "/asked/websocket", "TLS": "/asked/tls", "subprocess": "/asked/subprocess"}
_SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
_SUITES = {
    "own suite": ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "--loop"],
    "Tornado's suite": ["-m", "compat_suite", "upstream", "--loop"],
}
_WITH_SUITES = ("asyncio", "uvloop")
COLUMNS = ("hello", *_ASKED, *_SIGNALS)
_SECONDS = 20.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", metavar="LOOP", help="only this loop (can be repeated)")
    parser.add_argument("--suites", action="store_true", help="also run our own tests and Tornado's, on asyncio and uvloop")
    output.add_json(parser, "the results")


def execute(arguments: argparse.Namespace) -> int:
    """Try, print the table. 0: everything works on asyncio and uvloop; the others are known to lack this and that."""
    found: dict[str, dict[str, str]] = {}
    show = output.Progress()
    for name in arguments.only or factory.names():
        show(name)
        found[name] = tried(name) | (suites(name) if arguments.suites and name in _WITH_SUITES else {})
    show.end()
    with output.aside(arguments.json):
        print(table(found))
    if arguments.json:
        output.write_json(arguments.json, found)
    return int(any(verdict != "yes" for name in _WITH_SUITES for verdict in found.get(name, {}).values()))


def table(found: dict[str, dict[str, str]]) -> str:
    """The table in Markdown: a line for each loop on this Python."""
    columns = [*COLUMNS, *(one for one in _SUITES if any(one in verdicts for verdicts in found.values()))]
    version = ".".join(map(str, sys.version_info[:2]))
    head = ["| Python | loop | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    lines = [f"| {version} | {name} | " + " | ".join(verdicts.get(one, "-") for one in columns) + " |" for name, verdicts in found.items()]
    return "\n".join(head + lines)


def tried(name: str) -> dict[str, str]:
    """For each column "yes", or what went wrong."""
    verdicts = {}
    with _running(name) as (process, ports):
        if not ports:
            return {"hello": _last_line(process)}
        verdicts["hello"] = _ask(ports, "/")
        for what, path in _ASKED.items():
            verdicts[what] = _ask(ports, path)
    for what, number in _SIGNALS.items():
        with _running(name) as (process, ports):
            verdicts[what] = _ended(process, number) if ports else _last_line(process)
    return verdicts


def suites(name: str) -> dict[str, str]:
    """Whether the suites pass on this loop."""
    return {
        what: "yes" if subprocess.run([sys.executable, *command, name], check=False).returncode == 0 else "no"
        for what, command in _SUITES.items()
    }


@contextlib.contextmanager
def _running(name: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, int]]]:
    """The program on this loop, and its ports; none where it did not come to listen."""
    with tempfile.TemporaryDirectory(prefix="compat_suite") as directory:
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], cwd=directory, check=True, capture_output=True
        )
        command = [sys.executable, "-m", "tornadolike", "run", "--loop", name, str(_PROGRAM), "--", directory]
        with subprocess.Popen(
            command,
            env=environment.child(alias=False),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_as_in_the_foreground,  # noqa: PLW1509 - this process has no other threads
        ) as process:
            try:
                yield process, _ports(process, Path(directory, "ports.json"))
            finally:
                process.kill()


def _as_in_the_foreground() -> None:
    """A shell lets its background jobs start with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _ports(process: "subprocess.Popen[str]", file: Path) -> dict[str, int]:
    deadline = time.monotonic() + _SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            return {}
        time.sleep(0.02)
    found: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _ask(ports: dict[str, int], path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['http']}{path}", timeout=_SECONDS) as response:
            text = response.read().decode()
    except OSError as error:
        return f"no: {error}"
    return "yes" if path == "/" or text == "well" else f"no: {text[:60]}"


def _ended(process: "subprocess.Popen[str]", number: int) -> str:
    """Whether a signal ends it in time, without a traceback."""
    os.kill(process.pid, number)
    try:
        said, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return "no: it goes on"
    return "no: a traceback" if "Traceback" in said else "yes"


def _last_line(process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate()
    return f"no: {(said.strip().splitlines() or ['it says nothing'])[-1][:80]}"
