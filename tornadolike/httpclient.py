"""HTTP clients, blocking and asynchronous, with one interface over two implementations.

`AsyncHTTPClient` makes an instance of the configured implementation: ``simple_httpclient`` (the default, nothing to install) or
``curl_httpclient`` (needs pycurl; speaks to proxies, Digest authentication, network interfaces by name)::

    AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")

Run as a program (``python -m tornado.httpclient URL...``), the module fetches URLs and prints what they answer.
"""

import copyreg
import datetime as dt
import functools
import os
import ssl
import time
import weakref
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any, cast

from tornadolike import _imported_names, gen, httputil  # noqa: F401 - gen before httputil, as in Tornado
from tornadolike._http import deadline
from tornadolike.concurrent import Future, future_set_exception_unless_cancelled, future_set_result_unless_cancelled
from tornadolike.escape import native_str, utf8
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log
from tornadolike.util import Configurable


class HTTPClient:
    """A client that blocks until the response is there, for programs without an event loop::

        client = HTTPClient()
        try:
            print(client.fetch("http://www.example.com/").body)
        finally:
            client.close()

    It runs an `.IOLoop` of its own, so a thread whose loop is already running must use `AsyncHTTPClient`. ``async_client_class``
    (default `AsyncHTTPClient`) is the client used inside, and ``kwargs`` go to its constructor.
    """

    def __init__(self, async_client_class: "type[AsyncHTTPClient] | None" = None, **kwargs: Any) -> None:
        self._closed = True  # should a line below fail: __del__ calls close() on half an object
        client_class = AsyncHTTPClient if async_client_class is None else async_client_class

        async def make_client() -> AsyncHTTPClient:
            return client_class(**kwargs)

        # A client belongs to the loop that is current when it is made, and only inside of run_sync that loop is ours.
        self._io_loop = IOLoop(make_current=False)
        try:
            self._async_client = self._io_loop.run_sync(make_client)
        except BaseException:
            self._io_loop.close()
            raise
        self._closed = False

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the client and its loop. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._async_client.close()
            self._io_loop.close()

    def fetch(self, request: "HTTPRequest | str", **kwargs: Any) -> "HTTPResponse":
        """Send a request and wait for its `HTTPResponse`.

        Takes and raises what `AsyncHTTPClient.fetch` does: an `HTTPError` for a status outside 200-299 unless ``raise_error=False``.
        """
        response: HTTPResponse = self._io_loop.run_sync(functools.partial(self._async_client.fetch, request, **kwargs))
        return response


class AsyncHTTPClient(Configurable):
    """A client whose `fetch` returns an awaitable::

        response = await AsyncHTTPClient().fetch("http://www.example.com/")

    Calling the class returns the one client of the current `.IOLoop`, made at the first call by the configured implementation (see
    `configure`); arguments belong into ``configure`` then. ``force_instance=True`` makes a separate client instead, with arguments of its
    own, which the caller must `close`.

    Every implementation takes ``defaults``, a dict of values for those `HTTPRequest` options that a request leaves at None::

        AsyncHTTPClient.configure(None, defaults={"user_agent": "MyUserAgent"})
    """

    _instance_cache: "MutableMapping[IOLoop, AsyncHTTPClient] | None"

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return AsyncHTTPClient

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        from tornadolike.simple_httpclient import SimpleAsyncHTTPClient

        return SimpleAsyncHTTPClient

    @classmethod
    def _async_clients(cls) -> "MutableMapping[IOLoop, AsyncHTTPClient]":
        """The shared clients of this very class, by loop: asking a subclass never returns what its base class made."""
        attribute = f"_async_client_dict_{cls.__name__}"
        clients = cls.__dict__.get(attribute)
        if clients is None:
            clients = weakref.WeakKeyDictionary()
            setattr(cls, attribute, clients)
        return cast("MutableMapping[IOLoop, AsyncHTTPClient]", clients)

    def __new__(cls, force_instance: bool = False, **kwargs: Any) -> "AsyncHTTPClient":
        cache = None if force_instance else cls._async_clients()
        if cache is not None:
            shared = cache.get(IOLoop.current())
            if shared is not None:
                return shared
        client = cast("AsyncHTTPClient", super().__new__(cls, **kwargs))
        # close() cannot ask _async_clients(): the cache may be the one of a base class, through which the client was made.
        client._instance_cache = cache
        if cache is not None:
            cache[client.io_loop] = client
        return client

    def initialize(self, defaults: dict[str, Any] | None = None) -> None:
        self.io_loop = IOLoop.current()
        self.defaults: dict[str, Any] = {**HTTPRequest._DEFAULTS, **(defaults or {})}
        self._closed = False

    def close(self) -> None:
        """Free what the client holds. Nothing else may be called afterwards.

        Needed for clients made with ``force_instance=True``, and for the shared client before its loop is closed.
        """
        if self._closed:
            return
        self._closed = True
        if self._instance_cache is None:
            return
        # Nothing there is normal when a finaliser closes us: weak references die first.
        if self._instance_cache.pop(self.io_loop, self) is not self:
            raise RuntimeError("inconsistent AsyncHTTPClient cache")

    def fetch(self, request: "str | HTTPRequest", raise_error: bool = True, **kwargs: Any) -> "Future[HTTPResponse]":
        """Send a request; the returned future gives its `HTTPResponse`.

        ``request`` is an `HTTPRequest`, or a URL from which one is made with the remaining keyword arguments. A response whose status is
        not 200-299 becomes an `HTTPError` (its ``response`` attribute holds the response) unless ``raise_error`` is False. Failures to
        get any response at all are always raised: an `HTTPError` with code 599 for time-outs and lost connections, `OSError` and the
        like otherwise.

        The headers of ``request`` are replaced with a copy, to which the client adds its own fields. All callbacks of the request run in
        a copy of the caller's context. Cancelling the future, or a coroutine that awaits it, ends the request: unless the response comes
        within a tenth of a second, the connection is closed and ``body_producer`` cancelled. Raises `RuntimeError` after `close`,
        `ValueError` for keyword arguments beside an `HTTPRequest`.
        """
        if self._closed:
            raise RuntimeError("fetch() called on closed AsyncHTTPClient")
        if isinstance(request, HTTPRequest):
            if kwargs:
                raise ValueError("kwargs can't be used if request is an HTTPRequest object")
            request.headers = httputil.HTTPHeaders(request.headers)
        else:
            request = HTTPRequest(url=request, **kwargs)
            if kwargs:  # else its headers are nobody else's
                request.headers = httputil.HTTPHeaders(request.headers)
        future = _FetchFuture()
        proxy = cast("HTTPRequest", _RequestProxy(request, self.defaults))
        left = deadline.remaining(time.monotonic())
        if left is not None:
            _shorten(proxy, left)
        self.fetch_impl(proxy, _Delivery(future, raise_error))
        return future

    def fetch_impl(self, request: "HTTPRequest", callback: "Callable[[HTTPResponse], None]") -> None:
        """Where an implementation does its work: send ``request``, call ``callback`` exactly once with the response.

        ``request`` reads like an `HTTPRequest` with the client's defaults filled in. Errors go into ``HTTPResponse.error``.
        """
        raise NotImplementedError

    @classmethod
    def configure(cls, impl: "str | type[Configurable] | None", **kwargs: Any) -> None:
        """Choose the implementation of clients made from now on: a class, its dotted name, or None for the default.

        ``kwargs`` are passed to each client's constructor. ``max_clients``, which all implementations take, is the number of requests a
        client has in flight at a time.
        """
        super().configure(impl, **kwargs)


def _shorten(request: "HTTPRequest", left: float) -> None:
    """Let a request, as the client sees it, end when that of the handler which asks has to."""
    for name in ("connect_timeout", "request_timeout"):
        own = getattr(request, name)
        setattr(request, name, max(min(own or left, left), 0.001))  # 0 would be none


class _FetchFuture(Future):  # type: ignore[type-arg]  # asyncio's class in C takes no parameters where it is a base
    """What `AsyncHTTPClient.fetch` returns."""

    _abandon: Callable[[], object] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        if not super().cancel(msg):
            return False
        abandon, self._abandon = self._abandon, None
        if abandon is not None:
            try:
                abandon()
            except Exception:
                app_log.error("Exception in callback %r", abandon, exc_info=True)
        return True


# By this name asyncio's log lines and reprs call it.
_FetchFuture.__name__ = _FetchFuture.__qualname__ = "Future"


class _Delivery:
    """The callback that `AsyncHTTPClient.fetch` gives to `fetch_impl`: puts the response into the future."""

    __slots__ = ("_future", "_raise_error")

    def __init__(self, future: _FetchFuture, raise_error: bool) -> None:
        self._future = future
        self._raise_error = raise_error

    def __call__(self, response: "HTTPResponse") -> None:
        future = self._future
        future._abandon = None
        if response.error and (self._raise_error or not response._error_is_response_code):
            future_set_exception_unless_cancelled(future, response.error)
        else:
            future_set_result_unless_cancelled(future, response)

    def when_cancelled(self, abandon: Callable[[], object]) -> None:
        """For implementations: have ``abandon`` called if nobody wants the response any more. The last one given counts."""
        if self._future.cancelled():
            abandon()
        else:
            self._future._abandon = abandon


def _when_cancelled(callback: Callable[["HTTPResponse"], None], abandon: Callable[[], object]) -> None:
    """`_Delivery.when_cancelled`, where the callback is such a one; another caller of `fetch_impl` has no way to cancel."""
    if type(callback) is _Delivery:
        callback.when_cancelled(abandon)


class HTTPRequest:
    """What to send, and how. Every parameter is an attribute of the same name (``use_gzip`` excepted); None means the client's default.

    What is sent:

    * ``url``: absolute http or https URL. A user name and password in it are used for Basic authentication. What must not stand in a
      request target (spaces, non-ASCII text, a ``%`` that encodes nothing) is percent-encoded; control characters are an error.
    * ``method``: ``"GET"`` etc. Other methods than the well-known ones need ``allow_nonstandard_methods=True``, which also permits a body
      with methods that have none, and none with POST, PUT and PATCH.
    * ``headers``: dict or `.HTTPHeaders`.
    * ``body``: bytes, or str, which is sent as UTF-8.
    * ``body_producer``: function called with a ``write`` function, to send a body piece by piece; may return an awaitable. ``write``
      returns a future to await for flow control. Give a ``Content-Length`` header, else the body is sent in chunks, which some servers
      do not understand. Not with ``body``, not with ``curl_httpclient``.
    * ``if_modified_since``: `datetime.datetime` or POSIX time for the header field of that name.
    * ``user_agent``: wins over a ``User-Agent`` in ``headers``.
    * ``expect_100_continue``: send the body only when the server asks for it. ``simple_httpclient`` only.
    * ``auth_username``, ``auth_password``, ``auth_mode``: ``"basic"`` (default) or, with ``curl_httpclient``, ``"digest"``.

    How long and how far:

    * ``connect_timeout``: seconds (default 20) that connecting may take, from when that begins. 0 means for ever.
    * ``request_timeout``: seconds (default 20) from `~AsyncHTTPClient.fetch` to the end of the response, waiting for a free slot and
      redirects included. 0 means for ever. Within a handler that has a ``request_deadline`` never longer than what is left of that.
    * ``follow_redirects`` (default True), ``max_redirects`` (default 5). Credentials do not follow to another origin.

    What comes back:

    * ``decompress_response`` (default True): ask for gzip, hand out the plain body. ``use_gzip`` is its old name.
    * ``streaming_callback``: called with each piece of the body, which then is not in the response. With ``simple_httpclient`` it may
      return an awaitable; nothing more is read before that is done.
    * ``header_callback``: called with the status line, each header line and an empty line, all ending in CRLF, of the final response.

    The connection:

    * ``ssl_options``: an `ssl.SSLContext` (or dict, see `.netutil.ssl_options_to_context`) which replaces the next four.
      ``simple_httpclient`` only.
    * ``validate_cert`` (default True), ``ca_certs``, ``client_cert``, ``client_key``: the last three are names (or paths) of PEM files.
    * ``allow_ipv6``: False restricts to IPv4.
    * ``network_interface``: source address, or with ``curl_httpclient`` the name of an interface.
    * ``proxy_host``, ``proxy_port``, ``proxy_username``, ``proxy_password``, ``proxy_auth_mode``: ``curl_httpclient`` only.
    * ``prepare_curl_callback``: called with the ``pycurl.Curl`` object just before it starts, to set more options.
    """

    # None: none yet, and nobody has looked for them.
    _headers: dict[str, str] | httputil.HTTPHeaders
    _body: bytes | None
    url: str
    method: str
    auth_username: str | None
    auth_password: str | None
    auth_mode: str | None
    connect_timeout: float | None
    request_timeout: float | None
    follow_redirects: bool | None
    max_redirects: int | None
    user_agent: str | None
    network_interface: str | None
    streaming_callback: Callable[[bytes], Awaitable[None] | None] | None
    header_callback: Callable[[str], None] | None
    prepare_curl_callback: Callable[[Any], None] | None
    proxy_host: str | None
    proxy_port: int | None
    proxy_username: str | None
    proxy_password: str | None
    proxy_auth_mode: str | None
    allow_nonstandard_methods: bool | None
    """Whether any method may be used, and a body with any method or none."""
    validate_cert: bool | None
    ca_certs: "str | os.PathLike[str] | None"
    allow_ipv6: bool | None
    client_key: "str | os.PathLike[str] | None"
    client_cert: "str | os.PathLike[str] | None"
    body_producer: Callable[[Callable[[bytes], Any]], Awaitable[None] | None] | None
    expect_100_continue: bool
    decompress_response: bool | None
    ssl_options: dict[str, Any] | ssl.SSLContext | None
    start_time: float
    """When the object was made, as of `time.time`."""

    # Set on the way to another origin: the client's default credentials must not come along either.
    _withholds_credentials = False
    # When `AsyncHTTPClient.fetch` was called, on the clock of `time.monotonic`: `request_timeout` counts from there, over all redirects.
    _fetched_at: float | None = None

    # What a client uses when neither the request nor its own `defaults` say anything.
    _DEFAULTS: dict[str, Any] = {
        "connect_timeout": 20.0,
        "request_timeout": 20.0,
        "follow_redirects": True,
        "max_redirects": 5,
        "decompress_response": True,
        "proxy_password": "",
        "allow_nonstandard_methods": False,
        "validate_cert": True,
    }

    # fmt: off
    def __init__(
        self, url: str, method: str = "GET", headers: dict[str, str] | httputil.HTTPHeaders | None = None, body: bytes | str | None = None,
        auth_username: str | None = None, auth_password: str | None = None, auth_mode: str | None = None,
        connect_timeout: float | None = None, request_timeout: float | None = None,
        if_modified_since: float | dt.datetime | None = None,
        follow_redirects: bool | None = None, max_redirects: int | None = None, user_agent: str | None = None, use_gzip: bool | None = None,
        network_interface: str | None = None,
        streaming_callback: Callable[[bytes], Awaitable[None] | None] | None = None, header_callback: Callable[[str], None] | None = None,
        prepare_curl_callback: Callable[[Any], None] | None = None,
        proxy_host: str | None = None, proxy_port: int | None = None, proxy_username: str | None = None, proxy_password: str | None = None,
        proxy_auth_mode: str | None = None,
        allow_nonstandard_methods: bool | None = None, validate_cert: bool | None = None, ca_certs: "str | os.PathLike[str] | None" = None,
        allow_ipv6: bool | None = None, client_key: "str | os.PathLike[str] | None" = None,
        client_cert: "str | os.PathLike[str] | None" = None,
        body_producer: Callable[[Callable[[bytes], Any]], Awaitable[None] | None] | None = None, expect_100_continue: bool = False,
        decompress_response: bool | None = None, ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
    ) -> None:
        # fmt: on
        self._headers = httputil.HTTPHeaders() if headers is None else headers
        self._body = None if body is None else utf8(body)
        self.url, self.method, self.body_producer = url, method, body_producer
        self.auth_username, self.auth_password, self.auth_mode = auth_username, auth_password, auth_mode
        self.connect_timeout, self.request_timeout = connect_timeout, request_timeout
        self.follow_redirects, self.max_redirects = follow_redirects, max_redirects
        self.user_agent, self.expect_100_continue = user_agent, expect_100_continue
        self.decompress_response = use_gzip if decompress_response is None else decompress_response
        self.network_interface, self.allow_ipv6, self.ssl_options = network_interface, allow_ipv6, ssl_options
        self.streaming_callback, self.header_callback = streaming_callback, header_callback
        self.prepare_curl_callback, self.allow_nonstandard_methods = prepare_curl_callback, allow_nonstandard_methods
        self.proxy_host, self.proxy_port, self.proxy_auth_mode = proxy_host, proxy_port, proxy_auth_mode
        self.proxy_username, self.proxy_password = proxy_username, proxy_password
        self.validate_cert, self.ca_certs = validate_cert, ca_certs
        self.client_key, self.client_cert = client_key, client_cert
        self.start_time = time.time()
        if if_modified_since:
            self.headers["If-Modified-Since"] = httputil.format_timestamp(if_modified_since)

    @property
    def headers(self) -> httputil.HTTPHeaders:
        """As given to the constructor (maybe a plain dict), until `AsyncHTTPClient.fetch` makes `.HTTPHeaders` of it."""
        return cast("httputil.HTTPHeaders", self._headers)

    @headers.setter
    def headers(self, value: dict[str, str] | httputil.HTTPHeaders | None) -> None:
        self._headers = httputil.HTTPHeaders() if value is None else value

    @property
    def body(self) -> bytes | None:
        """The body as bytes, None when there is none. A str assigned to it is encoded as UTF-8."""
        return self._body

    @body.setter
    def body(self, value: bytes | str | None) -> None:
        self._body = utf8(value)


class HTTPResponse:
    """What a server answered, or why it did not.

    * ``request``: the `HTTPRequest` of the application, not the one made for a redirect.
    * ``code``, ``reason``: status, and the phrase beside it. Code 599 stands for "no response".
    * ``headers``: `.HTTPHeaders`.
    * ``buffer``, ``body``: the body as `io.BytesIO` (or None) and as bytes; empty with a ``streaming_callback``.
    * ``effective_url``: the URL that answered, after redirects.
    * ``error``: the exception that `rethrow` raises. None for codes 200-299.
    * ``request_time``: seconds from the start of the (last) request to its end, without waiting in the client's queue.
    * ``start_time``: when that request started, as of `time.time`. None if it never did.
    * ``time_info``: dict of further durations in seconds. ``curl_httpclient`` fills it with libcurl's timings and ``queue``, the time
      spent waiting for one of the client's slots.
    """

    error: BaseException | None = None
    _error_is_response_code = False
    request: HTTPRequest

    def __init__(
        self,
        request: HTTPRequest,
        code: int,
        headers: httputil.HTTPHeaders | None = None,
        buffer: BytesIO | None = None,
        effective_url: str | None = None,
        error: BaseException | None = None,
        request_time: float | None = None,
        time_info: dict[str, float] | None = None,
        reason: str | None = None,
        start_time: float | None = None,
    ) -> None:
        self.request = request.request if isinstance(request, _RequestProxy) else request
        self.code = code
        self.reason = reason or httputil.responses.get(code, "Unknown")
        self.headers = httputil.HTTPHeaders() if headers is None else headers
        self.buffer = buffer
        self._body: bytes | None = None
        self.effective_url = request.url if effective_url is None else effective_url
        self.error = error
        if error is None and not 200 <= code < 300:
            self.error = HTTPClientError(code, message=self.reason, response=self)
            self._error_is_response_code = True
        self.start_time = start_time
        self.request_time = request_time
        self.time_info = time_info or {}

    @property
    def body(self) -> bytes:
        if self._body is None:
            if self.buffer is None:
                return b""
            self._body = self.buffer.getvalue()
        return self._body

    def rethrow(self) -> None:
        """Raise ``error``, if there is one."""
        if self.error:
            raise self.error

    def __repr__(self) -> str:
        fields = ",".join([f"{name}={_shown(value)}" for name, value in sorted(vars(self).items())])
        return f"{type(self).__name__}({fields})"


class HTTPClientError(Exception):
    """A request that did not succeed: ``code`` (599 when there was no response), ``message``, and the ``response`` if there is one.

    With ``follow_redirects=False`` a redirect is an error too; its target is in ``response.headers["Location"]``.
    ``HTTPError`` is an alias.
    """

    def __init__(self, code: int, message: str | None = None, response: HTTPResponse | None = None) -> None:
        super().__init__(code, message, response)
        self.code = code
        self.message = message or httputil.responses.get(code, "Unknown")
        self.response = response

    @httputil._beyond_tornado
    def __reduce__(self) -> "tuple[Any, ...]":
        # No constructor: subclasses have other arguments, and the response, which refers to the exception, must come in behind it.
        return copyreg.__newobj__, (type(self),), {**vars(self), "args": self.args}  # type: ignore[attr-defined]  # pickle's own name

    def __str__(self) -> str:
        return f"HTTP {self.code}: {self.message}"

    # Not Exception's, which would show the response, which shows its error, which would show the response...
    __repr__ = __str__


HTTPError = HTTPClientError


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a response is printed to look for a fault, and must not bring another
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


class _RequestProxy:
    """An `HTTPRequest` seen through a client's defaults: an option that is None there has the value from ``defaults``."""

    def __init__(self, request: HTTPRequest, defaults: dict[str, Any] | None) -> None:
        # Clients read dozens of options of each request, so they are looked up here, all at once; __getattr__ sees to the rest.
        options = self.__dict__
        options.update(getattr(request, "__dict__", ()))
        if defaults:
            given = list(map(options.get, defaults))
            if given.count(None) == len(given):
                options.update(defaults)
            else:
                options.update({name: value for name, value in defaults.items() if options.get(name) is None})
            options.pop("headers", None)  # which are never None
        if type(request) is HTTPRequest:
            headers, body = request._headers, request._body
        else:
            headers, body = request.headers, request.body
        if headers is not None:
            options["headers"] = headers
        if body is not None or "body" not in options:
            options["body"] = body
        options["request"], options["defaults"] = request, defaults

    request: HTTPRequest
    defaults: dict[str, Any] | None
    headers: httputil.HTTPHeaders
    body: bytes | None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.request, name)
        if value is None and self.defaults is not None:
            return self.defaults.get(name)
        return value


def main() -> None:
    """The command line: fetch each URL given, and print its body (``--print_headers``: its headers too)."""
    from tornadolike.options import define, options, parse_command_line

    define("print_headers", type=bool, default=False)
    define("print_body", type=bool, default=True)
    for name in ("follow_redirects", "validate_cert"):
        define(name, type=bool, default=True)
    define("proxy_host", type=str)
    define("proxy_port", type=int)
    urls = parse_command_line()
    settings = {name: options[name] for name in ("follow_redirects", "validate_cert", "proxy_host", "proxy_port")}
    client = HTTPClient()
    try:
        for url in urls:
            _print_page(client, url, settings, options.print_headers, options.print_body)
    finally:
        client.close()


def _print_page(client: HTTPClient, url: str, settings: dict[str, Any], with_headers: bool, with_body: bool) -> None:
    response = client.fetch(url, raise_error=False, **settings)
    if with_headers:
        print(response.headers)  # noqa: T201 - the program's output
    if with_body:
        print(native_str(response.body))  # noqa: T201 - the program's output


if __name__ == "__main__":
    main()


_imported_names.complete(globals())
