"""An ASGI server in memory, whose every move the test decides."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest


class Call:
    """One call of an ASGI application: ``say`` what ``receive`` shall return, see in ``sent`` what it sent."""

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()  # send() returns
        self.open.set()
        self.send_error: BaseException | None = None
        self.receivers = 0
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._news = asyncio.Condition()
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def say(self, kind: str, **content: Any) -> None:
        self._messages.put_nowait({"type": kind, **content})

    @property
    def unread(self) -> int:
        return self._messages.qsize()

    async def _receive(self) -> dict[str, Any]:
        self.receivers += 1
        assert self.receivers == 1, "receive() is not for two"
        try:
            return await self._messages.get()
        finally:
            self.receivers -= 1

    async def _send(self, message: dict[str, Any]) -> None:
        await self.open.wait()
        if self.send_error is not None:
            raise self.send_error
        async with self._news:
            self.sent.append(dict(message))
            self._news.notify_all()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for happens inside the code under test
                await asyncio.sleep(0.001)

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self.task

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def is_complete(self) -> bool:
        return bool(self.sent) and self.sent[-1]["type"] == "http.response.body" and not self.sent[-1]["more_body"]


class Host:
    """Calls one application."""

    def __init__(self) -> None:
        self.app: Any = None
        self.calls: list[Call] = []

    def call(self, scope: dict[str, Any]) -> Call:
        call = Call(self.app, scope)
        self.calls.append(call)
        return call

    def http(self, method: str, target: str = "/", body: bytes | None = None, headers: Any = (), **scope: Any) -> Call:
        """Begin a request; ``body`` None leaves it to the test to say what comes."""
        path, _, query = target.partition("?")
        fields = [(b"host", b"example.org"), *headers]
        if body:
            fields.append((b"content-length", b"%d" % len(body)))
        whole = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": fields,
            "client": ("192.0.2.7", 4711),
            "server": ("192.0.2.1", 80),
            "extensions": {},
        }
        call = self.call({**whole, **scope})
        if body is not None:
            call.say("http.request", body=body, more_body=False)
        return call

    async def fetch(self, method: str, target: str = "/", body: bytes = b"", **options: Any) -> Call:
        call = self.http(method, target, body, **options)
        await call.end()
        assert call.is_complete
        return call


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """Set its ``app``. Whatever still runs at the end of the test is an error."""
    before = asyncio.all_tasks()
    made = Host()
    yield made
    for call in made.calls:
        assert call.task.done(), "the application is still running"
    async with asyncio.timeout(5):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:  # handlers may have a step to go
            await asyncio.wait(left)
