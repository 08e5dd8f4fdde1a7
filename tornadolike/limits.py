"""Rates: so many requests in so much time, on the package ``limits`` (``pip install 'tornadolike[limits]'``). Not in Tornado.

::

    class Login(RequestHandler):
        @rate_limited("10/minute")
        def post(self):
            ...

    @rate_limited("1000/hour", key=lambda request: request.headers.get("Authorization", ""), storage="async+redis://localhost:6379")
    class API(RequestHandler):
        ...

A request beyond the rate is answered with 429 (RFC 6585 §4) and ``Retry-After``, by the class's own `.RequestHandler.write_error`,
before its body is read; the method does not run, ``prepare`` does not either.
"""

import functools
import math
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import limits
import limits.aio.strategies
import limits.storage
import limits.strategies

from tornadolike import gen, httputil, web
from tornadolike.log import app_log

_T = TypeVar("_T", bound=Callable[..., Any])
_Key = Callable[[httputil.HTTPServerRequest], str]


def _address(request: httputil.HTTPServerRequest) -> str:
    return str(request.remote_ip)


def rate_limited(
    rate: str, *, key: _Key | None = None, storage: str = "memory://", scope: str | None = None, **options: Any
) -> Callable[[_T], _T]:
    """Limit how often a method of a handler, or a whole handler class, may be called.

    :arg rate: such as ``10/minute`` or ``5 per second; 1000 per day``, in the notation of ``limits``. Counted in a sliding window: no
        burst of twice as many at the turn of a minute.
    :arg key: a function of the `.HTTPServerRequest` that says whose request it is; ``remote_ip`` by default (behind a proxy it needs
        ``xheaders``). It sees the head only.
    :arg storage: where to count, a URI of ``limits``: ``memory://`` counts in each process by itself; ``async+redis://...`` for all
        together. ``options`` go to the storage.
    :arg scope: what is counted together; by default this method or class alone.

    A storage that cannot be reached lets requests through, and is logged once a minute. Raises `ValueError` for a rate or storage that
    makes no sense.
    """
    limit = _Limit(limits.parse_many(rate), key or _address, storage, options)

    def decorate(target: _T) -> _T:
        named = limit.named(scope or f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', '')}")
        target._rate_limits = (*vars(target).get("_rate_limits", ()), named)  # type: ignore[attr-defined]  # ours
        return target

    web._gate = _look
    return decorate


class _Limit:
    """One rate, and where it is counted."""

    def __init__(self, items: list[Any], key: _Key, storage: str, options: dict[str, Any]) -> None:
        self._items = items
        self._key = key
        try:
            self._storage = _storage(storage, tuple(sorted(options.items())))
        except limits.errors.ConfigurationError as error:
            raise ValueError(str(error)) from None
        self._asynchronous = storage.startswith("async+")
        strategies: Any = limits.aio.strategies if self._asynchronous else limits.strategies
        self._limiter: Any = strategies.SlidingWindowCounterRateLimiter(self._storage)
        self._scope = ""
        self._reported = -math.inf

    def named(self, scope: str) -> "_Limit":
        """This limit, counting for ``scope``."""
        if self._scope:
            copy = object.__new__(type(self))
            copy.__dict__ = {**self.__dict__, "_scope": scope}
            return copy
        self._scope = scope
        return self

    def hit(self, request: httputil.HTTPServerRequest) -> "float | Awaitable[float | None] | None":
        """Count a request: None, or the seconds after which the client may try again."""
        identity = (self._scope, self._key(request))
        if self._asynchronous:
            return self._hit_later(identity)
        try:
            for item in self._items:
                if not self._limiter.hit(item, *identity):
                    return _seconds_until(self._limiter.get_window_stats(item, *identity).reset_time)
        except Exception as error:
            self._report(error)
        return None

    async def _hit_later(self, identity: tuple[str, str]) -> float | None:
        try:
            for item in self._items:
                if not await self._limiter.hit(item, *identity):
                    return _seconds_until((await self._limiter.get_window_stats(item, *identity)).reset_time)
        except Exception as error:
            self._report(error)
        return None

    def _report(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._reported >= 60:
            self._reported = now
            app_log.error("Rate limit of %s: the storage fails, requests pass: %r", self._scope, error)


@functools.cache
def _storage(uri: str, options: tuple[tuple[str, Any], ...]) -> Any:
    """One for all limits with the same URI: each has connections."""
    if uri.startswith("async+redis"):
        options = (("implementation", "redispy"), *options)  # the client that nearly everybody has; `limits` would look for another one
    return limits.storage.storage_from_string(uri, **dict(options))


def _seconds_until(when: float) -> float:
    return float(max(1, math.ceil(when - time.time())))


def _look(delegate: "web._HandlerDelegate") -> Awaitable[None] | None:
    """What `web` asks of each request, when its head is there."""
    cls = delegate.handler_class
    method = getattr(cls, str(delegate.request.method).lower(), None)
    found = (*getattr(cls, "_rate_limits", ()), *getattr(method, "_rate_limits", ()))
    for number, limit in enumerate(found):
        answer = limit.hit(delegate.request)
        if answer is not None and not isinstance(answer, float):
            return gen.convert_yielded(_go_on(delegate, answer, found[number + 1 :]))
        if answer is not None:
            return _refuse(delegate, answer)
    return None


async def _go_on(delegate: "web._HandlerDelegate", answer: Awaitable[float | None], rest: tuple[_Limit, ...]) -> None:
    seconds = await answer
    for limit in rest:
        if seconds is None:
            again = limit.hit(delegate.request)
            seconds = again if again is None or isinstance(again, float) else await again
    following = delegate._admitted() if seconds is None else _refuse(delegate, seconds)
    if following is not None:
        await following


def _refuse(delegate: "web._HandlerDelegate", seconds: float) -> Awaitable[None] | None:
    """Have the request answered by a handler that says no, without its body."""
    delegate.request._retry_after = seconds  # type: ignore[attr-defined]  # ours
    delegate.handler_class = _refusing(delegate.handler_class)
    delegate.stream_request_body = True
    return delegate._admitted()


_lock = threading.Lock()


def _refusing(cls: type[web.RequestHandler]) -> type[web.RequestHandler]:
    """A subclass that answers with 429, in the way that the class has for errors."""
    with _lock:
        known: Any = vars(cls).get("_refusing")
        if known is None:
            namespace = {"__module__": cls.__module__, "_in_place_of": cls}
            known = cls._refusing = type(cls.__name__, (_Refusal, cls), namespace)  # type: ignore[attr-defined]  # ours
        return known  # type: ignore[no-any-return]  # as made above


class _Refusal(web.RequestHandler):
    """Mixed into the class of the handler that a request does not get."""

    _stream_request_body = True

    def prepare(self) -> None:
        self.set_status(429)
        raise web.HTTPError(429)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Retry-After", int(self.request._retry_after))  # type: ignore[attr-defined]  # as above

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here that could be forged."""

    def _cross_origin_protection(self) -> None:
        """Likewise."""

    def data_received(self, chunk: bytes) -> None:
        """What was sent ahead; nobody wants it."""
