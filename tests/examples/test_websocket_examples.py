"""The examples that speak WebSocket: the servers with their clients, on tornadolike and on Tornado."""

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike.websocket import WebSocketClientConnection, websocket_connect

Start = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
EXAMPLES = Path(tornadolike.__file__).parent.parent / "docs" / "examples"


async def enter(port: int, room: str, who: str) -> WebSocketClientConnection:
    return await websocket_connect(f"ws://127.0.0.1:{port}/rooms/{room}?as={who}")


async def heard(connection: WebSocketClientConnection) -> Any:
    message = await connection.read_message()
    return None if message is None else tuple(json.loads(message).values())


async def leave(connection: WebSocketClientConnection) -> None:
    connection.close()
    while await connection.read_message() is not None:
        pass


async def test_chat_has_rooms(start: Start) -> None:
    program = start("chat.py")
    assert b"new WebSocket(" in program.request("GET", "/")[2]
    ann, bob, cid = [await enter(program.port, room, who) for room, who in (("tea", "Ann"), ("tea", "Bob"), ("mate", "Cid"))]
    assert [await heard(ann), await heard(ann)] == [("came", "Ann"), ("came", "Bob")]
    assert await heard(bob) == ("came", "Bob")
    await bob.write_message({"text": "hello"})
    assert await heard(ann) == await heard(bob) == ("said", "Bob", "hello")
    await leave(bob)
    assert await heard(ann) == ("went", "Bob")
    dan = await enter(program.port, "tea", "Dan")
    assert [await heard(dan), await heard(dan)] == [("said", "Bob", "hello"), ("came", "Dan")]
    assert await heard(cid) == ("came", "Cid")
    for connection in (ann, cid, dan):
        await leave(connection)


async def test_chat_refuses(start: Start) -> None:
    program = start("chat.py")
    nameless = await enter(program.port, "tea", "")
    assert await heard(nameless) is None
    assert nameless.close_code == 4000
    for message in ("no json", "[]", '{"text": 1}', '{"text": ""}'):
        ann = await enter(program.port, "tea", "Ann")
        assert await heard(ann) == ("came", "Ann")
        await ann.write_message(message)
        assert await heard(ann) is None
        assert ann.close_code == 4001
        ann.close()
    nameless.close()


def test_chat_from_a_terminal(start: Start, run: Run) -> None:
    port = start("chat.py").port
    done = run("chat_client.py", f"--port={port}", "--room=tea", "--who=Ann", input="hello\n")
    assert (done.returncode, done.stdout) == (0, "Ann came\nAnn: hello\n"), done.stderr


PRIMES = {
    "17": True,
    "91": False,
    "1": False,
    "-7": False,
    "0": False,
    "2": True,
    "561": False,
    str(2**127 - 1): True,
    str(2**127 + 1): False,
}


async def test_prime_answers_in_order(start: Start) -> None:
    program = start("prime.py")
    assert b"new WebSocket(" in program.request("GET", "/")[2]
    connection = await websocket_connect(f"ws://127.0.0.1:{program.port}/prime")
    for number in PRIMES:
        connection.write_message(f" {number} ")
    for number, prime in PRIMES.items():
        assert await heard(connection) == (number, prime)
    for wrong, why in (("nine", "not an integer"), ("", "not an integer"), ("1_0", "not an integer"), ("1" * 601, "more than 600 digits")):
        await connection.write_message(wrong)
        assert await heard(connection) == (why,)
    await leave(connection)


def test_prime_from_a_terminal(start: Start, run: Run) -> None:
    port = start("prime.py").port
    done = run("prime_client.py", f"--port={port}", "17", "91", "x")
    assert (done.returncode, done.stdout) == (0, "17 is prime\n91 is not prime\nnot an integer\n"), done.stderr


@pytest.fixture
def is_prime() -> Any:
    """The example's function, without the rest: importing it would import Tornado and define options."""
    arithmetic = (EXAMPLES / "prime.py").read_text().partition("SMALL_PRIMES = ")[1:]
    names: dict[str, Any] = {"random": random}
    exec("".join(arithmetic).partition("def parse")[0], names)
    return names["is_prime"]


def test_prime_agrees_with_a_sieve(is_prime: Any) -> None:
    sieve = bytearray([0, 0]) + bytearray([1]) * 9998
    for number in range(2, 100):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, 10000, number)))
    assert [is_prime(number) for number in range(10000)] == [bool(mark) for mark in sieve]
    assert is_prime(2**521 - 1)
    assert not is_prime((2**107 - 1) * (2**127 - 1))
