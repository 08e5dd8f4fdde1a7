"""What clients and servers share about HTTP: header fields, start lines, requests, form bodies, and the interfaces
through which connections and applications talk to each other.

The syntax itself is judged in the private ``_http`` modules; here are the objects that applications hold.
"""

from __future__ import annotations

import collections.abc
import contextvars
import dataclasses
import datetime as dt
import math
import sys
import time
import typing
import unicodedata
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from ssl import SSLError

from tornadolike import _beyond, _http, _imported_names, _inside
from tornadolike._http import grammar as _ABNF  # noqa: N812 - Tornado's name for it, which its tests import
from tornadolike._http import header_fields
from tornadolike._http.announced import announce
from tornadolike._http.dates import http_date
from tornadolike._http.lazy import Lazy, MappingProperty
from tornadolike._http.response_head import ResponseHead
from tornadolike.escape import native_str, parse_qs_bytes, to_unicode, utf8
from tornadolike.util import ObjectDict

if typing.TYPE_CHECKING:
    import http.cookies
    import unittest
    from asyncio import Future

    class _Fields(header_fields.HeaderFields, collections.abc.MutableMapping[str, str]): ...

else:
    _Fields = collections.abc.MutableMapping[str, str]

#: Status codes and their reason phrases: the very dictionary of `http.client`.
# Fetched when first asked for: `http.client` brings the email package along.
responses: dict[int, str]
"""Status codes and their standard reason phrases."""

#: The characters that may surround a field value (OWS in RFC 9110 §5.6.3), made for `str.strip`.
HTTP_WHITESPACE = " \t"

_FORBIDDEN_HEADER_CHARS_RE = _ABNF.control_chars
_SPELLINGS = _ABNF.SPELLINGS
_FORMS = len(header_fields.HeaderFields.__annotations__) - 1  # attributes of every instance; the last is the class's
_beyond_tornado, _class_beyond_tornado = _beyond.tornado_method, _beyond.tornado_class


class HTTPInputError(Exception):
    """The other side sent something that is not HTTP, or not allowed here. A server answers it with 400."""


class HTTPOutputError(Exception):
    """This side was about to send something that is not HTTP, such as more body than its Content-Length."""


def _normalize_header(name: str) -> str:
    """The spelling under which `HTTPHeaders` keeps a field.

    >>> _normalize_header("x-forwarded-FOR")
    'X-Forwarded-For'
    """
    return _SPELLINGS[name]


@_inside.made_of(header_fields.HeaderFields)
class HTTPHeaders(_Fields):
    """Header fields: a dictionary whose keys do not depend on case, and which can hold several values for one name.

    As a dictionary it shows one value for each name; where a field was sent several times, the values joined with
    commas (RFC 9110 §5.3). `get_list` and `get_all` show them apart, as ``Set-Cookie`` needs. Names are kept as
    ``Content-Type``, whichever way they were written.

    Made from nothing, from a mapping, from (name, value) pairs, from keyword arguments, or from another `HTTPHeaders`,
    which is copied.

    >>> headers = HTTPHeaders({"etag": '"1"'})
    >>> headers.add("vary", "Cookie")
    >>> headers.add("Vary", "Accept")
    >>> headers["VARY"]
    'Cookie,Accept'
    >>> headers.get_list("vary")
    ['Cookie', 'Accept']
    >>> list(headers.get_all())
    [('Etag', '"1"'), ('Vary', 'Cookie'), ('Vary', 'Accept')]
    """

    @typing.overload
    def __init__(self, arg: Mapping[str, list[str]], /) -> None: ...
    @typing.overload
    def __init__(self, arg: Mapping[str, str], /) -> None: ...
    @typing.overload
    def __init__(self, *args: Iterable[tuple[str, str]]) -> None: ...
    @typing.overload
    def __init__(self, **kwargs: str) -> None: ...
    def __init__(self, *args: typing.Any, **kwargs: str) -> None:
        self._pairs = self._head = self._index = self._bare = None
        self._joined = {}
        self._lists = {}
        if not args and not kwargs:
            return
        source = (args[0] if not kwargs else None) if len(args) == 1 else None if args else kwargs
        ordinary = type(self) is HTTPHeaders
        if ordinary and isinstance(source, HTTPHeaders) and self._shares_form_of(source):
            return
        if type(source) is ResponseHead:
            self._lists, self._head = None, source
            return
        if ordinary and type(source) is dict:
            self._joined = {_SPELLINGS[name]: value for name, value in source.items()}
            self._lists = {name: [value] for name, value in self._joined.items()}
            return
        if not isinstance(source, HTTPHeaders):
            self.update(*args, **kwargs)
            return
        unchecked = self._take_sound_lists(source) if ordinary and type(source) is HTTPHeaders else source.get_all()
        for name, value in unchecked:
            self.add(name, value)

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """Add one more value for ``name``; those that are there stay.

        Raises `HTTPInputError` unless the name is a token and the value has no control characters and no white space
        around it (RFC 9110 §5.5).
        """
        if not _ABNF.field_name.fullmatch(name):
            raise HTTPInputError(f"Invalid header name {name!r}")
        # In a form's part header characters are characters; elsewhere each stands for one byte.
        if not _ABNF.field_value.fullmatch(to_unicode(value)) if _chars_are_bytes else _ABNF.control_chars.search(value):
            raise HTTPInputError(f"Invalid header value {value!r}")
        name = _SPELLINGS[name]
        if name in self:
            self._listed()[name].append(value)
            self._joined.pop(name, None)
        else:
            self[name] = value

    def get_list(self, name: str) -> list[str]:
        """All values of ``name`` in the order they came; an empty list where there are none."""
        return self._listed().get(_SPELLINGS[name], [])

    def get_all(self) -> Iterable[tuple[str, str]]:
        """Yield every (name, value) pair; the values of one name follow each other."""
        lists = self._lists
        if lists is None:
            if self._head is not None:
                yield from self._names().items()  # type: ignore[misc]  # of these, the values are texts
                return
            lists = self._listed()
        for name, values in lists.items():
            for value in values:
                yield name, value

    def parse_line(self, line: str, *, _chars_are_bytes: bool = True) -> None:
        r"""Add the field of one header line, with or without its line end. An empty line adds nothing.

        Raises `HTTPInputError` where the line is no field. A line that continues the one before it (``obs-fold``) is
        refused too, as RFC 9112 §5.2 allows.

        >>> headers = HTTPHeaders()
        >>> headers.parse_line("Server:  none \r\n")
        >>> headers["server"]
        'none'
        """
        if line.endswith("\n"):
            line = line[: -2 if line.endswith("\r\n") else -1]
        if not line:
            return
        if line[0] in HTTP_WHITESPACE:
            raise HTTPInputError("header line cannot start with whitespace, folding not supported")
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError("no colon in header line")
        self.add(name, value.strip(HTTP_WHITESPACE), _chars_are_bytes=_chars_are_bytes)

    @classmethod
    def parse(cls, headers: str, *, _chars_are_bytes: bool = True) -> HTTPHeaders:
        r"""Read a header block, its lines ended by CRLF or a lone LF.

        Raises `HTTPInputError` as `parse_line` does.

        >>> HTTPHeaders.parse("Age: 4\r\nVia: a\r\n").get("age")
        '4'
        """
        parsed = cls()
        # Not splitlines(): it knows a dozen more line ends, and all of them may occur in a value.
        *lines, unfinished = headers.split("\n")
        for line in lines:
            parsed.parse_line(line + "\n", _chars_are_bytes=_chars_are_bytes)
        parsed.parse_line(unfinished, _chars_are_bytes=_chars_are_bytes)
        return parsed

    def __setitem__(self, name: str, value: str) -> None:
        name = _SPELLINGS[name]
        lists = self._lists
        if lists is None:
            head = self._head
            if head is not None:
                if name not in head.values:
                    self._joined[name] = value
                    return
                head = head.replacing(name, value)
                if head is not None:
                    self._head = head
                    return
            lists = self._listed()
        lists[name] = [value]
        self._joined[name] = value

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        name = _SPELLINGS[name]
        lists = self._lists
        if lists is not None:
            return name in lists
        if name in self._joined:
            return True
        head = self._head
        return name in (self._names() if head is None else head.values)

    def __getitem__(self, name: str) -> str:
        name = _SPELLINGS[name]
        joined = self._joined
        if name in joined:
            return joined[name]
        lists = self._lists
        return self._join(name) if lists is None else self._join_values(name, lists[name])

    def __delitem__(self, name: str) -> None:
        name = _SPELLINGS[name]
        if self._head is None or name not in self._joined:
            del self._listed()[name]
        self._joined.pop(name, None)

    def __len__(self) -> int:
        try:  # which costs nothing where they are lists
            return len(self._lists)  # type: ignore[arg-type]  # this is what is asked
        except TypeError:
            return len(self._names())

    def __iter__(self) -> Iterator[typing.Any]:
        try:
            return iter(self._lists)  # type: ignore[arg-type]  # as in __len__
        except TypeError:
            return iter(self._names())

    def copy(self) -> HTTPHeaders:
        """Independent headers with the same fields."""
        return HTTPHeaders(self)

    # copy.copy() would share the inside.
    __copy__ = copy

    @_beyond_tornado
    def __getstate__(self) -> dict[str, typing.Any]:
        # The form in which Tornado pickles them, so that a process on either can read what the other wrote.
        state = {"_as_list": self._listed(), "_combined_cache": {}}
        if len(vars(self)) > _FORMS:
            state.update({name: value for name, value in vars(self).items() if not name.startswith("_")})
        return state

    @_beyond_tornado
    def __setstate__(self, state: dict[str, typing.Any]) -> None:
        self._pairs = self._head = self._index = self._bare = None
        self._joined = {}
        self._lists = state["_as_list"]
        if len(state) > 2:
            self.__dict__.update({name: value for name, value in state.items() if not name.startswith("_")})

    def __str__(self) -> str:
        lines = []
        for name, value in self.get_all():
            lines.append(f"{name}: {value}\n")
        return "".join(lines)

    __unicode__ = __str__


class _PackedHeaders(HTTPHeaders):
    __getattribute__ = header_fields.unpacking(HTTPHeaders)


HTTPHeaders._packed_form = _PackedHeaders


def _host_name(host: str) -> str:
    """The host without its port, in lower case, if ``host`` may stand in a Host field; else `HTTPInputError`."""
    if not _ABNF.host.fullmatch(host):
        raise HTTPInputError(f"Invalid Host header: {host!r}")
    # A comma means several Host fields, perhaps joined by a proxy (RFC 9112 §3.2 demands 400). The grammar alone would
    # let it pass, but no DNS name has one.
    if "," in host:
        raise HTTPInputError(f"Multiple host headers not allowed: {host!r}")
    return split_host_and_port(host.lower())[0]


_known_host_name = lru_cache(maxsize=256)(_host_name)
_MAX_KNOWN_HOST = 255


def _name_of(host: str) -> str:
    return _known_host_name(host) if len(host) <= _MAX_KNOWN_HOST else _host_name(host)


# How many cookies a request may bring, unless its server says otherwise. Browsers keep fewer than 200 for one site.
_MAX_COOKIES = 500


def _value_in(headers: Mapping[str, str], name: str) -> str | None:
    """A field's value. Programs put mappings of other kinds in the place of a request's headers, whose own ``get`` is asked."""
    return headers._get(name) if type(headers) is HTTPHeaders else headers.get(name)


class HTTPServerRequest:
    """One HTTP request, as handlers see it in ``self.request``.

    Strings are `str`, bodies and argument values `bytes`. Attributes that need parsing are parsed when first read.

    * ``method``, ``uri``, ``version``: the request line; ``path`` and ``query`` are the parts of ``uri`` around its
      first question mark.
    * ``headers``: `HTTPHeaders`.
    * ``body``: the whole body, or what of it was not streamed.
    * ``remote_ip``, ``protocol``: the client's address and ``http`` or ``https``, from the connection's ``context``.
      With ``HTTPServer(xheaders=True)`` they are what the load balancer said.
    * ``host``: the Host field (``127.0.0.1`` for an HTTP/1.0 request without one); ``host_name``: the same without
      port, in lower case.
    * ``arguments``: name → list of values, from query string and form body; ``query_arguments`` and
      ``body_arguments``: the same from one source.
    * ``files``: field name → list of `HTTPFile`.
    * ``connection``: the `HTTPConnection` that takes the response. ``server_connection`` the one, opaque, that carries
      several such exchanges.

    Raises `HTTPInputError` where Host is missing (HTTP/1.1), repeated or malformed, or the query string has more
    arguments than the `ParseUrlEncodedConfig` in force allows.

    ``start_line`` is the way to say what is requested: ``method``, ``uri``, ``version`` and ``host`` still work but
    give a `DeprecationWarning`, as in Tornado 6.6.
    """

    path: str
    query: str
    protocol: str
    remote_ip: typing.Any

    # Set by handlers that stream the request body.
    _body_future: Future[None]

    _cookies: http.cookies.SimpleCookie | None = None
    _finish_time: float | None = None
    _request_id: str | None = None  # see access_log
    _is_counted = False  # see metrics
    _raw_query: str = ""
    _root_path = ""
    # The fields that came, where Host is still to be read: handlers change ``headers`` to pass them on.
    _wire: list[tuple[bytes, bytes]] | None = None

    def __init__(
        self,
        method: str | None = None,
        uri: str | None = None,
        version: str = "HTTP/1.0",
        headers: HTTPHeaders | None = None,
        body: bytes | None = None,
        host: str | None = None,
        files: dict[str, list[HTTPFile]] | None = None,
        connection: HTTPConnection | None = None,
        start_line: RequestStartLine | None = None,
        server_connection: object | None = None,
    ) -> None:
        host_checked = type(headers) is HTTPHeaders and headers._bare is not None
        if headers is None or (not host_checked and type(headers) is not HTTPHeaders and not headers):  # an empty mapping is none
            headers = HTTPHeaders()
        if start_line is None or method is not None or uri is not None or host is not None:
            start_line = _start_line_from_deprecated(start_line, method, uri, version, host, headers)
        self.method, self.uri, self.version = start_line
        self.headers = headers
        self.body = body or b""
        self.connection = connection
        self.server_connection = server_connection
        try:
            context: typing.Any = connection.context  # type: ignore[union-attr]  # the usual case
            self.remote_ip, self.protocol = context.remote_ip, context.protocol
        except AttributeError:
            self._read_incomplete_context(getattr(connection, "context", None))
        if files:
            self.files = files
        self._start_time = time.time()
        if host_checked and headers._pairs is not None:
            self._wire = headers._pairs
        else:
            _ = self.host, self.host_name
        if (uri := self.uri) is None:
            raise HTTPInputError("Invalid query string: there is no request target")
        self.path, self.query = uri, ""
        if "?" in uri:
            self._split_target(uri)
        if (root_path := getattr(connection, "_root_path", None)) or uri[:1] != "/":
            self._read_other_target(uri, root_path)

    def _read_incomplete_context(self, context: object) -> None:
        """Where there is no connection, or one that does not know where it leads."""
        self.remote_ip = getattr(context, "remote_ip", None)
        self.protocol = getattr(context, "protocol", "http")

    def _read_other_target(self, uri: str, root_path: typing.Any) -> None:
        """Where it does not begin with the path, or the path not with the application's own."""
        if uri[:1] != "/":
            self._read_absolute_form()
        if root_path:
            self._strip_root_path(root_path)

    def _strip_root_path(self, root_path: typing.Any) -> None:
        """Take away from ``path``, not from ``uri``, what a server in front has put before the application's own paths."""
        if not isinstance(root_path, str) or not isinstance(self.connection, HTTPConnection):
            return  # a mock's
        self._root_path = root_path
        self.path = self.path[len(root_path) :] or "/"

    def _split_target(self, uri: str) -> None:
        """Into path and query. What parsing the query would refuse later is refused now."""
        self.path, _, self.query = uri.partition("?")
        try:
            self.query.encode("latin-1")
        except UnicodeEncodeError as error:
            raise HTTPInputError(f"Invalid query string: {error}") from error
        limit = _DEFAULT_PARSE_BODY_CONFIG.urlencoded.max_arguments
        if limit is not None and self.query and self.query.count("&") >= limit:
            raise HTTPInputError("Invalid query string: Max number of fields exceeded")
        # Arguments stay those of the request even where a handler rewrites ``query``.
        self._raw_query = self.query

    def _read_absolute_form(self) -> None:
        """A target like ``http://host/path`` names path and host; its host counts, not the Host field (RFC 9112 §3.2.2).

        ``uri`` stays as it came, for whoever writes a proxy.
        """
        found = _ABNF.absolute_form.fullmatch(self.path)
        if found is None:
            return
        self.host, path = found.groups()
        if not self.host:
            raise HTTPInputError(f"No host in request target: {self.uri!r}")
        self.path = path or "/"
        self.host_name = _name_of(self.host)

    def _keep_little(self) -> None:
        """Take less memory: this is the request of a connection that may last."""
        headers = self.headers
        if type(headers) is HTTPHeaders:
            if type(self.host) is str:
                self.host = sys.intern(self.host)  # most connections have the same
            self._wire = None
            headers._pack()

    def _host_that_came(self) -> str:
        wire = self._wire
        host = _value_in(self.headers, "Host") if wire is None else header_fields.value_on_wire(wire, b"host")
        if host is not None:
            return host
        if self.version != "HTTP/1.0":
            raise HTTPInputError("Missing Host header")
        return "127.0.0.1"

    @Lazy
    def host(self: HTTPServerRequest) -> str:
        """The Host field, or the host of an absolute target, port included; 127.0.0.1 where HTTP/1.0 has neither."""
        return self._host_that_came()

    @Lazy
    def host_name(self: HTTPServerRequest) -> str:
        """The host that came, whatever ``host`` was set to, without its port, in lower case."""
        return _name_of(self._host_that_came())

    @Lazy
    def arguments(self: HTTPServerRequest) -> dict[str, list[bytes]]:
        """Name → values from the query string and, once it was parsed, the form body."""
        return parse_qs_bytes(self._raw_query, keep_blank_values=True) if self._raw_query else {}

    @Lazy
    def query_arguments(self: HTTPServerRequest) -> dict[str, list[bytes]]:
        """Name → values from the query string."""
        return parse_qs_bytes(self._raw_query, keep_blank_values=True) if self._raw_query else {}

    @Lazy
    def body_arguments(self: HTTPServerRequest) -> dict[str, list[bytes]]:
        """Name → values from the form body."""
        return {}

    @Lazy
    def files(self: HTTPServerRequest) -> dict[str, list[HTTPFile]]:
        """Field name → uploaded files."""
        return {}

    @MappingProperty
    def cookies(self) -> dict[str, http.cookies.Morsel[str]]:
        """Name → `http.cookies.Morsel`. A cookie whose name `http.cookies` does not allow is left out alone."""
        if self._cookies is None:
            self._cookies = self._parse_cookies()
        return self._cookies

    @Lazy
    def _cookie_texts(self: HTTPServerRequest) -> dict[str, str]:
        text = _value_in(self.headers, "Cookie")
        if text is None:
            return {}
        served = issubclass(type(self.connection), HTTPConnection)  # by a server, and no mock of it
        limit: int = getattr(getattr(self.connection, "params", None), "_max_cookies", _MAX_COOKIES) if served else _MAX_COOKIES
        if text.count(";") >= limit:
            # As objects of `http.cookies` they would take a hundred times their bytes (CVE-2025-58186).
            from tornadolike.log import gen_log  # Tornado's module does not import it

            gen_log.info("Too many cookies from %s, reading none of them", self.remote_ip)
            return {}
        cookies = parse_cookie(text)
        if served and len(cookies) <= text.count(";"):
            # Of several with one name a client sends that of the narrower path first (RFC 6265 §5.4), and parse_cookie() shows the last.
            # Requests that were not sent, such as those that tests make, keep to the latter.
            first = parse_cookie(";".join(reversed(text.split(";"))))
            cookies = {name: first[name] for name in cookies}
        return cookies

    def _cookie_value(self, name: str) -> str | None:
        """The value of one cookie as the client sent it, without making the `http.cookies.Morsel` objects of all of them."""
        value = self._cookie_texts.get(name)
        return value if value is not None and _http.cookies.may_name(name) else None

    def _parse_cookies(self) -> http.cookies.SimpleCookie:
        from http.cookies import CookieError, SimpleCookie

        cookies = SimpleCookie()
        for name, value in self._cookie_texts.items():
            try:
                cookies[name] = value
            except CookieError:
                continue
        return cookies

    def full_url(self) -> str:
        """The URL that was asked for, put together from ``protocol``, ``host`` and ``uri``."""
        target = self.uri or ""
        if target[:1] != "/" and self.path[:1] == "/":  # an absolute target
            target = self.path + target[target.find("?") :] if "?" in target else self.path
        return f"{self.protocol}://{self.host}{target}"

    def request_time(self) -> float:
        """Seconds from the request's arrival until it was finished, or until now."""
        return (time.time() if self._finish_time is None else self._finish_time) - self._start_time

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, typing.Any] | bytes | None:
        """The certificate with which the client identified itself, or None.

        The server has to ask for one: ``verify_mode`` of its `ssl.SSLContext` is ``CERT_REQUIRED`` or ``CERT_OPTIONAL``.

        :arg binary_form: DER bytes instead of the dictionary of `ssl.SSLSocket.getpeercert`.
        """
        if self.connection is None:
            return None
        socket = typing.cast("typing.Any", self.connection).stream.socket
        if socket is None:  # on another server
            return None
        try:
            return typing.cast("dict[str, typing.Any] | bytes | None", socket.getpeercert(binary_form=binary_form))
        except SSLError:
            return None

    def _parse_body(self) -> None:
        """Read a form body into ``body_arguments``, ``arguments`` and ``files``; called when the body is complete."""
        headers = self.headers
        if isinstance(headers, HTTPHeaders) and headers._bare:
            return
        content_type = _value_in(self.headers, "Content-Type")
        if content_type is None:
            return
        parse_body_arguments(content_type, self.body, self.body_arguments, self.files, headers)
        arguments = self.arguments
        for name, values in self.body_arguments.items():
            if name in arguments:
                arguments[name].extend(values)
            else:
                arguments[name] = values.copy()  # the lists are not shared: applications change them

    def __repr__(self) -> str:
        # Headers stay out of it: they carry credentials, and this ends up in logs.
        shown = ("protocol", "host", "method", "uri", "version", "remote_ip")
        return f"{type(self).__name__}({', '.join([f'{name}={self._shown(name)}' for name in shown])})"

    def _shown(self, name: str) -> str:
        try:
            return repr(getattr(self, name))
        except (HTTPInputError, AttributeError):
            return "?"  # a handler took the Host field away


_LATE = "host", "host_name", "arguments", "query_arguments", "body_arguments", "files", "_cookies", "_cookie_texts", "_raw_query"
announce(HTTPServerRequest, (*_LATE, "_body_future", "_request_id"))


def _start_line_from_deprecated(
    start_line: RequestStartLine | None, method: str | None, uri: str | None, version: str, host: str | None, headers: HTTPHeaders
) -> RequestStartLine:
    caller = 3
    if method is not None or uri is not None:
        warnings.warn("HTTPServerRequest takes method, uri and version from start_line now", DeprecationWarning, stacklevel=caller)
    if start_line is None:
        warnings.warn("HTTPServerRequest needs a start_line", DeprecationWarning, stacklevel=caller)
        start_line = RequestStartLine(method or "GET", uri or "/", version)
    if host is not None:
        warnings.warn("HTTPServerRequest takes host from headers['Host'] now", DeprecationWarning, stacklevel=caller)
        headers["Host"] = host
    return start_line


class HTTPServerConnectionDelegate:
    """What an `.HTTPServer` calls for each connection and request; an `.Application` is one."""

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A request begins. Return the delegate that is to receive it.

        :arg server_conn: the connection as a whole; only its identity matters.
        :arg request_conn: takes the response to this one request.
        """
        raise NotImplementedError

    def on_close(self, server_conn: object) -> None:
        """The connection is gone; ``server_conn`` was given to `start_request` for each of its requests."""


class HTTPMessageDelegate:
    """What a connection calls with the pieces of one message: head, body chunks, end.

    After `headers_received` exactly one of `finish` and `on_connection_close` is called.
    """

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Awaitable[None] | None:
        """The head has arrived; a server gets a `RequestStartLine`, a client a `ResponseStartLine`.

        The body is not read before a returned awaitable is done. Some methods of the connection, such as those that
        set limits, can be called only in here.
        """

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the body. The next one waits for a returned awaitable: this is the way to slow the sender down."""

    def finish(self) -> None:
        """The message is complete."""

    def on_connection_close(self) -> None:
        """The connection closed before the message was complete."""


class HTTPConnection:
    """What carries one request and its response: the port between an application and HTTP/1.1, or whatever else there is.

    Only `write_headers`, `write` and `finish` have to be defined. An exchange ends once: what is called after that does nothing.

    * ``context``: who is at the other end (``remote_ip``, ``protocol``); an object of this request alone.
    * ``params``: limits, where the carrier has any.
    * ``stream``: the `.IOStream` below; None where there is none, or where it was detached.
    """

    if typing.TYPE_CHECKING:
        context: typing.Any
        params: typing.Any
        stream: typing.Any
        _loop: typing.Any

    # All that runs for this request runs in this one object. None: wherever the caller is.
    _request_context: contextvars.Context | None = None
    # What that one was before anything of the application ran in it, where the carrier knows.
    _clean_context: contextvars.Context | None = None
    # Whoever calls the delegate of a request does so in a task of the event loop `_loop`, for this request alone: what need not wait
    # can run there.
    _runs_at_once = False
    # What a server in front has put before the paths of the application; part of the request target.
    _root_path = ""

    def _task_of_connection(self) -> Future[None] | None:
        """A task which is there as long as the connection, for callbacks to be part of. None where the carrier calls them from one."""
        return None

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Future[None]:
        """Send the head, and with it, in the same write, the first ``chunk`` of the body.

        The version in ``start_line`` is not used. The returned future is done when more may be written. Where ``chunk`` is as long as
        ``Content-Length`` says, it is the whole answer, and `finish` follows at once.
        """
        raise NotImplementedError

    def write(self, chunk: bytes) -> Future[None]:
        """Send a piece of the body; the returned future is done when more may be written."""
        raise NotImplementedError

    def finish(self) -> None:
        """Say that the body is complete."""
        raise NotImplementedError

    @_beyond_tornado
    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have ``callback`` called, once, if the client goes after its request was read and before the response is finished.

        A carrier that never hears of it need not define this.
        """

    @_beyond_tornado
    def set_max_body_size(self, max_body_size: int) -> None:
        """The largest body of this request, in bytes. To be called before the body is read."""

    @_beyond_tornado
    def set_body_timeout(self, timeout: float) -> None:
        """Seconds that reading the body of this request may take. To be called before the body is read."""

    @_beyond_tornado
    def detach(self) -> typing.Any:
        """Give the stream away, for a protocol that begins with an HTTP request. Raises `RuntimeError` where there is none to give."""
        raise RuntimeError(f"a connection of {type(self).__name__} cannot be detached")

    def _break_off(self) -> None:
        """Say that the body will not be complete when `finish` is called."""

    def _write_file(self, fd: int, offset: int, count: int) -> Awaitable[None] | None:
        """Send a part of an open file as the next piece of the body, without reading it; None where that cannot be done.

        Only to be called when all writes were awaited. ``fd`` may be closed afterwards. What is returned raises `OSError` where the file
        cannot be sent and nothing was, and what `write` raises.
        """


def url_concat(url: str, args: dict[str, str] | list[tuple[str, str]] | tuple[tuple[str, str], ...] | None) -> str:
    """``url`` with ``args`` appended to its query string, before the fragment; None appends nothing.

    A list or tuple of pairs may repeat a name. Raises `TypeError` for anything else.

    >>> url_concat("https://a.test/p?x=1#top", {"y": "two words"})
    'https://a.test/p?x=1&y=two+words#top'
    >>> url_concat("/p", [("tag", "a"), ("tag", "b")])
    '/p?tag=a&tag=b'
    """
    if args is None:
        return url
    if not isinstance(args, dict | list | tuple):
        raise TypeError(f"'args' parameter should be dict, list or tuple. Not {type(args)}")
    return _http.urls.with_query(url, args.items() if isinstance(args, dict) else args)


class HTTPFile(ObjectDict):
    """A file from a form: ``filename``, ``body`` and ``content_type``, as attributes or dictionary keys.

    The name and the type are what the client claims; check both before using them.
    """

    filename: str
    body: bytes
    content_type: str


def _parse_request_range(range_header: str) -> tuple[int | None, int | None] | None:
    """The slice indices of a ``Range`` field, or None where it is to be ignored; see ``_http.ranges``.

    >>> [_parse_request_range(field) for field in ("bytes=2-4", "bytes=-3", "bytes=0-0,4-5")]
    [(2, 5), (-3, None), None]
    """
    return _http.ranges.parse_range(range_header)


def _get_content_range(start: int | None, end: int | None, total: int) -> str:
    """The ``Content-Range`` field for a slice.

    >>> _get_content_range(2, None, 10)
    'bytes 2-9/10'
    """
    return _http.ranges.content_range(start, end, total)


@dataclasses.dataclass
class ParseUrlEncodedConfig:
    """Limits for ``application/x-www-form-urlencoded`` bodies, and for query strings."""

    #: The most arguments that may be sent.
    max_arguments: int = 1000


@dataclasses.dataclass
class ParseMultipartConfig:
    """Limits for ``multipart/form-data`` bodies."""

    #: False refuses such bodies altogether. Uploads by PUT do not need them.
    enabled: bool = True
    #: The most parts that a body may have; a form sends at least one for each of its fields.
    max_parts: int = 100
    #: The most bytes that the header of one part may have; it holds field name, file name and type.
    max_part_header_size: int = 10 * 1024


@dataclasses.dataclass
class ParseBodyConfig:
    """Limits for form bodies, by their kind: ``multipart`` and ``urlencoded``. See `set_parse_body_config`."""

    multipart: ParseMultipartConfig = dataclasses.field(default_factory=ParseMultipartConfig)
    urlencoded: ParseUrlEncodedConfig = dataclasses.field(default_factory=ParseUrlEncodedConfig)


def set_parse_body_config(config: ParseBodyConfig) -> None:
    """Change the limits for form bodies and query strings in the whole process.

    >>> set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=1)))
    >>> try:
    ...     parse_body_arguments("application/x-www-form-urlencoded", b"a=1&b=2", {}, {})
    ... except HTTPInputError as error:
    ...     print(error)
    Invalid x-www-form-urlencoded body: Max number of fields exceeded
    >>> set_parse_body_config(ParseBodyConfig())
    """
    global _DEFAULT_PARSE_BODY_CONFIG
    _DEFAULT_PARSE_BODY_CONFIG = config


_DEFAULT_PARSE_BODY_CONFIG = ParseBodyConfig()


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    headers: HTTPHeaders | None = None,
    *,
    config: ParseBodyConfig | None = None,
) -> None:
    """Add what a form body holds to ``arguments`` and ``files``; bodies of another type are left alone.

    :arg content_type: the field value, such as ``multipart/form-data; boundary=x``.
    :arg headers: when given, a form body under a ``Content-Encoding`` is refused.
    :arg config: limits; by default those of `set_parse_body_config`.

    Raises `HTTPInputError` where the body is malformed or beyond a limit.
    """
    media_type = content_type.lower()
    if media_type.startswith("application/x-www-form-urlencoded"):
        parse = _parse_urlencoded
    elif media_type.startswith("multipart/form-data"):
        parse = _parse_multipart
    else:
        return
    if (type(headers) is HTTPHeaders or headers) and "Content-Encoding" in headers:
        raise HTTPInputError("Unsupported Content-Encoding: {}".format(headers["Content-Encoding"]))
    parse(content_type, body, arguments, files, config or _DEFAULT_PARSE_BODY_CONFIG)


def _parse_urlencoded(
    content_type: str, body: bytes, arguments: dict[str, list[bytes]], files: dict[str, list[HTTPFile]], config: ParseBodyConfig
) -> None:
    try:
        parsed = parse_qs_bytes(body, keep_blank_values=True, max_num_fields=config.urlencoded.max_arguments)
    except ValueError as error:
        raise HTTPInputError(f"Invalid x-www-form-urlencoded body: {error}") from error
    if not arguments:
        arguments.update(parsed)
        return
    for name, values in parsed.items():
        arguments.setdefault(name, []).extend(values)


def _parse_multipart(
    content_type: str, body: bytes, arguments: dict[str, list[bytes]], files: dict[str, list[HTTPFile]], config: ParseBodyConfig
) -> None:
    try:
        boundary = utf8(_http.form_parts.boundary(content_type))
        parse_multipart_form_data(boundary, body, arguments, files, config=config.multipart)
    except (HTTPInputError, ValueError) as error:
        raise HTTPInputError(f"Invalid multipart/form-data: {error}") from error


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    *,
    config: ParseMultipartConfig | None = None,
) -> None:
    """Add the parts of a ``multipart/form-data`` body to ``arguments``, or to ``files`` where they have a file name.

    :arg boundary: as in the Content-Type, with or without its quotes.
    :arg config: limits; by default those of `set_parse_body_config`.

    File names may be UTF-8 or in the form of RFC 8187 (``filename*=``).
    Raises `HTTPInputError` where the body is malformed or beyond a limit; what came before may have been added.
    """
    config = config or _DEFAULT_PARSE_BODY_CONFIG.multipart
    if not config.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    try:
        parts = _http.multipart.split_parts(_http.form_parts.unquoted(boundary), data, config.max_parts, config.max_part_header_size)
        for head, content in parts:
            headers = _part_headers(head)
            name, filename = _http.form_parts.names(headers)
            if filename:
                content_type = headers.get("Content-Type", "application/unknown")
                files.setdefault(name, []).append(HTTPFile(filename=filename, body=content, content_type=content_type))
            else:
                arguments.setdefault(name, []).append(content)
    except _http.multipart.MultipartError as error:
        raise HTTPInputError(str(error)) from error


def _part_headers(head: bytes) -> HTTPHeaders:
    text = head.decode("utf-8")
    ordinary = _http.form_parts.ordinary_fields(text)
    if ordinary is None:
        return HTTPHeaders.parse(text, _chars_are_bytes=False)
    headers = HTTPHeaders()
    headers._joined = ordinary
    headers._lists = {name: [value] for name, value in ordinary.items()}
    return headers


# Told of each request whose connection is lost before the answer to it is complete: of its handler, or of its delegate while the request
# itself is still being read.
_loss_observers: list[Callable[[object], None]] = []


def _run_close_callback(callback: Callable[[], None]) -> None:
    """Call what was given to `HTTPConnection.set_close_callback`."""
    for observe in _loss_observers:
        observe(getattr(callback, "__self__", None))
    callback()


@_class_beyond_tornado
class MultipartDelegate:
    """What `StreamingMultipartFormDataParser` tells of a form; a base class whose methods do nothing. Not in Tornado.

    Each method may return an awaitable; nothing more is told until it is done. What a method raises comes out of the parser.
    """

    def part_started(self, name: str, filename: str | None, headers: HTTPHeaders) -> Awaitable[None] | None:
        """A field begins; it is a file where it has a ``filename``, which is the client's word: never use it as a path."""
        return None

    def part_data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of its content, not empty."""
        return None

    def part_finished(self) -> Awaitable[None] | None:
        """The field is complete."""
        return None


@_class_beyond_tornado
class StreamingMultipartFormDataParser:
    """Reads a ``multipart/form-data`` body of any size while it comes, and keeps none of it. Not in Tornado.

    ::

        @stream_request_body
        class Upload(RequestHandler):
            def prepare(self):
                self.parser = StreamingMultipartFormDataParser.from_content_type(self.request.headers["Content-Type"], MyDelegate())

            def data_received(self, chunk):
                return self.parser.data_received(chunk)

            def post(self):
                self.parser.finish()

    :arg boundary: as in the Content-Type, with or without its quotes.
    :arg delegate: a `MultipartDelegate`, or something with its methods.
    :arg config: limits; by default those of `set_parse_body_config`. There is none on the size of a part: the delegate sees its bytes.

    Gives the same verdict as `parse_multipart_form_data`, however the body is cut into pieces. Raises `HTTPInputError` where the body is
    malformed or beyond a limit; the delegate may have been told of parts before. See `.UploadHandler` for files.
    """

    def __init__(self, boundary: bytes | str, delegate: MultipartDelegate, *, config: ParseMultipartConfig | None = None) -> None:
        config = config or _DEFAULT_PARSE_BODY_CONFIG.multipart
        if not config.enabled:
            raise HTTPInputError("multipart/form-data parsing is disabled")
        stream = _http.multipart_stream.FormStream(_http.form_parts.unquoted(utf8(boundary)), config.max_parts, config.max_part_header_size)
        self._reporter = _http.form_parts.Reporter(stream, delegate, _part_headers, HTTPInputError)

    @classmethod
    def from_content_type(
        cls, content_type: str, delegate: MultipartDelegate, *, config: ParseMultipartConfig | None = None
    ) -> StreamingMultipartFormDataParser:
        """Make one by the value of a Content-Type. Raises `HTTPInputError` where it is another type, or has no boundary."""
        try:
            return cls(_http.form_parts.boundary(content_type), delegate, config=config)
        except _http.form_parts.FieldError as error:
            raise HTTPInputError(str(error)) from error

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take the next piece of the body. Returns what has to be awaited before the next one, if the delegate needs time."""
        return self._reporter.take(chunk)

    def finish(self) -> None:
        """The body is complete. Raises `HTTPInputError` where the form is not."""
        self._reporter.take_end()


def format_timestamp(ts: int | float | tuple[int, ...] | time.struct_time | dt.datetime) -> str:
    """A point in time as HTTP writes it (RFC 9110 §5.6.7).

    :arg ts: Unix time as from `time.time`, a UTC time tuple as from `time.gmtime`, or a `datetime.datetime`, which
        means UTC unless it has a time zone.

    Raises `TypeError` for anything else.

    >>> format_timestamp(784111777)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    if isinstance(ts, int | float):
        return http_date(math.floor(ts))
    if isinstance(ts, dt.datetime):
        if ts.tzinfo is dt.UTC and not ts.microsecond:
            return http_date(int(ts.timestamp()))  # the same, at a tenth of the price
        ts = ts.utctimetuple()
    if isinstance(ts, tuple):  # struct_time is one
        from calendar import timegm

        return http_date(timegm(ts))
    raise TypeError(f"unknown timestamp type: {ts!r}")


class RequestStartLine(typing.NamedTuple):
    """The first line of a request: ``method``, ``path`` (the whole target, query string included) and ``version``."""

    method: str
    path: str
    version: str


def _request_start_line(parts: tuple[str, str, str]) -> RequestStartLine:
    """One of parts that the framing has read: at half the price of a call of the class."""
    return tuple.__new__(RequestStartLine, parts)


def parse_request_start_line(line: str) -> RequestStartLine:
    """Read the first line of an HTTP/1 request, without its line end (RFC 9112 §3).

    Raises `HTTPInputError` where it is malformed or of another major version.

    >>> parse_request_start_line("PUT /a?b HTTP/1.1")
    RequestStartLine(method='PUT', path='/a?b', version='HTTP/1.1')
    """
    found = _ABNF.request_line.fullmatch(line)
    if found is None:
        raise HTTPInputError("Malformed HTTP request line")
    return RequestStartLine(found[1], found[2], _http1_version(found[3]))


class ResponseStartLine(typing.NamedTuple):
    """The first line of a response: ``version``, ``code`` and ``reason``, which is None where there is none."""

    version: str
    code: int
    reason: str


# For each status with a standard reason the start line that such responses share: told by its identity, it needs no look.
_STANDARD_START_LINES = {int(status): ResponseStartLine("", int(status), status.phrase) for status in HTTPStatus}


def parse_response_start_line(line: str) -> ResponseStartLine:
    """Read the first line of an HTTP/1 response, without its line end (RFC 9112 §4).

    Raises `HTTPInputError` where it is malformed or of another major version. Without a reason phrase ``reason`` is
    None.

    >>> parse_response_start_line("HTTP/1.0 404 Not Found")
    ResponseStartLine(version='HTTP/1.0', code=404, reason='Not Found')
    """
    found = _ABNF.status_line.fullmatch(line)
    if found is None:
        raise HTTPInputError("Error parsing response start line")
    return ResponseStartLine(_http1_version(found[1]), int(found[2]), found[3])


def _http1_version(version: str) -> str:
    if not version.startswith("HTTP/1"):
        raise HTTPInputError(f"Unexpected HTTP version {version!r}")
    return version


def _parseparam(s: str) -> Generator[str, None, None]:
    """The parameters in ``;a=1; b=2``; see ``_http.header_values``."""
    if s.startswith(";"):
        yield from _http.header_values.split_parameters(s[1:])


def _parse_header(line: str) -> tuple[str, dict[str, str]]:
    r"""A field value such as that of Content-Type, and its parameters with lower-case names.

    >>> _parse_header("attachment; FileName=\"a;b\"; title*=UTF-8''%C2%A3")
    ('attachment', {'filename': 'a;b', 'title': '£'})
    """
    return _http.header_values.parse_parameters(native_str(line))


def _encode_header(key: str, pdict: dict[str, typing.Any]) -> str:
    """The inverse of `_parse_header`.

    >>> _encode_header("x", {"flag": None, "bits": 9})
    'x; bits=9; flag'
    """
    return _http.header_values.format_parameters(key, pdict)


def encode_username_password(username: str | bytes, password: str | bytes) -> bytes:
    """``username:password`` as HTTP's Basic scheme sends it: text in normal form C and UTF-8 (RFC 7617 §2.1)."""
    if isinstance(username, str):
        username = unicodedata.normalize("NFC", username)
    if isinstance(password, str):
        password = unicodedata.normalize("NFC", password)
    return utf8(username) + b":" + utf8(password)


def doctests() -> unittest.TestSuite:
    """The examples of this module as a test suite."""
    import doctest

    return doctest.DocTestSuite(optionflags=doctest.ELLIPSIS)


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """Split ``host:port``; the port is None where there is none. Brackets of an IPv6 address stay.

    >>> split_host_and_port("[::1]:80")
    ('[::1]', 80)
    """
    host, _, port = netloc.rpartition(":")
    # int() refuses thousands of digits, and no port has more than five.
    if host and port.isascii() and port.isdigit() and len(port) < 100:
        return host, int(port)
    return netloc, None


def qs_to_qsl(qs: dict[str, list[typing.AnyStr]]) -> Iterable[tuple[str, typing.AnyStr]]:
    """Yield the (name, value) pairs of a dictionary such as `urllib.parse.parse_qs` returns."""
    for name, values in qs.items():
        for value in values:
            yield name, value


def parse_cookie(cookie: str) -> dict[str, str]:
    """Read a ``Cookie`` field into names and values, as browsers do rather than as the RFCs say.

    Takes whatever comes and never raises. The last of several cookies with the same name counts.

    >>> parse_cookie('a=1; b="x y"; c')
    {'a': '1', 'b': 'x y', '': 'c'}
    """
    return _http.cookies.parse_cookie_pairs(cookie)


def _unquote_cookie(s: str) -> str:
    """A cookie's value without its quotes and escapes."""
    return _http.cookies.unquote(s)


_imported_names.complete(globals())
