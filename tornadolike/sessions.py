"""Data that belongs to one visitor, kept on the server between requests. Not in Tornado.

::

    class Login(SessionMixin, RequestHandler):
        def post(self):
            self.session.renew()                       # a new id for whoever just logged in
            self.session["user"] = self.get_argument("name")

    class Page(SessionMixin, RequestHandler):
        def get_current_user(self):
            return self.session.get("user")

    Application(routes, cookie_secret=SECRET, session_store=RedisStore("redis://127.0.0.1"))

The cookie holds an id of 256 random bits, signed; the data are JSON in the store, never pickles. A session begins with the first thing that
is put into it: who only looks gets no cookie.
"""

import asyncio
import json
import secrets
import sys
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from tornadolike.log import app_log
from tornadolike.web import RequestHandler

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["MemoryStore", "RedisStore", "Session", "SessionMixin", "SessionStore"]

_DAY = 86400


class SessionStore(ABC):
    """Where sessions are kept: texts by id, each for a number of seconds."""

    @abstractmethod
    async def load(self, id: str) -> str | None:
        """The text of this id; None where there is none, or its time is over."""

    @abstractmethod
    async def save(self, id: str, text: str, seconds: int) -> None:
        """Keep this text for so long."""

    async def replace(self, id: str, text: str, seconds: int) -> None:
        """The same, for a session that may have been ended meanwhile, by another request: then it stays ended.

        Override it where a store can do that in one step.
        """
        if await self.load(id) is not None:
            await self.save(id, text, seconds)

    @abstractmethod
    async def delete(self, id: str) -> None:
        """Forget it; no error where there is none."""


class MemoryStore(SessionStore):
    """In this process: gone with it, and not seen by other workers.

    :arg max_sessions: more than these push out the ones that were not used for longest; 100,000 by default.
    """

    def __init__(self, max_sessions: int = 100_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = max_sessions
        self._clock = clock
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def load(self, id: str) -> str | None:
        text, till = self._kept.get(id, ("", 0.0))
        if till <= self._clock():
            self._kept.pop(id, None)
            return None
        self._kept.move_to_end(id)
        return text

    async def save(self, id: str, text: str, seconds: int) -> None:
        self._kept[id] = text, self._clock() + seconds
        self._kept.move_to_end(id)
        while len(self._kept) > self._max:
            self._kept.popitem(last=False)

    async def delete(self, id: str) -> None:
        self._kept.pop(id, None)


class RedisStore(SessionStore):
    """On a Redis server (extra ``redis``): for any number of processes. Keys are ``PREFIX:ID`` and expire by themselves.

    A server that is down is an error of what uses the session (500), not of requests that do not look at it.

    :arg url: as for `.RedisBroker`.
    :arg timeout: seconds for one answer; 2 by default.
    """

    def __init__(self, url: str = "redis://127.0.0.1:6379/0", *, prefix: str = "session", timeout: float = 2.0) -> None:
        try:
            import redis.asyncio
        except ImportError:
            raise RuntimeError("RedisStore needs the redis package: pip install 'tornadolike[redis]'") from None
        self._prefix = prefix
        self._client: Redis = redis.asyncio.Redis.from_url(
            url, decode_responses=True, socket_timeout=timeout, socket_connect_timeout=timeout, health_check_interval=30
        )

    def _key(self, id: str) -> str:
        return f"{self._prefix}:{id}"

    async def load(self, id: str) -> str | None:
        text = await self._client.get(self._key(id))
        return text.decode() if isinstance(text, bytes) else text

    async def save(self, id: str, text: str, seconds: int) -> None:
        await self._client.set(self._key(id), text, ex=seconds)

    async def replace(self, id: str, text: str, seconds: int) -> None:
        await self._client.set(self._key(id), text, ex=seconds, xx=True)

    async def delete(self, id: str) -> None:
        await self._client.delete(self._key(id))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


class Session(MutableMapping[str, Any]):
    """The data of one visitor: a mapping of str to what JSON can hold. Made by `SessionMixin`.

    What is put in or taken out is saved when the response is finished. What is changed inside of a value (``session["list"].append(1)``) is
    seen, too.
    """

    def __init__(self, handler: "SessionMixin", id: str | None, data: dict[str, Any], renewed: float) -> None:
        self._handler = handler
        self._data = data
        self._saved = json.dumps(data)
        self._renewed = renewed
        self._stale_ids: list[str] = []
        self._cookie_due = False
        self._new = False  # the store does not know this id yet
        self.id = id

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key of a session is a str, not {type(key).__name__}")
        if self.id is None:
            self._start_session()
        self._data[key] = value

    def __delitem__(self, key: str) -> None:
        del self._data[key]

    def __repr__(self) -> str:
        return f"<Session of {sorted(self._data)}>"

    def renew(self) -> None:
        """Go on under a new id; the old one is worth nothing any more. To be called at each login: an id that somebody planted in the
        visitor's browser before must not become a logged-in one.
        """
        old = self.id
        self._start_session()
        if old is not None:
            self._stale_ids.append(old)

    def end(self) -> None:
        """Forget everything, the cookie too: a logout."""
        self._data.clear()
        if self.id is not None:
            self._stale_ids.append(self.id)
            self.id = None
            self._handler._session_cookie(None)

    def _start_session(self) -> None:
        if self._handler._headers_written:
            raise RuntimeError("a session cannot begin once the headers were sent")
        self.id = secrets.token_urlsafe(32)
        self._saved = ""
        self._new = True
        self._handler._session_cookie(self.id)

    def _forget_changes(self) -> None:
        self._data = json.loads(self._saved or "{}")

    def _text(self) -> str | None:
        """What is to be saved; None: nothing has changed."""
        text = json.dumps(self._data)
        if self.id is None or (text == self._saved and not self._cookie_due):
            return None
        self._saved, self._cookie_due = text, False
        return text


class SessionMixin(RequestHandler):
    """Gives a handler ``self.session``, from `prepare` on. Stands before the handler class: ``class Page(SessionMixin, RequestHandler)``.

    Settings of the application: ``cookie_secret``, which it needs; ``session_store``, a `SessionStore` (a `MemoryStore` of the application
    by default); ``session_cookie``, the cookie's name (``"session"``); ``session_seconds``, how long after the last visit a session is
    forgotten (14 days); ``session_cookie_kwargs``, attributes of the cookie, beside ``HttpOnly``, ``SameSite=Lax``, ``Path=/`` and,
    over HTTPS, ``Secure``.

    The response is sent when the session was saved. Where that fails, it is logged, and answered with 500. A `.WebSocketHandler` saves what
    `prepare` did to the session before it agrees to the handshake; what its other methods do is not saved.
    """

    __session: Session | None = None
    __failure: Exception | None = None
    __finishing: "asyncio.Future[None] | None" = None

    @property
    def session(self) -> Session:
        """The visitor's session, perhaps an empty one. Raises what the store raised when it could not be loaded."""
        if self.__failure is not None:
            raise self.__failure
        if self.__session is None:
            raise RuntimeError("the session is there from prepare() on")
        return self.__session

    def _session_store(self) -> SessionStore:
        store = self.settings.get("session_store")
        if store is None:
            store = self.settings["session_store"] = MemoryStore()
        if not isinstance(store, SessionStore):
            raise TypeError(f"the setting session_store is a SessionStore, not {store!r}")
        return store

    def _session_seconds(self) -> int:
        return int(self.settings.get("session_seconds", 14 * _DAY))

    def _session_cookie(self, id: str | None) -> None:
        name = self.settings.get("session_cookie", "session")
        attributes = dict(self.settings.get("session_cookie_kwargs", {}))
        if id is None:
            self.clear_cookie(name, **{key: value for key, value in attributes.items() if key in {"path", "domain"}})
            return
        attributes = {"httponly": True, "samesite": "Lax", "secure": self.request.protocol == "https", **attributes}
        self.set_signed_cookie(name, id, expires_days=None, max_age=self._session_seconds(), **attributes)

    async def _execute(self, transforms: list[Any], *args: bytes, **kwargs: bytes) -> None:
        try:
            self.__session = await self.__load()
        except Exception as error:
            self.__failure = error
        await super()._execute(transforms, *args, **kwargs)

    async def __load(self) -> Session:
        seconds = self._session_seconds()
        days = seconds / _DAY + 1  # the store decides, to the second
        value = self.get_signed_cookie(self.settings.get("session_cookie", "session"), max_age_days=days)
        name = None if value is None else value.decode("ascii", "replace")
        text = None if name is None else await self._session_store().load(name)
        if name is None or text is None:
            return Session(self, None, {}, 0.0)
        record = json.loads(text)
        session = Session(self, name, record["data"], record["renewed"])
        if time.time() - session._renewed > seconds / 10:
            session._cookie_due = True
            self._session_cookie(name)
        return session

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None) -> "asyncio.Future[None]":
        """Save the session where it has changed, then send the response."""
        if self.__finishing is not None and not self.__finishing.done():
            return self.__finishing
        work = None if self._finished or self.__session is None else self.__saving(self.__session)
        if work is None:
            return super().finish(chunk)
        if chunk is not None:
            self.write(chunk)
        self.__finishing = asyncio.ensure_future(self.__save_and_finish(work))
        return self.__finishing

    def __saving(self, session: Session) -> Awaitable[None] | None:
        try:
            text = session._text()
        except (TypeError, ValueError) as error:
            session._forget_changes()  # or the error page could not be finished either
            raise TypeError(f"a session holds what JSON can hold: {error}") from None
        stale, session._stale_ids = session._stale_ids, []
        return self.__save(session, text, stale) if stale or text is not None else None

    def _WebSocketHandler__before_handshake(self) -> Awaitable[None] | None:  # noqa: N802 - a name of theirs
        """A handshake is answered at once: what is to be saved must be by then."""
        return None if self.__session is None else self.__saving(self.__session)

    async def __save(self, session: Session, text: str | None, stale: list[str]) -> None:
        store, own = self._session_store(), session.id
        if own is not None and text is not None:
            keep = store.save if session._new else store.replace
            await keep(own, f'{{"renewed": {int(time.time())}, "data": {text}}}', self._session_seconds())
            session._new = session._new and session.id != own
        for old in stale:
            await store.delete(old)

    async def __save_and_finish(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            app_log.exception("the session could not be saved")
            self.__finishing = None
            if not self._headers_written:
                self.send_error(500, exc_info=sys.exc_info())
                return
        finally:
            self.__finishing = None
        await super().finish()
