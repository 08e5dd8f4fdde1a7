"""One Tornado application on the ASGI servers that people use: what a client gets is what our own server gives."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import Server
from tornadolike.httpclient import AsyncHTTPClient, HTTPClientError
from tornadolike.websocket import websocket_connect


async def fetch(server: Server, path: str, **options: Any) -> Any:
    return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{server.port}{path}", raise_error=False, **options)


async def notes(server: Server) -> list[str]:
    return json.loads((await fetch(server, "/notes")).body)["notes"]


async def until_noted(server: Server, note: str, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while (await notes(server)).count(note) < count:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)


async def test_the_loop_and_the_lifespan(server: Server) -> None:
    answer = json.loads((await fetch(server, "/notes")).body)
    if server.name != "daphne":  # which knows no lifespan
        assert answer["notes"][0] == "up"
    assert answer["loop"].partition(".")[0] == server.loop


async def test_requests(server: Server) -> None:
    answer = await fetch(server, "/echo?x=%20y")
    assert json.loads(answer.body) == {
        "method": "GET",
        "uri": "/echo?x=%20y",
        "path": "/echo",
        "query": "x=%20y",
        "remote_ip": "127.0.0.1",
        "protocol": "http",
        "host_name": "127.0.0.1",
    }
    assert len(answer.headers.get_list("Content-Type")) == 1
    assert len(answer.headers.get_list("Date")) <= 1
    assert len(answer.headers.get_list("Server")) <= 1
    again = await fetch(server, "/echo?x=%20y", headers={"If-None-Match": answer.headers["Etag"]})
    assert (again.code, again.body) == (304, b"")


async def test_forms_and_cookies(server: Server) -> None:
    answer = await fetch(server, "/echo", method="POST", body="a=%C3%A4", headers={"Cookie": "b=1; c=2"})
    assert json.loads(answer.body) == {"a": "ä", "cookie": "2"}
    assert len(answer.headers.get_list("Set-Cookie")) == 2


@pytest.mark.parametrize("path", ["/empty/204", "/empty/200", "/empty/404"])
async def test_answers_without_a_body(server: Server, path: str) -> None:
    assert (await fetch(server, path)).code == int(path[-3:])


async def test_heads(server: Server) -> None:
    answer = await fetch(server, "/echo", method="HEAD")
    assert answer.code == 200
    # Daphne takes the length away where no body comes.
    assert int(answer.headers.get("Content-Length", "0")) > 100 or server.name == "daphne"


async def test_a_streamed_answer(server: Server) -> None:
    pieces: list[bytes] = []
    await fetch(server, "/stream", streaming_callback=pieces.append)
    assert b"".join(pieces) == b"0\n1\n2\n"
    assert len(pieces) > 1  # flushed a tenth of a second apart


async def test_a_streamed_upload(server: Server) -> None:
    answer = await fetch(server, "/upload", method="PUT", body=b"x" * 3_000_000)
    assert answer.body == b"3000000"


async def test_a_static_file(server: Server) -> None:
    answer = await fetch(server, "/static/served.py")
    assert answer.body == Path(__file__).with_name("served.py").read_bytes()
    part = await fetch(server, "/static/served.py", headers={"Range": "bytes=3-9"})
    assert (part.code, part.body) == (206, answer.body[3:10])


async def test_an_answer_before_the_body(server: Server) -> None:
    if server.name == "daphne":
        pytest.skip("Daphne calls the application when the body is complete")
    head = b"PUT /upload?refuse=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n"
    assert b" 413 " in await server.talk(head + b"x" * 1000, until=b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/breaking", "/breaking?length=1"])
async def test_an_answer_that_breaks_off_stays_incomplete(server: Server, path: str) -> None:
    if server.name == "daphne":
        pytest.skip("Daphne leaves the connection open, without a word, when an application raises behind the head")
    got = await server.talk(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
    assert b"part" in got
    assert not got.endswith(b"0\r\n\r\n")


async def test_a_client_that_leaves_a_waiting_handler(server: Server) -> None:
    before = (await notes(server)).count("left")
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
    await until_noted(server, "waiting", before + 1)
    writer.transport.abort()
    await until_noted(server, "left", before + 1)
    assert (await fetch(server, "/echo")).code == 200


async def test_a_client_that_leaves_in_the_middle_of_its_body(server: Server) -> None:
    if server.name == "daphne":
        pytest.skip("Daphne calls the application when the body is complete")
    before = (await notes(server)).count("upload left")
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await until_noted(server, "upload left", before + 1)


async def test_a_client_that_leaves_a_stream_without_end(server: Server) -> None:
    before = (await notes(server)).count("endless ended")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readexactly(1_000_000)
    writer.transport.abort()
    await until_noted(server, "endless ended", before + 1)


async def test_messages(server: Server) -> None:
    connection = await websocket_connect(f"ws://127.0.0.1:{server.port}/chat", subprotocols=["a", "b"])
    assert connection.selected_subprotocol == "b"
    for message in ("text", b"bytes", "ä" * 30_000):
        await connection.write_message(message, binary=isinstance(message, bytes))
        assert await connection.read_message() == message
    connection.close(3001, "bye")
    assert await connection.read_message() is None
    # Hypercorn says 1006 whatever the client sent; a reason is new in version 2.5 of the specification.
    await until_noted_any(server, {"uvicorn": "closed 3001 bye", "hypercorn": "closed None"}.get(server.name, "closed 3001"))


async def until_noted_any(server: Server, beginning: str) -> None:
    async with asyncio.timeout(20):
        while not any(note.startswith(beginning) for note in await notes(server)):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.02)


async def test_a_close_of_ours_and_what_on_close_reports(server: Server) -> None:
    before = len([note for note in await notes(server) if note.startswith("closed 4001")])
    connection = await websocket_connect(f"ws://127.0.0.1:{server.port}/chat")
    await connection.write_message("close")
    assert await connection.read_message() is None
    assert connection.close_code == 4001
    connection.close()
    async with asyncio.timeout(20):
        while len([note for note in await notes(server) if note.startswith("closed 4001")]) <= before:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def test_a_denial(server: Server) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(f"ws://127.0.0.1:{server.port}/chat?deny=1")
    expected = 403 if server.name == "daphne" else 401  # Daphne has no denial responses
    assert caught.value.code == expected
    if expected == 401 and caught.value.response is not None:
        assert b"401" in caught.value.response.body


async def test_a_websocket_whose_client_vanishes(server: Server) -> None:
    before = len([note for note in await notes(server) if note.startswith("closed")])
    connection = await websocket_connect(f"ws://127.0.0.1:{server.port}/chat")
    connection.protocol.stream.close()
    assert await connection.read_message() is None
    connection.close()
    async with asyncio.timeout(20):
        while len([note for note in await notes(server) if note.startswith("closed")]) <= before:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def test_the_lifespan_ends(server: Server) -> None:
    other = Server(server.name, server.loop)
    assert (await fetch(other, "/echo")).code == 200
    text = other.stop()
    if server.name != "daphne":  # which knows no lifespan
        assert "came down" in text
    assert "Traceback" not in text
