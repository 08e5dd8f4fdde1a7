"""Sessions over sockets: what a visitor keeps, for how long, under which id."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike import web, websocket
from tornadolike.sessions import MemoryStore, RedisStore, SessionMixin, SessionStore

SECRET = "x" * 40


class Counter(SessionMixin, web.RequestHandler):
    def get(self) -> None:
        self.session["n"] = self.session.get("n", 0) + 1
        self.write(str(self.session["n"]))


class Look(SessionMixin, web.RequestHandler):
    def prepare(self) -> None:
        self.write(repr(dict(self.session)))

    def get(self) -> None:
        pass


class Login(SessionMixin, web.RequestHandler):
    def get(self) -> None:
        self.session.renew()
        self.session["user"] = "ann"


class Logout(SessionMixin, web.RequestHandler):
    def get(self) -> None:
        self.session.end()


class Deep(SessionMixin, web.RequestHandler):
    def get(self) -> None:
        self.session.setdefault("list", []).append(1)
        self.finish(str(len(self.session["list"])))


class Late(SessionMixin, web.RequestHandler):
    async def get(self) -> None:
        self.write("a")
        await self.flush()
        self.session["a"] = 1


class LateLogin(SessionMixin, web.RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Length", 16)
        await self.flush()
        try:
            self.session.renew()
        except RuntimeError:
            self.write("it is too late !")


class Socket(SessionMixin, websocket.WebSocketHandler):
    def prepare(self) -> None:
        self.session["n"] = self.session.get("n", 0) + 1

    def open(self, *args: str) -> None:
        self.write_message(str(self.session["n"]))


class Slow(SessionMixin, web.RequestHandler):
    inside: asyncio.Event
    gate: asyncio.Event

    async def get(self) -> None:
        self.session["seen"] = True
        Slow.inside.set()
        await Slow.gate.wait()


class Set(SessionMixin, web.RequestHandler):
    def get(self) -> None:
        self.session["a"] = {1, 2}


ROUTES = [(f"/{kind.__name__.lower()}", kind) for kind in (Counter, Look, Login, Logout, Deep, Late, LateLogin, Socket, Slow, Set)]


class Visitor:
    """A client with a cookie jar of one."""

    def __init__(self, site: Any) -> None:
        self.site, self.cookie, self.head = site, b"", b""

    async def get(self, path: str) -> bytes:
        client = await self.site.client()
        client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path.encode(), self.cookie and b"Cookie: %s\r\n" % self.cookie))
        self.head, body = await client.response()
        for value in re.findall(rb"\r\nSet-Cookie: (session=[^;]*)", self.head):
            self.cookie = b"" if value == b'session=""' else value
        return body


@pytest.fixture
def visit(serve: Callable[..., Any]) -> Callable[..., Any]:
    def begin(**settings: Any) -> tuple[Any, Any]:
        site = serve(web.Application(ROUTES, cookie_secret=SECRET, log_function=lambda handler: None, **settings))
        return Visitor(site), Visitor(site)

    return begin


async def test_each_visitor_has_one(visit: Any) -> None:
    ann, bob = visit()
    assert [await ann.get("/counter") for _ in range(3)] == [b"1", b"2", b"3"]
    assert re.search(rb"Set-Cookie", ann.head) is None
    assert await bob.get("/counter") == b"1"
    assert re.search(rb"; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax\r\n", bob.head, re.IGNORECASE)
    assert await ann.get("/deep") == b"1"
    assert await ann.get("/deep") == b"2"
    assert await ann.get("/look") == b"{'n': 3, 'list': [1, 1]}"


async def test_who_only_looks_gets_no_cookie(visit: Any) -> None:
    ann, _ = visit()
    assert await ann.get("/look") == b"{}"
    assert ann.cookie == b""


async def test_a_login_gets_a_new_id_and_the_old_one_is_worthless(visit: Any) -> None:
    ann, thief = visit()
    await ann.get("/counter")
    thief.cookie = ann.cookie
    await ann.get("/login")
    assert ann.cookie != thief.cookie
    assert await ann.get("/look") == b"{'n': 1, 'user': 'ann'}"
    assert await thief.get("/look") == b"{}"
    thief.cookie = ann.cookie
    await ann.get("/logout")
    assert ann.cookie == b""
    assert await thief.get("/look") == b"{}"


async def test_what_is_no_session_is_an_empty_one(visit: Any) -> None:
    ann, _ = visit()
    ann.cookie = b"session=2|1:0|10:1|7:session|4:abcd|00"
    assert await ann.get("/look") == b"{}"


async def test_a_session_ends_after_its_time_and_a_visit_prolongs_it(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e9
    store = MemoryStore(clock=lambda: now)
    monkeypatch.setattr("tornadolike.sessions.time.time", lambda: now)
    ann, _ = visit(session_store=store, session_seconds=100)
    await ann.get("/counter")
    now += 60
    assert await ann.get("/look") == b"{'n': 1}"
    assert b"Set-Cookie" in ann.head
    now += 60
    assert await ann.get("/look") == b"{'n': 1}"
    now += 101
    assert await ann.get("/look") == b"{}"


async def test_errors_of_use(visit: Any, logs: Any) -> None:
    ann, _ = visit()
    assert await ann.get("/set") == b"<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
    logs.take("tornado.application", "Uncaught exception GET /set")
    client = await ann.site.client()
    client.get("/late")
    await client.rest()
    assert "headers were sent" in str(logs.take("tornado.application", "Uncaught exception GET /late").exc_info[1])
    logs.take("tornado.general", "Cannot send error response after headers written")


class Broken(SessionStore):
    def __init__(self) -> None:
        self.loads = self.saves = True
        self.kept = MemoryStore()

    async def load(self, id: str) -> str | None:
        if not self.loads:
            raise ConnectionError("no store")
        return await self.kept.load(id)

    async def save(self, id: str, text: str, seconds: int) -> None:
        await asyncio.sleep(0)
        if not self.saves:
            raise ConnectionError("no store")
        await self.kept.save(id, text, seconds)

    async def delete(self, id: str) -> None:
        await self.kept.delete(id)


async def test_a_store_that_fails(visit: Any, logs: Any) -> None:
    store = Broken()
    ann, _ = visit(session_store=store)
    assert await ann.get("/counter") == b"1"
    store.saves = False
    assert b"500" in await ann.get("/counter")
    logs.take("tornado.application", "the session could not be saved")
    store.saves, store.loads = True, False
    assert b"500" in await ann.get("/counter")
    logs.take("tornado.application", "Uncaught exception GET /counter")
    store.loads = True
    assert await ann.get("/counter") == b"2"


async def test_memory_keeps_a_bounded_number() -> None:
    store = MemoryStore(max_sessions=2)
    for name in "abc":
        await store.save(name, name, 10)
        await store.load("a" if name == "b" else name)
    assert [await store.load(name) for name in "abc"] == ["a", None, "c"]


async def test_on_redis(visit: Any, started: Callable[[str], Any]) -> None:
    store = RedisStore(started("redis").url)
    try:
        ann, _ = visit(session_store=store)
        assert [await ann.get("/counter") for _ in range(3)] == [b"1", b"2", b"3"]
        await ann.get("/login")
        assert await ann.get("/look") == b"{'n': 3, 'user': 'ann'}"
        await ann.get("/logout")
        assert await ann.get("/look") == b"{}"
    finally:
        await store.close()


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_who_logged_out_stays_so_whatever_a_slower_request_saves(visit: Any, started: Callable[[str], Any], kind: str) -> None:
    store: Any = RedisStore(started("redis").url) if kind == "redis" else MemoryStore()
    Slow.inside, Slow.gate = asyncio.Event(), asyncio.Event()
    try:
        ann, thief = visit(session_store=store)
        await ann.get("/login")
        thief.cookie = ann.cookie
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(thief.get("/slow"))
            await Slow.inside.wait()
            await ann.get("/logout")
            Slow.gate.set()
        assert await thief.get("/look") == b"{}"
    finally:
        if kind == "redis":
            await store.close()


async def test_a_new_id_that_comes_too_late_leaves_the_old_one(visit: Any) -> None:
    ann, _ = visit()
    await ann.get("/counter")
    assert await ann.get("/latelogin") == b"it is too late !"
    assert await ann.get("/look") == b"{'n': 1}"


async def shake(visitor: Visitor) -> bytes:
    """The head that answers a handshake, and the first message where it was agreed to."""
    client = await visitor.site.client()
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    client.send(b"GET /socket HTTP/1.1\r\nHost: a\r\n%s%s\r\n" % (fields, visitor.cookie and b"Cookie: %s\r\n" % visitor.cookie))
    async with asyncio.timeout(10):
        head = await client.reader.readuntil(b"\r\n\r\n")
        for value in re.findall(rb"\r\nSet-Cookie: (session=[^;]*)", head):
            visitor.cookie = value
        message = await client.reader.readexactly(3) if b" 101 " in head else b""
    client.reset()
    return head.split(b" ")[1] + b" " + message[2:]


async def test_what_a_websocket_does_before_the_handshake_is_saved(visit: Any) -> None:
    ann, _ = visit()
    assert [await shake(ann) for _ in range(2)] == [b"101 1", b"101 2"]
    assert await ann.get("/look") == b"{'n': 2}"


async def test_a_websocket_whose_session_cannot_be_saved_is_refused(visit: Any, logs: Any) -> None:
    store = Broken()
    ann, _ = visit(session_store=store)
    store.saves = False
    assert await shake(ann) == b"500 "
    logs.take("tornado.application", "Uncaught exception GET /socket")
