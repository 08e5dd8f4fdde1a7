"""The corpus over sockets: against servers on both parsers, and beside Tornado; every difference is declared, with its section."""

import contextlib
import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests._http1.smuggling_corpus import REFUSED, SEQUENCES, SERVED, request

# Case (a regular expression for its whole name): why the answer is not Tornado's.
DIFFERENCES = {
    r"9112 §2\.3 HTTP/(2\.0|0\.9|9\.9)": "505 for other major versions, where Tornado says 400 (RFC 9110 §15.6.6)",
    r"9110 §2\.5 HTTP/1\.2": "a higher minor version is served as HTTP/1.1, not as HTTP/1.0 (RFC 9110 §2.5)",
    r"9112 §3\.2 Host with (word as port|two ports)": "a Host that is none is 400 (RFC 9112 §3.2)",
    r"9112 §7\.1\.1 endless extension": "refused as any other chunk line that is wrong; Tornado closes without an answer (RFC 9112 §7.1.1)",
    r"9112 §2\.2 (empty lines before|behind empty lines)": "empty lines before a request line are skipped (RFC 9112 §2.2)",
    r"9112 §3\.2(\.2)? absolute form( without a (path|host))?": "absolute targets are routed by their path (RFC 9112 §3.2.2)",
    r"9110 §4\.2\.4 .*": "a user name in an absolute target is an error (RFC 9110 §4.2.4)",
    r"9110 §7\.6\.1 (behind )?(close in a .*|keep-alive and close)": "Connection is a list (RFC 9110 §7.6.1)",
    r"9112 §7\.1\.1 (extension|behind an extension|white space before an extension)": "chunk extensions are ignored (RFC 9112 §7.1.1)",
    r"9112 §7\.1\.2 (trailers|behind trailers)": "trailers are read and dropped (RFC 9112 §7.1.2)",
    r"9112 §6\.1 (behind TE in HTTP/1\.0|TE in HTTP/1\.0 with keep-alive.*)": "TE in HTTP/1.0 ends the connection (RFC 9112 §6.1)",
    r"9110 §10\.1\.1 expect in capitals": "Expect does not depend on case (RFC 9110 §10.1.1)",
    r"9110 §10\.1\.1 expect (in HTTP/1\.0|without a body|before a refusal)": "no 100 where none is due (RFC 9110 §10.1.1)",
    r"9112 §8 an error behind the first bytes": "a body that broke off is not marked as complete (RFC 9112 §8)",
}


class Outcome(NamedTuple):
    """What a server made of some bytes."""

    statuses: list[int]
    got: list[str]
    ends_chunked: bool
    closed: bool


WIRES = {
    **{name: case[0] for name, case in REFUSED.items()},
    **{name: case[0] for name, case in SERVED.items()},
    **{name: case[0] for name, case in SEQUENCES.items()},
}


@contextlib.contextmanager
def server(package: str, parser: str = "") -> Iterator[int]:
    """A server process; its port."""
    environment = {name: value for name, value in os.environ.items() if name != "TORNADOLIKE_AS_TORNADO"}
    environment |= {"TORNADOLIKE_HTTP": parser, "PYTHONPATH": str(Path(__file__).parents[2])} if parser else {}
    command = [sys.executable, str(Path(__file__).with_name("wire_server.py")), package]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.stdout.close()


def outcomes(port: int) -> dict[str, Outcome]:
    """What the server at ``port`` makes of all that is in the corpus, each on a connection of its own."""
    connections = {name: socket.create_connection(("127.0.0.1", port), 10) for name in WIRES}
    try:
        for name, connection in connections.items():
            connection.sendall(WIRES[name])
        settle(port)
        return {name: read(connection) for name, connection in connections.items()}
    finally:
        for connection in connections.values():
            connection.close()


def settle(port: int) -> None:
    """Return when the server has read what was sent before: each of these requests takes it a turn of its loop, or more."""
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(request(b"Connection: close"))
            while connection.recv(65536):
                pass


def read(connection: socket.socket) -> Outcome:
    connection.setblocking(False)
    data, closed = b"", False
    try:
        while piece := connection.recv(65536):
            data += piece
        closed = True
    except BlockingIOError:
        pass
    except ConnectionResetError:
        closed = True
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]
    got = [text.decode() for text in re.findall(rb'\{"got": \["\w+", "[^"]*", "[^"]*"\]\}', data)]
    return Outcome(statuses, got, data.endswith(b"0\r\n\r\n"), closed)


@pytest.fixture(scope="module")
def ours() -> dict[str, dict[str, Outcome]]:
    found = {}
    for parser in ("h11", "httptools"):
        with server("tornadolike", parser) as port:
            found[parser] = outcomes(port)
    return found


def test_the_corpus_is_large() -> None:
    assert len(WIRES) == len(REFUSED) + len(SERVED) + len(SEQUENCES) >= 150
    sections = [name for name in WIRES if re.search(r"\b9(?:110|112) §\d", name)]
    assert len(sections) >= 150


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_sequences(ours: dict[str, dict[str, Outcome]], parser: str) -> None:
    for name, (_, statuses, paths, closed) in SEQUENCES.items():
        outcome = ours[parser][name]
        reached = [text.split('"')[5] for text in outcome.got]
        assert (name, outcome.statuses, reached, outcome.closed) == (name, statuses, paths, closed)
    assert not ours[parser]["9112 §8 an error behind the first bytes"].ends_chunked


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_refusals_and_what_is_served(ours: dict[str, dict[str, Outcome]], parser: str) -> None:
    for name, (_, _, status) in REFUSED.items():
        outcome = ours[parser][name]
        assert (name, outcome.statuses, outcome.got, outcome.closed) == (name, [status], [], True)
    for name in SERVED:
        # Some are served with 404 or 405: what they ask for is not there.
        statuses = ours[parser][name].statuses
        assert (name, len(statuses), statuses[0] not in (400, 431, 505)) == (name, 1, True)


def test_both_parsers_answer_alike(ours: dict[str, dict[str, Outcome]]) -> None:
    assert ours["h11"] == ours["httptools"]


@pytest.mark.skipif(importlib.util.find_spec("tornado") is None, reason="Tornado is not installed")
def test_every_difference_from_tornado_is_declared(ours: dict[str, dict[str, Outcome]]) -> None:
    with server("tornado") as port:
        theirs = outcomes(port)
    different = {name for name, outcome in ours["h11"].items() if outcome != theirs[name]}
    declared = {name for name in WIRES if any(re.fullmatch(pattern, name) for pattern in DIFFERENCES)}
    assert {name: (ours["h11"][name], theirs[name]) for name in different - declared} == {}
    assert declared - different == set()
    assert all(any(re.fullmatch(pattern, name) for name in WIRES) for pattern in DIFFERENCES)
