"""The web framework: request handlers, and the application that sends requests to them.

A page is a subclass of `RequestHandler` with a method for each HTTP method it answers; an `Application` maps URLs to
such classes::

    class Greeting(tornado.web.RequestHandler):
        def get(self, name):
            self.write({"hello": name})

    async def main():
        app = tornado.web.Application([(r"/hello/(.*)", Greeting)])
        app.listen(8888)
        await asyncio.Event().wait()

    asyncio.run(main())

Handlers run on the event loop's thread, and nothing here may be called from another one. Work that blocks goes to an
executor (`.IOLoop.run_in_executor`); its result comes back with ``await``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import logging
import numbers
import os
import re
import socket
import stat
import sys
import threading
import time
import traceback
import types
import warnings
import zlib
from asyncio import Future
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, overload

import tornadolike
from tornadolike import _http, _imported_names, _web, escape, gen, httputil, iostream, locale, template  # noqa: F401 - gen: programs take it from here
from tornadolike._http import grammar as _ABNF  # noqa: N812
from tornadolike._http.announced import announce
from tornadolike._http.lazy import Empty, MappingProperty
from tornadolike._http.log_text import one_line
from tornadolike._http.response_head import ResponseHead
from tornadolike._web import file_content, file_versions, kept_answers, kept_files, static_files
from tornadolike._web.entity_tags import strong as _strong_tag
from tornadolike._web.file_content import FileContent
from tornadolike._web.header_names import check as _check_header_name
from tornadolike._web.header_names import checked as _checked_names
from tornadolike._web_io import file_sending, tasks
from tornadolike._web_io.request_collector import RequestCollector, body_complete, end_body_early
from tornadolike.escape import _unicode, utf8
from tornadolike.httpserver import HTTPServer
from tornadolike.httputil import _beyond_tornado
from tornadolike.log import access_log, app_log, gen_log
from tornadolike.routing import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    ReversibleRouter,
    ReversibleRuleRouter,
    Rule,
    URLSpec,
    _RuleList,
)
from tornadolike.util import ObjectDict

if TYPE_CHECKING:
    import http.cookies

# Names of modules that few programs need, and that are imported late, are looked up where programs replace them.
_here = sys.modules[__name__]

url = URLSpec

_HeaderTypes = bytes | str | int | numbers.Integral | dt.datetime
_CookieSecretTypes = str | bytes | dict[int, str] | dict[int, bytes]
_Method = Callable[..., Awaitable[None] | None]

MIN_SUPPORTED_SIGNED_VALUE_VERSION = 1
"""The oldest format of signed values that `create_signed_value` can write and `decode_signed_value` can read."""

MAX_SUPPORTED_SIGNED_VALUE_VERSION = 2
"""The newest format of signed values that is known."""

DEFAULT_SIGNED_VALUE_VERSION = 2
"""The format that `RequestHandler.create_signed_value` writes unless it is told another one."""

DEFAULT_SIGNED_VALUE_MIN_VERSION = 1
"""The oldest format that `RequestHandler.get_signed_cookie` accepts unless it is told another one."""


class _ArgDefaultMarker:
    """The type of `_ARG_DEFAULT`."""


# Tells "no default given" from "the default is None".
_ARG_DEFAULT = _ArgDefaultMarker()

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


_START_LINES = httputil._STANDARD_START_LINES
_OK = _START_LINES[200].reason


_HTML = "text/html; charset=UTF-8"
_JSON = "application/json; charset=UTF-8"

# The headers that responses begin with, those of one second. Replaced as a whole: other threads may have loops, too.
_initial_head: tuple[float, ResponseHead, float] = (0.0, ResponseHead({}), 0.0)


def _initial_head_now() -> ResponseHead:
    global _initial_head
    now = int(time.time())
    begin, head, _ = _initial_head
    if begin != now:
        server = f"TornadoServer/{tornadolike.version}"
        head = ResponseHead({"Server": server, "Content-Type": _HTML, "Date": httputil.format_timestamp(now)})
        _initial_head = (float(now), head, now + 1.0)
    return head


class _HandlerUI:
    """The ``ui`` attribute, put together when it is first read: most requests render no template."""

    def __get__(self, handler: RequestHandler | None, owner: type[RequestHandler]) -> Any:
        if handler is None:
            return self
        application = handler.application
        ui = ObjectDict({name: handler._ui_method(method) for name, method in application.ui_methods.items()})
        # Templates compiled by us say _tt_modules, so that an application may have a UI method called "modules".
        ui["_tt_modules"] = ui["modules"] = _UIModuleNamespace(handler, application.ui_modules)
        handler.ui = ui
        return ui


class RequestHandler:
    """Answers HTTP requests; one instance for each request.

    Subclasses define methods named after HTTP methods (``get``, ``post``, ...), as plain functions or as coroutines;
    groups of the URL pattern are their arguments. Methods that are not defined are answered with 405. The response
    is finished when the method returns, unless it was before.

    Do not override ``__init__``: override `initialize` or `prepare`.

    * ``request``: the `.HTTPServerRequest`.
    * ``application``: the `Application`.
    * ``path_args``, ``path_kwargs``: the groups of the URL pattern, decoded.
    * ``ui``: UI modules and methods, as templates see them.
    """

    SUPPORTED_METHODS: tuple[str, ...] = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")
    """The methods for which a Python method is looked up; any other is answered with 405."""

    _template_loaders: ClassVar[dict[str, template.BaseLoader]] = {}
    _template_loader_lock = threading.Lock()
    _stream_request_body = False

    __late = False  # its deadline has passed
    __set_late: tuple[str, ...] = ("_transforms", "path_args", "path_kwargs", "ui", "_new_cookie")  # behind the constructor

    # Will be set in _execute.
    _transforms: list[OutputTransform]
    # There is none before the first cookie is set: programs with a `flush` or `set_cookie` of their own ask whether there is.
    _new_cookie: http.cookies.SimpleCookie

    path_args: list[str] = Empty(list)  # type: ignore[assignment]  # it makes one
    path_kwargs: dict[str, str] = Empty(dict)  # type: ignore[assignment]

    @_beyond_tornado
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        announce(cls, cls.__set_late)
        if super().__init__ is not object.__init__:
            cls.__plain_making = ()  # a base behind this class is made, too

    def __init__(self, application: Application, request: httputil.HTTPServerRequest, **kwargs: Any) -> None:
        super().__init__()  # of what a program puts behind this class
        self.application = application
        self.request = request
        self._headers_written = self._finished = False
        self._auto_finish = True
        self._prepared_future: Future[None] | None = None
        self.__task: Future[None] | None = None
        self.clear()
        request.connection.set_close_callback(self.on_connection_close)  # type: ignore[union-attr]  # it has one
        if kwargs:
            self.initialize(**kwargs)
        else:
            self.initialize()

    ui: Any = _HandlerUI()

    def _initialize(self) -> None:
        """Take what the route gives to the handler; this one takes nothing."""

    #: A hook for subclasses, called for each request with the dictionary that is the third part of the `URLSpec`.
    #: It takes the place of a constructor: store what the handler needs, answer nothing yet.
    initialize: Callable[..., None] = _initialize

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the `Application`: the keyword arguments of its constructor."""
        return self.application.settings

    def _unimplemented_method(self, *args: str, **kwargs: str) -> None:
        """Answer this HTTP method; not overridden, it is refused with 405. The arguments are the groups of the URL's pattern."""
        raise HTTPError(405)

    head: _Method = _unimplemented_method
    get: _Method = _unimplemented_method
    post: _Method = _unimplemented_method
    delete: _Method = _unimplemented_method
    patch: _Method = _unimplemented_method
    put: _Method = _unimplemented_method
    options: _Method = _unimplemented_method

    # ---- hooks

    def prepare(self) -> Awaitable[None] | None:
        """Called before the method of the request, whichever it is. May be a coroutine.

        A ``prepare`` which finishes the response ends the handling there.
        """

    def on_finish(self) -> None:
        """Called when the response has been handed to the connection: the place for clean-up and logging.

        Nothing can be sent from here. Not called for a request whose client has gone away before it was answered.
        """

    def on_connection_close(self) -> None:
        """Called when the client closes the connection before it has its answer.

        Long-waiting handlers use it to stop waiting. It is not called once `finish` was, and a proxy in between may
        keep it from ever being called.
        """
        if self._stream_request_body:
            end_body_early(self.request)

    @_beyond_tornado
    def on_drain(self) -> Awaitable[None] | None:
        """Called when the server has begun to drain while this handler works: the process is about to end. Not in Tornado.

        For handlers that would go on for long: end the stream, answer the poll. They have the rest of the drain's time. It may be a
        coroutine. See `.HTTPServer.drain`.
        """
        return None

    def clear(self) -> None:
        """Forget status, headers and body written so far; the response starts anew."""
        begin, head, end = _initial_head
        if not begin <= time.time() < end:
            head = _initial_head_now()
        self._headers = httputil.HTTPHeaders._standing_on(head)
        self.set_default_headers()
        self._write_buffer: list[bytes] = []
        self._status_code = 200
        self._reason = _OK

    def set_default_headers(self) -> None:
        """A hook for headers that every response shall have, error pages included. Call `set_header` in it.

        It runs before `initialize`; attributes set there do not exist yet.
        """

    # What a handler is made by, where all of it is ours: it stores what it is given, and runs nothing of the application.
    __plain_making: Any = (__init__, _initialize, set_default_headers)

    # ---- status and headers

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """Set the status of the response.

        :arg reason: the text behind it, else the standard one (``Unknown`` for a status that has none). A reason that
            may not stand in a status line (RFC 9112 §4) or in an error page is replaced with ``Unknown``.
        """
        self._status_code = status_code
        if reason is None:
            self._reason = httputil.responses.get(status_code, "Unknown")
            return
        if "<" in reason or not _ABNF.reason_phrase.fullmatch(reason):
            reason = "Unknown"
        self._reason = escape.native_str(reason)

    def get_status(self) -> int:
        """The status of the response as it stands."""
        return self._status_code

    def clear_header(self, name: str) -> None:
        """Take a header back; nothing happens if it is not set. Cookies of this response are no headers yet."""
        if name in self._headers:
            del self._headers[name]

    def set_header(self, name: str, value: _HeaderTypes) -> None:
        """Set a header of the response, in place of any of that name.

        :arg value: text, bytes (Latin-1), an integer, or a `datetime.datetime` which is sent as an HTTP date (naive
            ones are taken as UTC).

        Raises `ValueError` for control characters (line ends above all) and text outside Latin-1, and for a name that is no token
        (RFC 9110 §5.1); `TypeError` for other types.
        """
        # The first tests are the usual cases of _convert_header_value, without the call.
        if type(value) is int:
            text = str(value)
        elif type(value) is str and value.isascii() and value.isprintable():
            text = value
        else:
            text = self._convert_header_value(value)
        spelled, headers = _checked_names.get(name), self._headers
        if spelled is None:
            _check_header_name(name)
        elif type(headers) is httputil.HTTPHeaders and (head := headers._head) is not None:  # what it comes to, without the calls
            if spelled not in head.values:
                headers._joined[spelled] = text
                return
            if (changed := head.variants.get((spelled, text))) is not None:
                headers._head = changed
                return
        headers[name] = text

    def add_header(self, name: str, value: _HeaderTypes) -> None:
        """Add a header beside those of the same name. See `set_header` for the value."""
        self._headers.add(name, self._convert_header_value(value))

    _VALID_HEADER_CHARS = re.compile(r"[\x09\x20-\x7e\x80-\xff]*")

    def _convert_header_value(self, value: _HeaderTypes) -> str:
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str):
            if (value.isascii() and value.isprintable()) or self._VALID_HEADER_CHARS.fullmatch(value):
                return value
            raise ValueError(f"Unsafe header value {value!r}")
        if isinstance(value, dt.datetime):
            return httputil.format_timestamp(value)
        if type(value) is int or isinstance(value, numbers.Integral):  # the abstract class is slow to say yes
            return str(value)
        raise TypeError(f"Unsupported header value {value!r}")

    # ---- arguments

    @overload
    def get_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_argument(self, name: str, default: _ArgDefaultMarker = _ARG_DEFAULT, strip: bool = True) -> str: ...
    @overload
    def get_argument(self, name: str, default: None, strip: bool = True) -> str | None: ...
    def get_argument(self, name: str, default: str | _ArgDefaultMarker | None = _ARG_DEFAULT, strip: bool = True) -> str | None:
        """Return the argument ``name`` of the query string or the form body, the last one if there are several.

        Without a ``default`` a missing argument raises `MissingArgumentError`, which is answered with 400. ``strip``
        trims white space.
        """
        return self._get_argument(name, default, self.request.arguments, strip)

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all arguments ``name`` of query string and form body; an empty list if there are none."""
        # get_argument's default would pass for a true value here.
        assert isinstance(strip, bool), "get_arguments() takes no default"
        return self._get_arguments(name, self.request.arguments, strip)

    @overload
    def get_body_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_body_argument(self, name: str, default: _ArgDefaultMarker = _ARG_DEFAULT, strip: bool = True) -> str: ...
    @overload
    def get_body_argument(self, name: str, default: None, strip: bool = True) -> str | None: ...
    def get_body_argument(self, name: str, default: str | _ArgDefaultMarker | None = _ARG_DEFAULT, strip: bool = True) -> str | None:
        """Like `get_argument`, for the form body alone."""
        return self._get_argument(name, default, self.request.body_arguments, strip)

    def get_body_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Like `get_arguments`, for the form body alone."""
        return self._get_arguments(name, self.request.body_arguments, strip)

    @overload
    def get_query_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_query_argument(self, name: str, default: _ArgDefaultMarker = _ARG_DEFAULT, strip: bool = True) -> str: ...
    @overload
    def get_query_argument(self, name: str, default: None, strip: bool = True) -> str | None: ...
    def get_query_argument(self, name: str, default: str | _ArgDefaultMarker | None = _ARG_DEFAULT, strip: bool = True) -> str | None:
        """Like `get_argument`, for the query string alone."""
        return self._get_argument(name, default, self.request.query_arguments, strip)

    def get_query_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Like `get_arguments`, for the query string alone."""
        return self._get_arguments(name, self.request.query_arguments, strip)

    def _get_argument(
        self, name: str, default: str | _ArgDefaultMarker | None, source: dict[str, list[bytes]], strip: bool = True
    ) -> str | None:
        found = self._get_arguments(name, source, strip=strip)
        if found:
            return found[-1]
        if isinstance(default, _ArgDefaultMarker):
            raise MissingArgumentError(name)
        return default

    def _get_arguments(self, name: str, source: dict[str, list[bytes]], strip: bool = True) -> list[str]:
        values = source.get(name)
        if not values:
            return []
        return _web.arguments.texts(values, self.decode_argument, name, strip)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Turn the bytes of an argument into text; percent-decoding is done already. Override it for other encodings.

        Called for the arguments of `get_argument` and for the groups of the URL pattern, with the name where there is
        one. Bytes that are not UTF-8 raise `HTTPError` 400.
        """
        try:
            return value.decode() if isinstance(value, bytes) else _unicode(value)
        except UnicodeDecodeError:
            raise HTTPError(400, f"Invalid unicode in {name or 'url'}: {value[:40]!r}") from None

    # ---- cookies

    @property
    def cookies(self) -> dict[str, http.cookies.Morsel[str]]:
        """The cookies of the request, as `http.cookies.Morsel` objects by name."""
        return self.request.cookies

    @overload
    def get_cookie(self, name: str, default: str) -> str: ...
    @overload
    def get_cookie(self, name: str, default: None = None) -> str | None: ...
    def get_cookie(self, name: str, default: str | None = None) -> str | None:
        """Return the value of a cookie of the request, ``default`` if it is not there.

        This does not show cookies which the response sets.
        """
        request = self.request
        cookies: Any = getattr(type(request), "cookies", None)
        if type(cookies) is MappingProperty and request._cookies is None:
            value = request._cookie_value(name)
            return default if value is None else value
        cookies = request.cookies  # a program's own, or changed by it; some tests have a request of their own
        return cookies[name].value if cookies is not None and name in cookies else default

    def set_cookie(
        self,
        name: str,
        value: str | bytes,
        domain: str | None = None,
        expires: float | tuple[int, ...] | dt.datetime | None = None,
        path: str = "/",
        expires_days: float | None = None,
        *,
        max_age: int | None = None,
        httponly: bool = False,
        secure: bool = False,
        samesite: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Set a cookie with the response (RFC 6265 §4.1).

        It takes effect with the next request: `get_cookie` still shows what this request brought.

        :arg expires: a time stamp, a time tuple or a `datetime.datetime`. With neither this, ``expires_days`` nor
            ``max_age`` (seconds) the cookie ends with the browser's session.

        Raises `ValueError` for a value with spaces or control characters, and `http.cookies.CookieError` where a name
        or an attribute could not stand in the header as it is. Further keyword arguments are attributes under the
        names that `http.cookies.Morsel` knows; they are deprecated.
        """
        name, value = escape.native_str(name), escape.native_str(value)
        if expires_days is not None and not expires:
            expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=expires_days)
        date = None if not expires and expires != 0 else httputil.format_timestamp(expires)
        given = [("domain", domain), ("path", path), ("samesite", samesite)]
        seconds = None if max_age is None else str(int(max_age))
        made = [("expires", date), ("max-age", seconds), ("httponly", httponly), ("secure", secure)]
        self._new_cookie = _web.cookie_attributes.put_checked(getattr(self, "_new_cookie", None), name, value, given, made, kwargs)
        if kwargs:
            warnings.warn(f"Deprecated arguments to set_cookie: {set(kwargs)} (should be lowercase)", DeprecationWarning, stacklevel=2)

    def clear_cookie(self, name: str, **kwargs: Any) -> None:
        """Make the client forget a cookie. ``domain`` and ``path`` must be those it was set with.

        Other keyword arguments are those of `set_cookie`, except ``expires`` and ``max_age``, which raise `TypeError`.
        """
        for argument in ("expires", "max_age"):
            if argument in kwargs:
                raise TypeError(f"clear_cookie() got an unexpected keyword argument '{argument}'")
        self.set_cookie(name, value="", expires=dt.datetime.now(dt.UTC) - dt.timedelta(days=365), **kwargs)

    def clear_all_cookies(self, **kwargs: Any) -> None:
        """Do what `clear_cookie` does for every cookie that this request brought."""
        for name in self.request.cookies:
            self.clear_cookie(name, **kwargs)

    def set_signed_cookie(
        self, name: str, value: str | bytes, expires_days: float | None = 30, version: int | None = None, **kwargs: Any
    ) -> None:
        """Set a cookie that clients can read but not change; read it back with `get_signed_cookie`.

        The setting ``cookie_secret`` must be set: a long random text, or a dictionary of such with the setting
        ``key_version`` naming the one that signs. ``expires_days`` is when the browser forgets it; how old it may be
        when it comes back is up to `get_signed_cookie`. Other arguments are those of `set_cookie`.
        """
        self.set_cookie(name, self.create_signed_value(name, value, version=version), expires_days=expires_days, **kwargs)

    set_secure_cookie = set_signed_cookie

    def create_signed_value(self, name: str, value: str | bytes, version: int | None = None) -> bytes:
        """Sign a value for purposes other than cookies; `get_signed_cookie` reads it when given as ``value``."""
        self.require_setting("cookie_secret", "secure cookies")
        secret = self.settings["cookie_secret"]
        key_version = None
        if isinstance(secret, dict):
            key_version = self.settings.get("key_version")
            if key_version is None:
                raise Exception("key_version setting must be used for secret_key dicts")
        return create_signed_value(secret, name, value, version=version, key_version=key_version)

    def get_signed_cookie(
        self, name: str, value: str | None = None, max_age_days: float = 31, min_version: int | None = None
    ) -> bytes | None:
        """Return the value of a signed cookie; None where it is missing, too old, or not signed by this application.

        :arg value: verify this in place of the cookie.
        """
        self.require_setting("cookie_secret", "secure cookies")
        signed = self.get_cookie(name) if value is None else value
        return decode_signed_value(self.settings["cookie_secret"], name, signed, max_age_days=max_age_days, min_version=min_version)

    get_secure_cookie = get_signed_cookie

    def get_signed_cookie_key_version(self, name: str, value: str | None = None) -> int | None:
        """Return which version of the key has signed a cookie, None if it does not say. Nothing is verified."""
        self.require_setting("cookie_secret", "secure cookies")
        signed = self.get_cookie(name) if value is None else value
        return None if signed is None else get_signature_key_version(signed)

    get_secure_cookie_key_version = get_signed_cookie_key_version

    # ---- the response

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> None:
        """Send the client to ``url``, which may be relative, and finish the response.

        302, or 301 with ``permanent``, or ``status``. ``url`` goes out as it is: whoever lets users choose it has to
        check where it leads.
        """
        if self._headers_written:
            raise Exception("Cannot redirect after headers have been written")
        self.set_status(_web.redirects.status(status, permanent))
        self.set_header("Location", utf8(url))
        self.finish()

    def write(self, chunk: str | bytes | dict[Any, Any]) -> None:
        """Add to the body of the response; `flush` or the end of the handler sends it.

        :arg chunk: text (sent as UTF-8), bytes, or a dictionary, which is sent as JSON with its content type. A list
            raises `TypeError`: as JSON it could be read by other sites in old browsers.

        Raises `RuntimeError` after `finish`.
        """
        if self._finished:
            raise RuntimeError("Cannot write() after finish()")
        if isinstance(chunk, str):
            chunk = chunk.encode()
        elif not isinstance(chunk, bytes):
            if not isinstance(chunk, dict):
                raise TypeError(_web.written.refusal(chunk))
            self.set_header("Content-Type", _JSON)
            chunk = utf8(escape.json_encode(chunk))
        self._write_buffer.append(chunk)

    def render(self, template_name: str, **kwargs: Any) -> Future[None]:
        """Finish the response with a template, and with what its UI modules need in the page.

        Returns what `finish` returns. Scripts go to the end of the body, styles to the end of the head; `ValueError`
        where the page has no such tag. `render_string` alone gives the bytes and leaves those things out.
        """
        if self._finished:
            raise RuntimeError("Cannot render() after finish()")
        page = self.render_string(template_name, **kwargs)
        if self._active_modules:
            page = _web.ui_resources.completed(page, self._active_modules.values(), self)
        return self.finish(page)

    # Empty and shared until the first UI module of a request is used; see _ui_module.
    _active_modules: dict[str, UIModule] = {}

    def __resource_url(self, path: str) -> str:
        return escape.xhtml_escape(path if is_absolute(path) else self.static_url(path))

    def render_linked_js(self, js_files: Iterable[str]) -> str:
        """Return the tags for the script files of UI modules; relative paths go through `static_url`. For overriding."""
        return _web.ui_resources.script_links(js_files, self.__resource_url)

    def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes:
        """Return the tag for the inline scripts of UI modules. For overriding."""
        return b'<script type="text/javascript">\n//<![CDATA[\n%b\n//]]>\n</script>' % b"\n".join(js_embed)

    def render_linked_css(self, css_files: Iterable[str]) -> str:
        """Return the tags for the style sheets of UI modules; relative paths go through `static_url`. For overriding."""
        return _web.ui_resources.style_links(css_files, self.__resource_url)

    def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes:
        """Return the tag for the inline styles of UI modules. For overriding."""
        return b'<style type="text/css">\n%b\n</style>' % b"\n".join(css_embed)

    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        """Return a template filled in with ``kwargs`` and `get_template_namespace`.

        Templates come from `get_template_path`; without one, from the directory of the source file that called.
        """
        path = self.get_template_path() or _web.template_loading.directory_of_caller(sys._getframe())
        with RequestHandler._template_loader_lock:
            loader = RequestHandler._template_loaders.get(path)
            if loader is None:
                loader = RequestHandler._template_loaders[path] = self.create_template_loader(path)
        return loader.load(template_name).generate(**{**self.get_template_namespace(), **kwargs})

    def get_template_namespace(self) -> dict[str, Any]:
        """Return what every template sees by default. Override it to add names; they give way to those of `render`."""
        locale = self.locale
        return {
            "handler": self,
            "request": self.request,
            "current_user": self.current_user,
            "locale": locale,
            "_": locale.translate,
            "pgettext": locale.pgettext,
            "static_url": self.static_url,
            "xsrf_form_html": self.xsrf_form_html,
            "reverse_url": self.reverse_url,
            **self.ui,
        }

    def create_template_loader(self, template_path: str) -> template.BaseLoader:
        """Return a loader for a directory; called once for each. Override it for loaders of other kinds.

        Uses the settings ``template_loader`` (in place of everything else), ``autoescape`` and
        ``template_whitespace``.
        """
        settings = self.settings
        if "template_loader" in settings:
            return cast(template.BaseLoader, settings["template_loader"])
        return template.Loader(template_path, **_web.template_loading.options(settings))

    def flush(self, include_footers: bool = False) -> Future[None]:
        """Send what has been written so far; the first time together with status and headers.

        Returns a future that resolves when the bytes have reached the kernel: awaiting it keeps a long response from
        piling up in memory. It fails with `.StreamClosedError` when the client has gone. Small pieces flushed within a
        millisecond of one another are sent together, at the latest at the end of the loop's turn.
        """
        written = self._write_buffer
        chunk = written[0] if len(written) == 1 else b"".join(written)
        self._write_buffer = []
        request = self.request
        connection: httputil.HTTPConnection = request.connection  # type: ignore[assignment]  # there is one until it is detached
        if not self._headers_written:
            self._headers_written = True
            for transform in self._transforms:
                self._status_code, self._headers, chunk = transform.transform_first_chunk(
                    self._status_code, self._headers, chunk, include_footers
                )
            if _complete_head is not None:
                _complete_head(request, self._headers)
            if (cookies := getattr(self, "_new_cookie", None)) is not None:
                for morsel in cookies.values():
                    self.add_header("Set-Cookie", morsel.OutputString(None))
            start_line = _START_LINES.get(self._status_code)
            if start_line is None or start_line[2] is not self._reason:
                start_line = httputil.ResponseStartLine("", self._status_code, self._reason)
            return connection.write_headers(start_line, self._headers, b"" if request.method == "HEAD" else chunk)
        for transform in self._transforms:
            chunk = transform.transform_chunk(chunk, include_footers)
        if request.method != "HEAD":
            return connection.write(chunk)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _should_not_send_content(self, status_code: int) -> bool:
        return status_code in (204, 304) or 100 <= status_code < 200

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None) -> Future[None]:
        """Send the rest of the response, ``chunk`` last; nothing can be written afterwards.

        Returns the future of the last `flush`. A response of which nothing was sent yet gets ``Content-Length`` and,
        with status 200 to GET or HEAD, an ``Etag``; one that the client has already becomes 304. Raises
        `RuntimeError` when called twice, and for a body with status 1xx, 204 or 304.
        """
        if self._finished:
            raise RuntimeError("finish() called twice")
        if chunk is not None:
            self.write(chunk)
        if not self._headers_written:
            self.__complete_headers()
        connection: Any = self.request.connection
        # Once this is over the connection must not keep the handler alive.
        connection.set_close_callback(None)
        future = self.flush(include_footers=True)
        connection.finish()
        self._log()
        self._finished = True
        self.on_finish()
        self._break_cycles()
        return future

    def __complete_headers(self) -> None:
        """Add what only the end of a body can tell: whether the client has it already, and its length."""
        status, headers = self._status_code, self._headers
        # What the first headers of a response stand on has no length, and a tag only in a kept answer.
        head = headers._head if type(headers) is httputil.HTTPHeaders else None
        known: Any = headers if head is None else headers._joined
        tagged = "Etag" in known or (head is not None and head.tagged)
        if status == 200 and not tagged and self.request.method in ("GET", "HEAD"):
            self.set_etag_header()
            if self.check_etag_header():
                self._write_buffer = []
                self.set_status(304)
                status = self._status_code
            if self._headers is not headers or (head is not None and headers._joined is not known):
                known = self._headers
        if status == 200 or not self._should_not_send_content(status):
            if "Content-Length" not in known:
                written = self._write_buffer
                self.set_header("Content-Length", len(written[0]) if len(written) == 1 else sum(map(len, written)))
            return
        if self._write_buffer:
            raise RuntimeError(f"Cannot send body with status code HTTP{status}")
        self._clear_representation_headers()

    def detach(self) -> iostream.IOStream:
        """Take over the connection: return its stream, and send no response.

        For protocols that begin with an HTTP request. The caller has to close the stream.
        """
        self._finished = True
        return cast(iostream.IOStream, cast(Any, self.request.connection).detach())

    def _break_cycles(self) -> None:
        # UI methods and modules refer to the handler that refers to them.
        self.ui = None

    # ---- errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error page in place of whatever was written so far.

        :arg kwargs: ``reason`` for the status line; ``exc_info`` of the exception, if one is the cause; all go to
            `write_error`, which makes the page.

        Nothing can be changed once the headers are out: then this logs an error, and ends the response as it is. Where its length was
        not announced, the connection is closed without the mark of a complete body.
        """
        if self._headers_written:
            gen_log.error("Cannot send error response after headers written")
            if not self._finished:
                self.__end_broken_response()
            return
        self.clear()
        cause = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        told = cause.reason if isinstance(cause, HTTPError) else None
        self.set_status(status_code, reason=told or kwargs.get("reason"))
        if status_code != 304:
            try:
                self.write_error(status_code, **kwargs)
            except Exception:
                app_log.error("Uncaught exception in write_error", exc_info=True)
        if not self._finished:
            self.finish()

    def __end_broken_response(self) -> None:
        connection = self.request.connection
        if isinstance(connection, httputil.HTTPConnection):
            # The client shall see that something is missing.
            connection._break_off()
        try:
            self.finish()
        except Exception:
            # Such as too few bytes for the Content-Length that was promised: the connection is closed by that.
            gen_log.error("Failed to flush partial response", exc_info=True)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the page for an error and finish. Override it for error pages of your own.

        ``kwargs["exc_info"]`` is there if an exception is the cause; it may be another one than is being handled now.
        With the setting ``serve_traceback`` the page is the traceback.
        """
        if self._should_not_send_content(status_code):
            self.finish()
            return
        if "exc_info" in kwargs and self.settings.get("serve_traceback"):
            self.set_header("Content-Type", "text/plain")
            self.finish("".join(traceback.format_exception(*kwargs["exc_info"])))
            return
        self.finish(_web.error_pages.page(status_code, self._reason))

    # ---- who is asking

    @property
    def locale(self) -> tornadolike.locale.Locale:
        """The locale of this request: that of `get_user_locale`, else `get_browser_locale`. Can be assigned."""
        if not hasattr(self, "_locale"):
            self._locale = self.get_user_locale() or self.get_browser_locale()
        return self._locale

    @locale.setter
    def locale(self, value: tornadolike.locale.Locale) -> None:
        self._locale = value

    def get_user_locale(self) -> tornadolike.locale.Locale | None:
        """Override it to return the locale that the current user has chosen; None leaves it to the browser."""
        return None

    def get_browser_locale(self, default: str = "en_US") -> tornadolike.locale.Locale:
        """Return the locale that suits ``Accept-Language`` best (RFC 9110 §12.5.4), that of ``default`` without it."""
        headers = self.request.headers
        header = headers["Accept-Language"] if "Accept-Language" in headers else None  # noqa: SIM401 - a mock's get() says yes to all
        return locale.get(*(_web.languages.preferred(header) if header else ()) or (default,))

    @property
    def current_user(self) -> Any:
        """Who is logged in, from `get_current_user` when first read; whatever is false means nobody.

        `prepare` may assign it instead, as it must where finding out is asynchronous.
        """
        if not hasattr(self, "_current_user"):
            self._current_user = self.get_current_user()
        return self._current_user

    @current_user.setter
    def current_user(self, value: Any) -> None:
        self._current_user = value

    def get_current_user(self) -> Any:
        """Override it to find the user in the request, for instance in a signed cookie. It cannot be a coroutine."""
        return None

    def get_login_url(self) -> str:
        """Where `authenticated` sends those who are not logged in: the setting ``login_url``, unless overridden."""
        self.require_setting("login_url", "@tornado.web.authenticated")
        return cast(str, self.settings["login_url"])

    def get_template_path(self) -> str | None:
        """The directory of this handler's templates: the setting ``template_path``, unless overridden."""
        return self.settings.get("template_path")

    # ---- requests forged by other sites

    @property
    def xsrf_token(self) -> bytes:
        """The token that forms of this user must send back; reading it sets the cookie it is compared with.

        With version 2, the default of the setting ``xsrf_cookie_version``, it looks different each time but stays
        valid. Attributes for the cookie come from the setting ``xsrf_cookie_kwargs``, its name from
        ``xsrf_cookie_name``.
        """
        if not hasattr(self, "_xsrf_token"):
            known_version, token, seconds = self._get_raw_xsrf_token()
            self._xsrf_token = _web.xsrf.encode(self.settings.get("xsrf_cookie_version", 2), token, os.urandom(4), seconds)
            if known_version is None:
                self.__set_xsrf_cookie(self._xsrf_token)
        return self._xsrf_token

    def __set_xsrf_cookie(self, token: bytes) -> None:
        attributes = dict(self.settings.get("xsrf_cookie_kwargs", ()))
        if self.current_user:
            attributes.setdefault("expires_days", 30)
        self.set_cookie(self.__xsrf_cookie_name(), token, **attributes)

    def __xsrf_cookie_name(self) -> str:
        return cast(str, self.settings.get("xsrf_cookie_name", "_xsrf"))

    def _get_raw_xsrf_token(self) -> tuple[int | None, bytes, float]:
        """Version, bare token and time of the token in the cookie; a new one, with no version, where there is none."""
        if not hasattr(self, "_raw_xsrf_token"):
            cookie = self.get_cookie(self.__xsrf_cookie_name())
            version, token, seconds = self._decode_xsrf_token(cookie) if cookie else (None, None, None)
            if token is None or seconds is None:
                version, token, seconds = None, os.urandom(16), time.time()
            self._raw_xsrf_token: tuple[int | None, bytes, float] = version, token, seconds
        return self._raw_xsrf_token

    def _decode_xsrf_token(self, cookie: str) -> tuple[int | None, bytes | None, float | None]:
        try:
            return _web.xsrf.decode(cookie, time.time())
        except ValueError:
            gen_log.debug("Uncaught exception in _decode_xsrf_token", exc_info=True)
            return None, None, None

    def check_xsrf_cookie(self) -> None:
        """Compare the token of the request with that of the cookie; `HTTPError` 403 where they differ.

        Called before `prepare` for every method but GET, HEAD and OPTIONS if the setting ``xsrf_cookies`` is on. The
        token is the argument ``_xsrf``, or the header ``X-XSRFToken`` or ``X-CSRFToken``. Override it with a method
        that does nothing for handlers which are not used by browsers.
        """
        headers = self.request.headers
        sent = self.get_argument("_xsrf", None) or headers.get("X-Xsrftoken") or headers.get("X-Csrftoken")
        if not sent:
            raise HTTPError(403, "'_xsrf' argument missing from POST")
        _, token, _ = self._decode_xsrf_token(sent)
        if not token:
            raise HTTPError(403, "'_xsrf' argument has invalid format")
        _, expected, _ = self._get_raw_xsrf_token()
        if not _here.hmac.compare_digest(utf8(token), utf8(expected)):
            raise HTTPError(403, "XSRF cookie does not match POST argument")

    def xsrf_form_html(self) -> str:
        """Return the hidden field which every form that POSTs has to have with ``xsrf_cookies``.

        In a template: ``{% module xsrf_form_html() %}``.
        """
        return f'<input type="hidden" name="_xsrf" value="{escape.xhtml_escape(self.xsrf_token)}"/>'

    def _cross_origin_protection(self) -> None:
        settings = self.settings
        if settings.get("xsrf_cookies"):
            self.check_xsrf_cookie()
        if settings.get("cross_origin_protection"):
            refusal = self._check_cross_origin(self.check_trusted_origin)
            if refusal is not None:
                raise HTTPError(403, refusal)

    def _check_cross_origin(self, check: Callable[[str], bool]) -> str | None:
        """Why this request must not pass, None if it may; ``check`` says which other origins are trusted."""
        headers = self.request.headers
        return _web.origins.refusal(headers.get("Sec-Fetch-Site"), headers.get("Origin"), headers.get("Host"), check)

    def _origin_matches_host(self, origin: str) -> bool:
        return _web.origins.is_host(origin, self.request.headers.get("Host"))

    def check_trusted_origin(self, origin: str) -> bool:
        """Say whether pages of ``origin`` may send requests that change something here.

        Asked only where the setting ``cross_origin_protection`` is on and the browser says that the request comes from
        another site. By default those in the setting ``trusted_origins`` may, for instance ``https://www.example.org``.
        Override it to compute them, or to return True for handlers that need no protection.
        """
        return origin in self.settings.get("trusted_origins", ())

    # ---- URLs

    def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
        """Return the URL of a static file, with a version in it that lets browsers keep the file for ever.

        :arg path: relative to the setting ``static_path``, which must be set.
        :arg include_host: make it absolute; the default is the handler's attribute ``include_host``, else False.
        :arg kwargs: for ``make_static_url`` of the setting ``static_handler_class``, which by default knows
            ``include_version``.
        """
        self.require_setting("static_path", "static_url")
        handler_class = self.settings.get("static_handler_class", StaticFileHandler)
        if include_host is None:
            include_host = getattr(self, "include_host", False)
        host = f"{self.request.protocol}://{self.request.host}" if include_host else ""
        url: str = handler_class.make_static_url(self.settings, path, **kwargs)
        return f"{host}{_root_path(self.request)}{url}"

    def require_setting(self, name: str, feature: str = "this feature") -> None:
        """Raise an exception that names ``feature`` unless the application's setting ``name`` is set."""
        if not self.settings.get(name):
            raise Exception(f"You must define the '{name}' setting in your application to use {feature}")

    def reverse_url(self, name: str, *args: Any) -> str:
        """Do what `Application.reverse_url` does; below the server's ``root_path``, where it has one."""
        path = self.application.reverse_url(name, *args)
        root_path = _root_path(self.request)
        return root_path + path if root_path else path

    # ---- what the client has already

    def compute_etag(self) -> str | None:
        """Return the entity tag of the response, quotes included (RFC 9110 §8.8.3); None for a response without.

        By default it is a hash of what `write` has collected. Asked only where nothing was flushed before the end.
        """
        written = self._write_buffer
        return _strong_tag(written[0] if len(written) == 1 else b"".join(written), _here.hashlib.sha1)

    def set_etag_header(self) -> None:
        """Set ``Etag`` to what `compute_etag` returns. Call it before `check_etag_header`."""
        etag = self.compute_etag()
        if etag is not None:
            self.set_header("Etag", etag)

    def check_etag_header(self) -> bool:
        """Say whether ``If-None-Match`` names the ``Etag`` of the response, so that 304 will do (RFC 9110 §13.1.2)."""
        headers = self.request.headers
        if (type(headers) is httputil.HTTPHeaders and headers._bare) or "If-None-Match" not in headers:
            return False
        return _web.conditional.none_match(headers["If-None-Match"], self._headers.get("Etag", ""))

    # ---- the course of a request

    async def _execute(self, transforms: list[OutputTransform], *args: bytes, **kwargs: bytes) -> None:
        """Handle the request, whatever happens."""
        self._transforms = transforms
        result: Any = None
        self.__task = task = self.__task or asyncio.current_task()
        _running.add(task)
        try:
            headers, method = self.request.headers, self.request.method
            plain = not args and not kwargs and type(headers) is httputil.HTTPHeaders and headers._bare
            if plain and method in _SAFE_METHODS and method in self.SUPPORTED_METHODS:
                self.path_args, self.path_kwargs = [], {}
            else:
                self.__receive(args, kwargs)
            result = self.prepare()
            if result is not None:
                await (tasks.apart(result) if self.__task is tasks.AT_ONCE else result)
            if self._finished:
                return
            if self._stream_request_body and not await body_complete(self.request, self._prepared_future):
                return
            call = getattr(self, self.request.method.lower())
            result = call(*self.path_args, **self.path_kwargs) if self.path_args or self.path_kwargs else call()
            if result is not None:
                call = transforms = None  # type: ignore[assignment]  # this frame may live long
                await (tasks.apart(result) if self.__task is tasks.AT_ONCE else result)
            if self._auto_finish and not self._finished:
                self.finish()
        except BaseException as error:
            # A frame that the traceback holds must not hold the future that holds the traceback.
            result = None
            if self.__escapes(error, self.__task):
                raise
        finally:
            _running.discard(self.__task)
            self.__task = None
            if self._prepared_future is not None and not self._prepared_future.done():
                self._prepared_future.set_result(None)  # else the connection would wait for prepare() for ever

    def __escapes(self, error: BaseException, task: Future[None] | None) -> bool:
        """Deal with an exception of the application; whether it has to be passed on even so."""
        try:
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise error
            if tasks.is_cancelled(error):
                self.__answer_cancelled()
                return True
            self.__answer_exception(error)
        except BaseException as last:
            # Also out of write_error() and the like. It ends the loop, which passes it on: there is nobody left to ask the task for it.
            if task is not None and task is not tasks.AT_ONCE:
                task.add_done_callback(tasks.pass_on)
            if last is error:
                return True
            raise
        return False

    def __receive(self, args: tuple[bytes, ...], kwargs: dict[str, bytes]) -> None:
        """Look at the request before the application does."""
        request = self.request
        if request.method not in self.SUPPORTED_METHODS:
            raise HTTPError(405)
        if not self._stream_request_body:
            try:
                request._parse_body()
            except httputil.HTTPInputError as error:
                raise HTTPError(400, f"Invalid body: {error}") from error
        self.path_args = [self.decode_argument(value) for value in args] if args else []
        self.path_kwargs = {name: self.decode_argument(value, name=name) for name, value in kwargs.items()} if kwargs else {}
        if request.method not in _SAFE_METHODS:
            self._cross_origin_protection()

    def __is_late(self, seconds: float) -> bool:
        """Whether there is no answer though its time is over; then it is said so in the log."""
        if self._finished or self.get_status() == 101:  # a WebSocket goes on; so does what is done behind an answer
            return False
        self.__late = True
        gen_log.warning("503 %s: no answer within %g seconds", self._request_summary(), seconds)
        return True

    def __answer_cancelled(self) -> None:
        if not self._finished:
            try:
                self.send_error(503 if self.__late else 500)
            except Exception:
                app_log.error("Exception in exception handler", exc_info=True)

    def __answer_exception(self, error: BaseException) -> None:
        try:
            self._handle_request_exception(error)
        except Exception:
            app_log.error("Exception in exception handler", exc_info=True)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a piece of the request body: required of classes with `stream_request_body`.

        May be a coroutine; no more is read until it is done. What it raises is answered as in a method of the request (Tornado closes the
        connection without a word); the rest of the body, and the request's method, are left out then.
        """
        raise NotImplementedError

    def __will_be_long(self) -> None:
        """What only the beginning of a request needs is let go: this handler is there for as long as its client."""
        if not self.path_args:
            del self.path_args
        if not self.path_kwargs:
            del self.path_kwargs
        let_go = getattr(self.request.connection, "_will_be_long", None)
        if let_go is not None:
            let_go()

    def _log(self) -> None:
        self.application.log_request(self)

    def _request_summary(self) -> str:
        request = self.request
        return f"{request.method} {one_line(str(request.uri))} ({request.remote_ip})"

    def _handle_request_exception(self, e: BaseException) -> None:
        wanted = isinstance(e, Finish)
        if not wanted:
            self.__log_exception_of_handler()
        if self._finished:
            return
        if self.__client_has_left(e):
            self.__end_without_client()
            return
        if wanted:
            self.finish(*e.args)
        else:
            self.send_error(e.status_code if isinstance(e, HTTPError) else 500, exc_info=sys.exc_info())

    def __client_has_left(self, error: BaseException | None) -> bool:
        """Whether what went wrong is that the client is gone."""
        connection: Any = self.request.connection
        if not isinstance(error, iostream.StreamClosedError) or not hasattr(connection, "stream"):
            return False
        return connection.stream is not None and bool(connection.stream.closed())

    def __end_without_client(self) -> None:
        """What `finish` does, but for the answer: there is nobody to tell."""
        if not self._headers_written:
            self.set_status(500)
        cast(Any, self.request.connection).set_close_callback(None)
        self._log()
        self._finished = True
        self.on_finish()
        self._break_cycles()

    def __log_exception_of_handler(self) -> None:
        try:
            self.log_exception(*sys.exc_info())
        except Exception:
            # The client gets its answer even so.
            app_log.error("Error in exception logger", exc_info=True)

    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: types.TracebackType | None) -> None:
        """Log an exception that the handler let through. Override it to report elsewhere.

        By default `HTTPError` with a message is a warning on ``tornado.general``, without one nothing, and everything
        else is an error with its traceback on ``tornado.application``. That the client has left, which a handler hears from an awaited
        `flush` or `finish`, is no error, but one line of information.
        """
        if self.__client_has_left(value):
            gen_log.info("%s: the client has left", self._request_summary())
            return
        if isinstance(value, HTTPError):
            message = value.get_message()
            if message:
                gen_log.warning("%d %s: %s", value.status_code, self._request_summary(), message)
            return
        app_log.error(
            "Uncaught exception %s\n%r",
            self._request_summary(),
            self.request,
            exc_info=None if typ is None or value is None else (typ, value, tb),
        )

    def _ui_module(self, name: str, module: type[UIModule]) -> Callable[..., str]:
        def render(*args: Any, **kwargs: Any) -> str:
            if "_active_modules" not in self.__dict__:
                self._active_modules = {}
            active = self._active_modules.get(name)
            if active is None:
                active = self._active_modules[name] = module(self)
            return _unicode(active.render(*args, **kwargs))

        return render

    def _ui_method(self, method: Callable[..., str]) -> Callable[..., str]:
        return functools.partial(method, self)

    def _clear_representation_headers(self) -> None:
        # RFC 9110 §15.4.5: a 304 has no content to describe.
        for name in ("Content-Encoding", "Content-Language", "Content-Type"):
            self.clear_header(name)


def _root_path(request: httputil.HTTPServerRequest) -> str:
    """What a server in front has put before the application's own paths: ASGI's ``root_path``. Doubles of requests have none."""
    found = getattr(request, "_root_path", "")
    return found if type(found) is str else ""


_RequestHandlerType = TypeVar("_RequestHandlerType", bound=RequestHandler)


def stream_request_body(cls: type[_RequestHandlerType]) -> type[_RequestHandlerType]:
    """Make a handler class take the request body piece by piece.

    ``data_received(chunk)`` is called for each piece, after `~RequestHandler.prepare` is done, and the method of the
    request when the body is complete. ``request.body`` and the body arguments stay empty. Raises `TypeError` for a class
    that is no `RequestHandler`.
    """
    _check_handler_class(cls)
    cls._stream_request_body = True
    return cls


def _has_stream_request_body(cls: type[RequestHandler]) -> bool:
    _check_handler_class(cls)
    return cls._stream_request_body


def _check_handler_class(cls: type) -> None:
    if not issubclass(cls, RequestHandler):
        raise TypeError(f"expected subclass of RequestHandler, got {cls!r}")


def removeslash(method: _Method) -> _Method:
    """Decorate a handler method so that ``/path/`` is redirected to ``/path``; use it with a pattern like ``r"/path/*"``.

    Only GET and HEAD are redirected, other methods are answered with 404.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        path = self.request.path
        if path.endswith("/"):
            _require_get(self)
            bare = path.rstrip("/")
            if bare:  # the root has nowhere to go
                _redirect_to_path(self, bare)
                return None
        return method(self, *args, **kwargs)

    return wrapper


def addslash(method: _Method) -> _Method:
    """Decorate a handler method so that ``/path`` is redirected to ``/path/``; use it with a pattern like ``r"/path/?"``.

    Only GET and HEAD are redirected, other methods are answered with 404.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        path = self.request.path
        if path.endswith("/"):
            return method(self, *args, **kwargs)
        _require_get(self)
        _redirect_to_path(self, path + "/")
        return None

    return wrapper


def _redirect_to_path(handler: RequestHandler, path: str) -> None:
    """Redirect for good to a path made from that of the request, its query kept."""
    if _web.redirects.leaves_host(path):
        raise HTTPError(403, "cannot redirect path with two initial slashes")
    path = _root_path(handler.request) + path
    handler.redirect(f"{path}?{handler.request.query}" if handler.request.query else path, permanent=True)


def _require_get(handler: RequestHandler) -> None:
    """Only what can be redirected has another URL."""
    if handler.request.method not in ("GET", "HEAD"):
        raise HTTPError(404)


# As they are where no program has put its own in their place, on this class or on one derived from it.
_WRITE, _FLUSH = RequestHandler.write, RequestHandler.flush


class _ApplicationRouter(ReversibleRuleRouter):
    """A router whose targets may be handler classes, and lists of further rules."""

    def __init__(self, application: Application, rules: _RuleList | None = None) -> None:
        self.application = application
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        target = rule.target
        if isinstance(target, list | tuple):
            rule.target = _ApplicationRouter(self.application, target)
        return super().process_rule(rule)

    def get_target_delegate(
        self, target: Any, request: httputil.HTTPServerRequest, **target_params: Any
    ) -> httputil.HTTPMessageDelegate | None:
        if isinstance(target, type) and issubclass(target, RequestHandler):
            if not target_params:
                return self.application.get_handler_delegate(request, target)
            return self.application.get_handler_delegate(request, target, **target_params)
        # Not by way of super(), which costs as much as three calls; and keyword arguments cost even where there are none.
        if target_params:
            return ReversibleRuleRouter.get_target_delegate(self, target, request, **target_params)
        return ReversibleRuleRouter.get_target_delegate(self, target, request)


class Application(ReversibleRouter):
    """Handler classes under URL patterns, with the settings they share::

        application = Application([
            (r"/", FrontPage),
            (r"/story/([0-9]+)", Story, {"database": database}),
            url(r"/feed", Feed, name="feed"),
        ], debug=True)
        application.listen(8888)

    It can be given to `.HTTPServer` and be the target of a `.Rule`.

    :arg handlers: rules as `.RuleRouter` takes them; targets are handler classes, their full names, lists of further
        rules, or any other target of a rule.
    :arg default_host: the host name assumed for requests that ask for one which no rule of `add_handlers` knows.
    :arg transforms: classes of `OutputTransform` for every response, in place of those that settings ask for.
    :arg settings: for the application and its handlers, any names. These mean something here: ``autoreload``,
        ``debug``, ``default_handler_class``, ``default_handler_args``, ``compress_response``, ``serve_traceback``,
        ``log_function``, ``ui_modules``, ``ui_methods``; ``cookie_secret``, ``key_version``, ``login_url``,
        ``xsrf_cookies``, ``xsrf_cookie_version``, ``xsrf_cookie_kwargs``, ``xsrf_cookie_name``,
        ``cross_origin_protection``, ``trusted_origins``; ``autoescape``, ``compiled_template_cache``,
        ``template_path``, ``template_loader``, ``template_whitespace``; ``static_hash_cache``, ``static_path``,
        ``static_url_prefix``, ``static_handler_class``, ``static_handler_args``. Not in Tornado: ``request_deadline``, seconds after which
        a handler that has not answered is cancelled, and 503 is answered by its `write_error` (an attribute ``request_deadline`` of a
        handler class takes its place, `math.inf` for none).
    """

    def __init__(
        self,
        handlers: _RuleList | None = None,
        default_host: str | None = None,
        transforms: list[type[OutputTransform]] | None = None,
        **settings: Any,
    ) -> None:
        _web.load()
        _imported_names.settle()
        if transforms is None:
            transforms = [GZipContentEncoding] if settings.get("compress_response") or settings.get("gzip") else []
        self.transforms = transforms
        self.default_host = default_host
        self.settings = settings
        self.ui_methods: dict[str, Callable[..., str]] = {}
        self._load_ui_methods(settings.get("ui_methods", {}))
        self.ui_modules: dict[str, type[UIModule]] = {}
        for modules in ({"Template": TemplateModule, **_OWN_MODULES}, settings.get("ui_modules", {})):
            self._load_ui_modules(modules)
        if settings.get("debug"):
            for name, value in _DEBUG_SETTINGS.items():
                settings.setdefault(name, value)
        self.wildcard_router = _ApplicationRouter(self, [*self.__static_rules(), *(handlers or ())])
        self.default_router = _ApplicationRouter(self, [Rule(AnyMatches(), self.wildcard_router)])
        if settings.get("autoreload"):
            # Above this module: only development needs it.
            from tornadolike import autoreload

            autoreload.start()

    def __static_rules(self) -> list[tuple[str, Any, dict[str, Any]]]:
        settings = self.settings
        if not settings.get("static_path"):
            return []
        handler_class = settings.get("static_handler_class", StaticFileHandler)
        handler_args = settings.get("static_handler_args", {})
        handler_args["path"] = settings["static_path"]
        prefix = re.escape(settings.get("static_url_prefix", "/static/"))
        patterns = (r"/(robots\.txt)", r"/(favicon\.ico)", prefix + "(.*)")
        return [(pattern, handler_class, handler_args) for pattern in patterns]

    def listen(
        self,
        port: int,
        address: str | None = None,
        *,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = tornadolike.netutil._DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
        **kwargs: Any,
    ) -> HTTPServer:
        """Serve the application on a port of this process; returns the `.HTTPServer`, which can be stopped.

        The arguments up to ``reuse_port`` are those of `.TCPServer.listen`, the others those of `.HTTPServer`. For TLS
        from several processes, or several ports, make the server yourself. The event loop has to run afterwards.
        """
        server = HTTPServer(self, **kwargs)
        server.listen(port, address, family=family, backlog=backlog, flags=flags, reuse_port=reuse_port)
        return server

    def add_handlers(self, host_pattern: str, host_handlers: _RuleList) -> None:
        """Add rules for hosts that match a regex. They come before the rules of the constructor, in the order of the calls."""
        matcher = HostMatches(host_pattern)
        self.default_router.rules.insert(-1, Rule(matcher, _ApplicationRouter(self, host_handlers)))
        if self.default_host is not None:
            self.wildcard_router.add_rules([(DefaultHostMatches(self, matcher.host_pattern), host_handlers)])

    def add_transform(self, transform_class: type[OutputTransform]) -> None:
        """Add a transformation for all responses, after those that are there."""
        self.transforms.append(transform_class)

    def _load_ui_methods(self, methods: Any) -> None:
        for name, method in _web.ui_resources.named_members(methods):
            if callable(method) and not name.startswith("_") and name[0] == name[0].lower():
                self.ui_methods[name] = method

    def _load_ui_modules(self, modules: Any) -> None:
        for name, member in _web.ui_resources.named_members(modules):
            if isinstance(member, type) and issubclass(member, UIModule):
                self.ui_modules[name] = member

    def __call__(self, request: httputil.HTTPServerRequest) -> Awaitable[None] | None:
        """Answer a request that is complete, body included."""
        return self.find_handler(request).execute()

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> _HandlerDelegate:
        """Return the delegate for a request; where no rule matches, that of ``default_handler_class`` or of a 404."""
        route: Any = self.default_router.find_handler(request)
        if route is not None:
            return route  # type: ignore[no-any-return]  # a delegate of this application, or of a router in its rules
        default = self.settings.get("default_handler_class")
        if default:
            return self.get_handler_delegate(request, default, self.settings.get("default_handler_args", {}))
        return self.get_handler_delegate(request, ErrorHandler, {"status_code": 404})

    def get_handler_delegate(
        self,
        request: httputil.HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> _HandlerDelegate:
        """Return a delegate that gives a request to a handler class: for routers of your own.

        :arg target_kwargs: for ``initialize()``.
        :arg path_args: positional arguments of the handler's method, as bytes; ``path_kwargs`` those with names.
        """
        return _HandlerDelegate(self, request, target_class, target_kwargs, path_args, path_kwargs)

    def reverse_url(self, name: str, *args: Any) -> str:
        """Return the path of the rule called ``name``, its groups replaced with ``args`` (made ``str``, and quoted).

        Raises `KeyError` where no rule has that name.
        """
        path = self.default_router.reverse_url(name, *args)
        if path is None:
            raise KeyError(f"{name} not found in named urls")
        return path

    def log_request(self, handler: RequestHandler) -> None:
        """Write the access log line of a request that is finished.

        To ``tornado.access``, as information, warning (4xx) or error (5xx). The setting ``log_function``, a function of
        the handler, takes its place.
        """
        settings = self.settings
        if "log_function" in settings:
            settings["log_function"](handler)
            return
        status = handler.get_status()
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        if access_log.isEnabledFor(level):
            milliseconds = 1000.0 * handler.request.request_time()
            access_log.log(level, "%d %s %.2fms", status, handler._request_summary(), milliseconds)


_DEBUG_SETTINGS = {"autoreload": True, "compiled_template_cache": False, "static_hash_cache": False, "serve_traceback": True}


# Looks at each request before its body is read, and may give it another handler: `tornadolike.limits`, where a program uses it.
_gate: Callable[[_HandlerDelegate], Awaitable[None] | None] | None = None
# Adds to the head of each answer before it is sent: `tornadolike.access_log`, where the command line asks for it.
_complete_head: Callable[[httputil.HTTPServerRequest, httputil.HTTPHeaders], None] | None = None


class _HandlerDelegate(RequestCollector):
    """Collects a request for a handler, and starts the handler when the request, or its head, is there."""

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        if _gate is not None:
            refusing = _gate(self)
            if refusing is not None:
                return refusing
        return self._admitted() if self.stream_request_body else None

    def _admitted(self) -> Awaitable[None] | None:
        """The request may have its handler."""
        return self._begin_streaming() if self.stream_request_body else None

    def _forget_caches(self, settings: dict[str, Any]) -> None:
        if not settings.get("compiled_template_cache", True):
            with RequestHandler._template_loader_lock:
                for loader in RequestHandler._template_loaders.values():
                    loader.reset()
        if not settings.get("static_hash_cache", True):
            settings.get("static_handler_class", StaticFileHandler).reset()

    def _make_substitute(self, error: Exception) -> RequestHandler:
        return _UnmadeHandler(self.application, self.request, error=error)


_running = tasks.running
tasks.keeping_themselves.append(RequestHandler._execute.__code__)


class HTTPError(Exception):
    """Raised by a handler, ends the request with an error page.

    :arg status_code: the status; one that is not standard needs a ``reason``.
    :arg log_message: for the log, and in debug mode for the page; ``%s`` and the like in it are filled with ``args``.
        Without ``args`` it is taken as it is.
    :arg kwargs: ``reason``: the text in the status line, and on the page.
    """

    def __init__(self, status_code: int = 500, log_message: str | None = None, *args: Any, **kwargs: Any) -> None:
        self.status_code = status_code
        self._log_message = log_message
        self.args = args
        self.reason: str | None = kwargs.get("reason")

    @property
    def log_message(self) -> str | None:
        """The message as a format for ``args``: without ``args``, its percent signs are doubled."""
        message = self._log_message
        return message.replace("%", "%%") if message and not self.args else message

    def get_message(self) -> str | None:
        """The message with ``args`` filled in."""
        message = self._log_message
        return message % self.args if message and self.args else message

    def __str__(self) -> str:
        reason = self.reason or httputil.responses.get(self.status_code, "Unknown")
        message = self.get_message()
        return f"HTTP {self.status_code}: {reason}" + (f" ({message})" if message else "")


class Finish(Exception):
    """Raised by a handler, ends the request without an error: what was written so far is the response.

    Its argument, if it has one, goes to `RequestHandler.finish`.
    """


class MissingArgumentError(HTTPError):
    """Raised by `RequestHandler.get_argument`; answered with 400 like any other `HTTPError` of that status.

    ``arg_name`` is the argument that was missing.
    """

    def __init__(self, arg_name: str) -> None:
        super().__init__(400, f"Missing argument {arg_name}")
        self.arg_name = arg_name


class ErrorHandler(RequestHandler):
    """Answers every request with one status."""

    def initialize(self, status_code: int) -> None:
        self.set_status(status_code)

    def prepare(self) -> None:
        raise HTTPError(self.get_status())

    def check_xsrf_cookie(self) -> None:
        # A POST to nowhere is a 404, whoever sent it.
        pass

    def check_trusted_origin(self, origin: str) -> bool:
        return True


class _UnmadeHandler(ErrorHandler):
    """Answers for a handler that could not be made, with what its making raised."""

    def initialize(self, error: Exception) -> None:  # type: ignore[override]
        self.__error = error

    def prepare(self) -> None:
        try:
            raise self.__error
        finally:
            del self.__error  # it knows this handler

    def data_received(self, chunk: bytes) -> None:
        # Of a handler that would have taken its body in pieces.
        pass


class RedirectHandler(RequestHandler):
    """Redirects GET requests to a fixed place::

        (r"/old/(.*)", RedirectHandler, {"url": "/new/{0}"})

    :arg url: where to; groups of the pattern can be used as in `str.format`. The query string is kept.
    :arg permanent: 301, else 302.

    A request is refused with 400 if its groups would lead to another scheme or host than ``url`` names.
    """

    def initialize(self, url: str, permanent: bool = True) -> None:
        self._url = url
        self._permanent = permanent

    def get(self, *args: Any, **kwargs: Any) -> None:
        target = self._url.format(*args, **kwargs)
        # Values stay bytes: they need not be UTF-8 to be passed on.
        pairs: list[Any] = list(httputil.qs_to_qsl(self.request.query_arguments))
        try:
            target = httputil.url_concat(target, pairs) if pairs else target
            refusal = _web.redirects.refusal(self._url, target)
        except ValueError:
            refusal = _web.redirects.OTHER_ORIGIN
        if refusal:
            raise HTTPError(400, refusal)
        self.redirect(target, permanent=self._permanent)


class StaticFileHandler(RequestHandler):
    """Serves the files below ``path``. With ``default_filename`` a directory is answered with its file of that name::

        url(r"/files/(.*)", StaticFileHandler, dict(path="/srv/files"), name="files")

    The setting ``static_path`` makes an `Application` do so by itself. Ranges, ``If-Range``, ``If-None-Match`` and
    ``If-Modified-Since`` are honoured (RFC 9110 §13 and §14). Only regular files below ``path`` are served; symbolic links may
    lead anywhere below ``path``, or below ``allowed_symlink_directory``, and nowhere else.

    To serve other things than files override, in this order of likelihood: `get_content`, `get_content_size`,
    `get_modified_time`, `get_absolute_path`, `validate_absolute_path`, `get_version`, `get_content_version`,
    `set_extra_headers`, `get_cache_time`, `get_content_type`, `parse_url_path`, `make_static_url`.

    * ``path``: the path asked for, in the form of the operating system; ``absolute_path``: the file.
    * ``modified``: what `get_modified_time` returned.
    """

    #: Seconds that a client may keep a file asked for with its version.
    CACHE_MAX_AGE = 86400 * 365 * 10

    #: Bytes: a larger file gets no version and no ``Etag``, since hashing it would hold up the event loop.
    MAX_VERSION_CONTENT_SIZE = 64 * 1024 * 1024

    #: How many versions are remembered; the one not used for the longest time goes first.
    MAX_CACHED_VERSIONS = 10000

    _static_hashes: dict[str, str | None] = {}
    _lock = threading.Lock()

    #: Where links may lead besides ``path``: a directory or a list of directories.
    allowed_symlink_directory: str | list[str] | None = None

    modified: dt.datetime | None
    absolute_path: str | None
    _RequestHandler__set_late = ("_transforms", "path_args", "path_kwargs", "ui", "path", "absolute_path", "modified")

    def initialize(self, path: str, default_filename: str | None = None, allowed_symlink_directory: str | list[str] | None = None) -> None:
        self.root, self.default_filename = path, default_filename
        self.allowed_symlink_directory = allowed_symlink_directory

    _RequestHandler__plain_making = (RequestHandler.__init__, initialize, RequestHandler.set_default_headers)

    @classmethod
    def reset(cls) -> None:
        """Forget the versions of all files, and what was in them."""
        with cls._lock:
            cls._static_hashes = {}
            _kept_files.clear()

    def head(self, path: str) -> Awaitable[None]:
        return self.get(path, include_body=False)

    async def get(self, path: str, include_body: bool = True) -> None:
        key = self.__key_of_answer(path)
        if key is not None and self.__answers_again(key):
            return
        self.path = self.parse_url_path(path)
        self.absolute_path = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        if self.absolute_path is None:
            return
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(304)
            return
        size = self.get_content_size()
        span = self.__requested_span(size)
        if span is None:
            self.set_status(416)
            self.set_header("Content-Type", "text/plain")
            self.set_header("Content-Range", f"bytes */{size}")
            return
        if span.size != size:
            self.set_status(206)
            self.set_header("Content-Range", httputil._get_content_range(span.start, span.end, size))
        self.set_header("Content-Length", span.size)
        if include_body:
            try:
                await self.__send_content(span, size, key)
            except iostream.StreamClosedError:
                return
        else:
            assert self.request.method == "HEAD"

    def __key_of_answer(self, path: str) -> tuple[Any, ...] | None:
        """What an answer with a whole file depends on besides the file and the second; None where it depends on more."""
        request = self.request
        plain = type(self) is StaticFileHandler and request.method == "GET" and getattr(request.headers, "_bare", False) is True
        if not plain or request.query or self._status_code != 200 or self._write_buffer:
            return None
        if self._transforms and _see_bodies(self._transforms):
            return None
        headers = self._headers
        head = headers._head if type(headers) is httputil.HTTPHeaders else None
        if head is not _initial_head[1] or headers._joined or type(self.root) is not str or not _is_as_made(self):
            return None
        listed_type = _here.mimetypes.types_map.get("." + path.rpartition(".")[2])
        return head, self.root, path, str(self.allowed_symlink_directory), self.CACHE_MAX_AGE, listed_type

    def __answers_again(self, key: tuple[Any, ...]) -> bool:
        """Answer with a file that was answered with in this second, and is unchanged: its headers are those of that time."""
        known = _kept_answers.find(key, self.request._start_time)
        if known is None or self._finished or not self._auto_finish:
            return False
        answer, self._stat_result = known
        self.path, self.absolute_path, self.modified = key[2], answer.absolute_path, answer.modified
        headers = self._headers = httputil.HTTPHeaders._standing_on(answer.head)
        headers._joined["Content-Length"] = answer.length
        self._write_buffer = [answer.content]
        return True

    def __requested_span(self, size: int) -> static_files.Span | None:
        """The part of the content to send, all of it where no part is asked for; None for a part that is not there."""
        headers = self.request.headers
        field = httputil._value_in(headers, "Range")
        wanted = httputil._parse_request_range(field) if field else None
        if wanted is None:
            return static_files.Span(0, size)
        if not _web.conditional.if_range(headers.get("If-Range", ""), self._headers.get("Etag", ""), self.modified):
            return static_files.Span(0, size)
        return static_files.span(wanted, size)

    async def __send_content(self, span: static_files.Span, size: int, key: tuple[Any, ...] | None) -> None:
        assert self.absolute_path is not None
        start, end = (None, None) if span.size == size else span
        content: Any = self.get_content(self.absolute_path, start, end)
        if type(content) is FileContent and content.path == self.absolute_path:
            kept = _kept_files.get(content.path, self._stat(), self.request._start_time)
            if kept is None:
                await self.__send_file(span)
                return
            content = kept if start is None else kept[start:end]
            if key is not None:
                _kept_answers.note(key, self.absolute_path, self.modified, dict(self._headers.get_all()), kept)
        await file_sending.send(self, content, span.size)

    async def __send_file(self, span: static_files.Span) -> None:
        """What `get_content` and a loop over it would do, in fewer system calls, and for large files without reading them."""
        path = cast(str, self.absolute_path)
        file, found = self.__open_regular_file(path)
        size = span.size
        try:
            now = time.time()
            keeps = size == found.st_size and self.__may_keep(found, now)
            by_kernel = size >= static_files.LEAST_FOR_KERNEL and not keeps and not self.__bytes_are_seen()
            if by_kernel and await file_sending.sent_by_kernel(self, file, span):
                return
            last = await file_sending.send_file(self, file, span)
            if keeps and len(last) == size:
                with self._lock:
                    _kept_files.keep(path, found, last, now)
        finally:
            os.close(file)

    def __may_keep(self, found: os.stat_result, now: float) -> bool:
        if not self.settings.get("static_hash_cache", True):
            return False
        with self._lock:
            return _kept_files.admits(found, now)

    def __open_regular_file(self, path: str) -> tuple[int, os.stat_result]:
        try:
            opened = file_content.open_regular(path)
        except OSError:
            self._stat_regular_file(path, path)  # 404 if that is why
            raise
        if opened is None:
            raise HTTPError(403, "%s is not a file", path)
        return opened

    def __bytes_are_seen(self) -> bool:
        """Whether somebody wants to see each piece of the answer."""
        cls, own = self.__class__, vars(self)
        overridden = cls.write is not _WRITE or cls.flush is not _FLUSH
        return overridden or _see_bodies(self._transforms) or "write" in own or "flush" in own

    def compute_etag(self) -> str | None:
        """Return the version of the file, quoted. Also for parts of it: all of them belong to the same file."""
        assert self.absolute_path is not None
        self.__forget_outdated_version(self.absolute_path, getattr(self, "_stat_result", None))
        version = self._get_cached_version(self.absolute_path)
        return f'"{version}"' if version else None

    def set_headers(self) -> None:
        """Set the headers of the response, before it is decided whether content follows."""
        self.set_header("Accept-Ranges", "bytes")
        self.set_etag_header()
        content_type = self.get_content_type()
        for name, value in (("Last-Modified", self.modified), ("Content-Type", content_type)):
            if value:
                self.set_header(name, value)
        seconds = self.get_cache_time(self.path, self.modified, content_type)
        if seconds > 0:
            self.set_header("Expires", dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds))
            self.set_header("Cache-Control", f"max-age={seconds}")
        self.set_extra_headers(self.path)

    def should_return_304(self) -> bool:
        """Say whether the client has the file already. ``If-Modified-Since`` counts only where it sends no tag."""
        headers = self.request.headers
        if type(headers) is httputil.HTTPHeaders and headers._bare:
            return False
        if httputil._value_in(headers, "If-None-Match"):
            return self.check_etag_header()
        since = httputil._value_in(headers, "If-Modified-Since")
        return since is not None and _web.conditional.not_modified_since(since, self.modified)

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return where ``path``, relative to ``root``, is. Nothing is looked up on disk.

        What is returned goes to `validate_absolute_path` and, when `static_url` asked, to `get_content_version`, with
        no more checks; so a path that leads out of ``root`` raises `HTTPError` 403 already here.
        """
        absolute = static_files.below(root, path)
        cls._check_in_root(root, absolute, path)
        return absolute

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the file to serve for ``absolute_path``; None when the response was finished here, by a redirect.

        Raises `HTTPError`: 403 for what is outside of ``root`` or no file, 404 for what is not there. A directory leads
        to its ``default_filename``, by way of the URL with a slash at the end.
        """
        root = self._check_in_root(root, absolute_path, self.path)
        allowed = self.allowed_symlink_directory or root
        directories = [allowed] if isinstance(allowed, str) else allowed
        known = _targets.find(absolute_path, directories)
        if known is not None:
            target, self._stat_result = known
            return target
        target = self._resolve_symlink_target(absolute_path, directories, self.path)
        if self.default_filename is not None and os.path.isdir(target):
            if not self.request.path.endswith("/"):
                _redirect_to_path(self, self.request.path + "/")
                return None
            absolute_path = os.path.join(target, self.default_filename)
            target = self._resolve_symlink_target(absolute_path, directories, self.path)
        self._stat_result = self._stat_regular_file(target, self.path)
        _targets.remember(absolute_path, directories, target, self._stat_result)
        return target

    @staticmethod
    def _stat_regular_file(absolute_path: str, path_message: str) -> os.stat_result:
        try:
            result = os.stat(absolute_path)
        except OSError:
            raise HTTPError(404) from None
        # Opening a FIFO would block; a device may have no end.
        if not stat.S_ISREG(result.st_mode):
            raise HTTPError(403, "%s is not a file", path_message)
        return result

    @staticmethod
    def _check_in_root(root: str, absolute_path: str, path_message: str) -> str:
        """Refuse a path that is not below ``root``; returns ``root``, absolute and with a separator at its end."""
        # Without the separator "/var/static-secret" would be below "/var/static".
        root = static_files.absolute_directory(root)
        if "\0" in absolute_path:
            # No file has such a name, and the operating system would raise ValueError.
            raise HTTPError(404)
        if not static_files.is_inside(root, absolute_path):
            raise HTTPError(403, "%s is not in root static directory", path_message)
        if os.name == "nt" and static_files.names_stream(root, absolute_path):
            raise HTTPError(403, "%s is not a file", path_message)
        return root

    @staticmethod
    def _resolve_symlink_target(absolute_path: str, allowed_symlink_directories: list[str], path_message: str) -> str:
        target = static_files.target(absolute_path, allowed_symlink_directories)
        if target is None:
            raise HTTPError(403, "%s is not in root static directory", path_message)
        return target

    @classmethod
    def get_content(cls, abspath: str, start: int | None = None, end: int | None = None) -> Generator[bytes, None, None]:
        """Yield the content of a file in pieces, from ``start`` up to but not including ``end``.

        An overriding method may return all of it as ``bytes``.
        """
        return FileContent(abspath, start, end, cls._stat_regular_file)  # type: ignore[return-value]  # it does all that a generator is used for

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Return a text that changes with the content: by default a hash of it.

        Raises `ValueError` for content of more than `MAX_VERSION_CONTENT_SIZE`, and what `get_content` raises.
        """
        return file_content.hex_digest(cls.get_content(abspath), _here.hashlib.sha512(), cls.MAX_VERSION_CONTENT_SIZE)

    def _stat(self) -> os.stat_result:
        assert self.absolute_path is not None
        if not hasattr(self, "_stat_result"):
            self._stat_result = os.stat(self.absolute_path)
        return self._stat_result

    def get_content_size(self) -> int:
        """Return the size of the content in bytes."""
        return self._stat().st_size

    def get_modified_time(self) -> dt.datetime | None:
        """Return when the content changed last, in UTC and whole seconds; None if that is not known."""
        return static_files.utc(int(self._stat().st_mtime))

    def get_content_type(self) -> str:
        """Return the ``Content-Type``: by default guessed from the name of the file."""
        assert self.absolute_path is not None
        return static_files.media_type(*_here.mimetypes.guess_type(self.absolute_path))

    def set_extra_headers(self, path: str) -> None:
        """A hook for more headers."""

    def get_cache_time(self, path: str, modified: dt.datetime | None, mime_type: str) -> int:
        """Return for how many seconds the client may keep the file without asking; 0 says nothing about it.

        By default `CACHE_MAX_AGE` for a URL with a version in it: a changed file has another URL.
        """
        return self.CACHE_MAX_AGE if "v" in self.request.arguments else 0

    @classmethod
    def make_static_url(cls, settings: dict[str, Any], path: str, include_version: bool = True) -> str:
        """Return the URL for ``path``: what `RequestHandler.static_url` does.

        The handler that serves it comes from the same ``settings``: ``static_path`` and ``static_url_prefix``.
        """
        unversioned = cast(str, settings.get("static_url_prefix", "/static/")) + path
        version = cls.get_version(settings, path) if include_version else None
        return f"{unversioned}?v={version}" if version else unversioned

    def parse_url_path(self, url_path: str) -> str:
        """Turn the path in the URL into one of the operating system. What `make_static_url` adds must go here."""
        return url_path if os.path.sep == "/" else url_path.replace("/", os.path.sep)

    @classmethod
    def get_version(cls, settings: dict[str, Any], path: str) -> str | None:
        """Return the version of a file for its URL; None for one that has none. ``path`` is relative to ``static_path``."""
        absolute = cls.get_absolute_path(settings["static_path"], path)
        try:
            found = os.stat(absolute)
        except (OSError, ValueError):
            found = None
        cls.__forget_outdated_version(absolute, found)
        return cls._get_cached_version(absolute)

    @classmethod
    def __forget_outdated_version(cls, abs_path: str, found: os.stat_result | None) -> None:
        """Forget the version of a file that is not the one it was made of."""
        if found is None:
            return
        identity = static_files.identity(found)
        if _versions_of.get(abs_path) != identity:
            with cls._lock:
                file_versions.note_change(_versions_of, cls._static_hashes, abs_path, identity, cls.MAX_CACHED_VERSIONS)

    @classmethod
    def _get_cached_version(cls, abs_path: str) -> str | None:
        with cls._lock:
            return file_versions.look_up(cls._static_hashes, abs_path, cls.__make_version, cls.MAX_CACHED_VERSIONS)

    @classmethod
    def __make_version(cls, abs_path: str) -> str | None:
        try:
            return cls.get_content_version(abs_path)
        except Exception as error:
            gen_log.error("Could not open static file %r: %s", abs_path, error)
            return None


_targets = static_files.Targets()
# What the files were like whose versions are remembered.
_versions_of: dict[str, tuple[int, ...]] = {}
_kept_files = kept_files.KeptFiles()


_kept_answers = kept_answers.KeptAnswers(_kept_files)
# All that can be replaced in the making of an answer.
_is_as_made = kept_answers.as_made(
    StaticFileHandler,
    kept_answers.replaceable(StaticFileHandler, {"reset", "get", "head", "make_static_url", "get_version"}),
    RequestHandler,
    ("__init__", "clear", "set_header", "set_etag_header", "check_etag_header", "_convert_header_value", "write", "flush"),
    ("get", "set_default_headers", "_execute", "decode_argument", "prepare"),
)


class FallbackHandler(RequestHandler):
    """Hands the request to any function of an `.HTTPServerRequest`, such as a `.WSGIContainer`::

    (r".*", FallbackHandler, {"fallback": WSGIContainer(wsgi_app)})
    """

    def initialize(self, fallback: Callable[[httputil.HTTPServerRequest], None]) -> None:
        self.fallback = fallback

    def prepare(self) -> None:
        self.fallback(self.request)
        # The response is not ours any more, and may take its time. (Not earlier: a fallback that fails is answered 500.)
        self._finished = True
        self.on_finish()


class OutputTransform:
    """Changes responses on their way out; made anew for each. See the setting ``transforms`` of `Application`."""

    def __init__(self, request: httputil.HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: httputil.HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, httputil.HTTPHeaders, bytes]:
        """Return what shall go out in place of the head and the first piece; ``finishing`` says that it is the only one."""
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Return what shall go out in place of a later piece; ``finishing`` says that it is the last one."""
        return chunk


def _see_bodies(transforms: list[OutputTransform]) -> bool:
    """Whether one of these may change more than the head: all do that do not say otherwise of their own class (a subclass may differ)."""
    return any("_changes_heads_only" not in vars(type(transform)) for transform in transforms)


class GZipContentEncoding(OutputTransform):
    """Compresses responses for clients that accept gzip: the setting ``compress_response``.

    Text, and the types in `CONTENT_TYPES`, unless all of it is shorter than `MIN_LENGTH` or encoded already.
    """

    CONTENT_TYPES = {
        "application/json",
        "application/javascript",
        "application/x-javascript",
        "image/svg+xml",
        *(f"application/{kind}xml" for kind in ("", "atom+", "xhtml+")),
    }

    #: As in `zlib`, 1 (fast) to 9 (small). Where `isal` is installed (``tornadolike[fast]``), all from 1 to 8 mean one of its levels, which
    #: takes a twelfth of the time of zlib's 6 for 5 to 30 % more bytes; 9 is always zlib's.
    GZIP_LEVEL = 6

    #: Bytes: below this, compression takes more time than it saves.
    MIN_LENGTH = 1024

    def __init__(self, request: httputil.HTTPServerRequest) -> None:
        self._gzipping = _web.content_codings.accepts_gzip(request.headers.get("Accept-Encoding", ""))
        # The head of what GET would answer, whose body the handler need not have made.
        self.__head_only = request.method == "HEAD"

    def _compressible_type(self, ctype: str) -> bool:
        return ctype.startswith("text/") or ctype in self.CONTENT_TYPES

    def _worthwhile(self, headers: httputil.HTTPHeaders, chunk: bytes, finishing: bool) -> bool:
        return _web.content_codings.can_be_encoded(
            headers, len(chunk), self.MIN_LENGTH if finishing else 0, finishing and self.__head_only
        ) and self._compressible_type(headers.get("Content-Type", "").partition(";")[0])

    def transform_first_chunk(
        self, status_code: int, headers: httputil.HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, httputil.HTTPHeaders, bytes]:
        # Also where this client gets it plain: caches must know that others may not.
        headers["Vary"] = headers["Vary"] + ", Accept-Encoding" if "Vary" in headers else "Accept-Encoding"
        self._gzipping = self._gzipping and self._worthwhile(headers, chunk, finishing)
        if not self._gzipping:
            return status_code, headers, chunk
        self._compressor = _http.compression.gzip_compressor(self.GZIP_LEVEL)
        whole = finishing and not (self.__head_only and not chunk)
        chunk = self.transform_chunk(chunk, finishing)
        _web.content_codings.announce_gzip(headers, len(chunk) if whole else None)
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        if not self._gzipping:
            return chunk
        # What was flushed by the handler shall reach the client, not wait in the compressor.
        return self._compressor.compress(chunk) + self._compressor.flush(zlib.Z_FINISH if finishing else zlib.Z_SYNC_FLUSH)


def authenticated(method: _Method) -> _Method:
    """Decorate a handler method that is for users who are logged in.

    Where `RequestHandler.current_user` is nobody, GET and HEAD are redirected to `RequestHandler.get_login_url` with
    the argument ``next``, the URL that was asked for (unless the login URL has arguments already); other methods are
    answered with 403.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        if self.current_user:
            return method(self, *args, **kwargs)
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(403)
        self.redirect(_web.redirects.with_way_back(self.get_login_url(), self.request.full_url, self.request.uri))
        return None

    return wrapper


class UIModule:
    """A piece of a page that brings its scripts and styles along: ``{% module Entry(entry) %}`` in a template.

    Subclasses define `render`, and may define the methods that say what else the page needs. There is one instance
    for each class and page, however often the page uses it. Classes are made known by the setting ``ui_modules``.

    ``handler``, ``request``, ``ui`` and ``locale`` are those of the page.
    """

    def __init__(self, handler: RequestHandler) -> None:
        self.ui, self.locale = handler.ui, handler.locale
        self.handler, self.request = handler, handler.request

    @property
    def current_user(self) -> Any:
        """The handler's `~RequestHandler.current_user`."""
        return self.handler.current_user

    def render(self, *args: Any, **kwargs: Any) -> str | bytes:
        """Return the markup for one use; the arguments are those in the template."""
        raise NotImplementedError

    def embedded_javascript(self) -> str | None:
        """Return a script to put into the page."""

    def javascript_files(self) -> Iterable[str] | None:
        """Return the script files that the page needs, one name or several. Relative ones are static files."""

    def embedded_css(self) -> str | None:
        """Return styles to put into the page."""

    def css_files(self) -> Iterable[str] | None:
        """Return the style sheets that the page needs, one name or several. Relative ones are static files."""

    def html_head(self) -> str | None:
        """Return markup for the end of the head."""

    def html_body(self) -> str | None:
        """Return markup for the end of the body."""

    def render_string(self, path: str, **kwargs: Any) -> bytes:
        """Return a template filled in, as `RequestHandler.render_string` does."""
        return self.handler.render_string(path, **kwargs)


class _linkify(UIModule):  # noqa: N801 - the name in templates
    def render(self, text: str, **kwargs: Any) -> str:
        return escape.linkify(text, **kwargs)


class _xsrf_form_html(UIModule):  # noqa: N801 - the name in templates
    def render(self) -> str:
        return self.handler.xsrf_form_html()


_OWN_MODULES = {"linkify": _linkify, "xsrf_form_html": _xsrf_form_html}


class TemplateModule(UIModule):
    """Uses a template as a module: ``{% module Template("entry.html", entry=entry) %}``.

    The template says what it needs by calling ``set_resources`` with keyword arguments named like the methods of
    `UIModule`: ``{% set_resources(css_files="entry.css") %}``. These must be the same at each use of the template.
    """

    def __init__(self, handler: RequestHandler) -> None:
        super().__init__(handler)
        # By template, in the order of first use.
        self._resources: dict[str, dict[str, Any]] = {}

    def render(self, path: str, **kwargs: Any) -> bytes:
        def set_resources(**resources: Any) -> str:
            if self._resources.setdefault(path, resources) != resources:
                raise ValueError("set_resources called with different resources for the same template")
            return ""

        return self.render_string(path, set_resources=set_resources, **kwargs)

    def _get_resources(self, key: str) -> list[Any]:
        return [resources[key] for resources in self._resources.values() if key in resources]

    def _joined(self, key: str, separator: str = "") -> str:
        return separator.join(self._get_resources(key))

    def embedded_javascript(self) -> str:
        return self._joined("embedded_javascript", "\n")

    def javascript_files(self) -> Iterable[str]:
        return _web.ui_resources.flattened(self._get_resources("javascript_files"))

    def embedded_css(self) -> str:
        return self._joined("embedded_css", "\n")

    def css_files(self) -> Iterable[str]:
        return _web.ui_resources.flattened(self._get_resources("css_files"))

    def html_head(self) -> str:
        return self._joined("html_head")

    def html_body(self) -> str:
        return self._joined("html_body")


class _UIModuleNamespace:
    """The modules of an application as templates see them: by attribute or by item, ready to be called."""

    def __init__(self, handler: RequestHandler, ui_modules: dict[str, type[UIModule]]) -> None:
        self.handler = handler
        self.ui_modules = ui_modules

    def __getitem__(self, key: str) -> Callable[..., str]:
        return self.handler._ui_module(key, self.ui_modules[key])

    def __getattr__(self, key: str) -> Callable[..., str]:
        try:
            return self[key]
        except KeyError as error:
            raise AttributeError(str(error)) from None


def create_signed_value(
    secret: _CookieSecretTypes,
    name: str,
    value: str | bytes,
    version: int | None = None,
    clock: Callable[[], float] | None = None,
    key_version: int | None = None,
) -> bytes:
    """Sign a value under a name; `decode_signed_value` with the same secret and name gives it back.

    :arg secret: a key, or (version 2) a dictionary of keys of which ``key_version`` is used.
    :arg version: the format, 2 unless another is asked for. Raises `ValueError` for one that is not known.
    :arg clock: returns the time in seconds, like `time.time`.
    """
    if version is None:
        version = DEFAULT_SIGNED_VALUE_VERSION
    return _web.signing.sign(version, secret, name, utf8(value), (clock or time.time)(), key_version)


def decode_signed_value(
    secret: _CookieSecretTypes,
    name: str,
    value: str | bytes | None,
    max_age_days: float = 31,
    clock: Callable[[], float] | None = None,
    min_version: int | None = None,
) -> bytes | None:
    """Return what was signed; None where the signature is not ours, was for another name, or is too old.

    :arg min_version: refuse older formats. Raises `ValueError` for one that does not exist yet.
    """
    if min_version is None:
        min_version = DEFAULT_SIGNED_VALUE_MIN_VERSION
    if min_version > MAX_SUPPORTED_SIGNED_VALUE_VERSION:
        raise ValueError(f"Unsupported min_version {min_version}")
    if not value:
        return None
    signed = utf8(value)
    try:
        return _web.signing.verify(secret, name, signed, max_age_days, (clock or time.time)(), min_version)
    except _web.signing.Refused as refused:
        gen_log.warning(refused.log, signed)
        return None


def get_signature_key_version(value: str | bytes) -> int | None:
    """Return the version of the key that a value says it was signed with; None where it says none. Nothing is verified."""
    return _web.signing.key_version(utf8(value))


def _create_signature_v1(secret: str | bytes, *parts: str | bytes) -> bytes:
    return _web.signing.signature_v1(secret, *parts)


def _create_signature_v2(secret: str | bytes, s: bytes) -> bytes:
    return _web.signing.signature_v2(secret, s)


def is_absolute(path: str) -> bool:
    """Say whether ``path`` is a URL by itself, with a host or from the root, and not the name of a static file."""
    return path.startswith(("/", "http:", "https:"))


_imported_names.complete(globals())
