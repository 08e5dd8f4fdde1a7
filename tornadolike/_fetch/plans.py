"""What is said to a server, as far as the options of a request decide it, and what connections it may go over.

A `Plan` is made of an ordinary request: without a body, header fields or credentials of its own, over plain TCP. Most are, and most are
sent again and again; so a plan is kept by the client, under the options that it was made of, and what it holds is decided once.
"""

import functools
import operator
import os
import ssl
from collections.abc import Hashable
from typing import NamedTuple

from tornadolike import version
from tornadolike._client.credentials import basic_authorization
from tornadolike._client.request_head import Target, fill_in
from tornadolike._http.response_head import ResponseHead as SharedFields
from tornadolike._http1 import serialize
from tornadolike._http1.errors import IllegalHeader
from tornadolike.escape import native_str
from tornadolike.httpclient import HTTPRequest, _RequestProxy
from tornadolike.httputil import HTTPHeaders

_BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_MOST_PLANS = 256


class Plan(NamedTuple):
    """Where an ordinary request goes, and with which head."""

    target: Target
    key: Hashable
    """Where its connection belongs among those that are kept; None: it is closed after the response."""
    fields: SharedFields
    head: bytes
    """The whole head, as it goes on the wire."""


_options = operator.itemgetter(
    "url",
    "method",
    "body",
    "body_producer",
    "expect_100_continue",
    "allow_nonstandard_methods",
    "allow_ipv6",
    "auth_username",
    "auth_mode",
    "user_agent",
    "decompress_response",
    "network_interface",
    "proxy_host",
    "proxy_port",
    "proxy_username",
    "proxy_password",
    "proxy_auth_mode",
)


class Plans(dict[Hashable, Plan]):
    """The plans of a client by the options of their requests."""

    def add(self, options: Hashable, plan: Plan) -> None:
        if len(self) >= _MOST_PLANS:
            self.clear()  # whoever asks for ever new things gains nothing here
        self[options] = plan


def options_of(request: HTTPRequest) -> Hashable:
    """The options that a plan for this request is made of; None for one that is not ordinary."""
    if not isinstance(request, _RequestProxy):
        return None
    options = request.__dict__
    original = request.request
    if type(original) is not HTTPRequest or options.get("body") is not None or original._headers or options.get("headers"):
        return None
    try:
        return _options(options)  # type: ignore[no-any-return]
    except KeyError:
        return None


def ordinary_plan(request: HTTPRequest, target: Target, key: Hashable) -> Plan | None:
    """The plan for a request whose options are in order, and that has neither a body nor header fields of its own."""
    ordinary = (
        request.method in _BODYLESS_METHODS
        and request.body_producer is None
        and not request.expect_100_continue
        and target.scheme == "http"
        and target.username is None
        and request.auth_username is None
    )
    if not ordinary:
        return None
    connection = "close" if key is None else None
    fields = _ready_fields(connection, target.authority, request.user_agent, bool(request.decompress_response))
    return Plan(target, key, fields, b"%b%b\r\n" % (start_line(request.method, target).encode(), fields.lines))


def start_line(method: str, target: Target) -> str:
    return f"{method} {target.path} HTTP/1.1\r\n"


@functools.lru_cache(maxsize=256)
def _ready_fields(connection: str | None, authority: str, user_agent: str | None, accept_gzip: bool) -> SharedFields:
    """What `fill_in` makes of no headers at all, with its lines."""
    headers = HTTPHeaders()
    fill_in(
        headers,
        connection=connection,
        authority=authority,
        authorization=None,
        user_agent=user_agent,
        default_user_agent=f"Tornado/{version}",
        content_length=None,
        form_by_default=False,
        expect_continue=False,
        accept_gzip=accept_gzip,
    )
    decode_values(headers)
    head_of("GET / HTTP/1.1\r\n", headers)  # which raises
    return SharedFields(dict(headers.get_all()))


def head_of(line: str, headers: HTTPHeaders) -> bytes:
    """A start line and header fields on the wire. Raises `ValueError` for what must not go there."""
    try:
        return serialize.head(line, headers.get_all())
    except IllegalHeader as error:
        raise ValueError(str(error)) from None


def complete_headers(request: HTTPRequest, target: Target, connection: str | None) -> None:
    """Add to the request's header fields what its options ask for."""
    authorization = _authorization(request, target)
    fill_in(
        request.headers,
        connection=connection,
        authority=target.authority,
        authorization=authorization,
        user_agent=request.user_agent,
        default_user_agent=f"Tornado/{version}",
        content_length=None if request.body is None else len(request.body),
        form_by_default=request.method == "POST",
        expect_continue=request.expect_100_continue,
        accept_gzip=bool(request.decompress_response),
    )
    decode_values(request.headers)


def _authorization(request: HTTPRequest, target: Target) -> str | None:
    if target.username is not None:
        username, password = target.username, target.password
    elif request.auth_username is not None and not request._withholds_credentials:
        username, password = request.auth_username, request.auth_password or ""
    else:
        return None
    if request.auth_mode not in (None, "basic"):
        raise ValueError(f"unsupported auth_mode {request.auth_mode}")
    return basic_authorization(username, password)


def decode_values(headers: HTTPHeaders) -> None:
    """Applications may give values as UTF-8 bytes."""
    if any(isinstance(value, bytes) for _, value in headers.get_all()):
        fields = [(name, native_str(value)) for name, value in headers.get_all()]
        headers.clear()
        for name, value in fields:
            headers.add(name, value)


def own_context(request: HTTPRequest) -> ssl.SSLContext | None:
    """A context for the files and the verification that a request asks for; None: it asks for nothing of its own."""
    files = tuple(None if path is None else os.fspath(path) for path in (request.ca_certs, request.client_cert, request.client_key))
    if request.validate_cert and files == (None, None, None):
        return None
    return _client_context(bool(request.validate_cert), *files, state=tuple(map(_file_state, files)))


@functools.lru_cache(maxsize=32)
def _client_context(
    validate: bool, ca_certs: str | None, client_cert: str | None, client_key: str | None, state: tuple[object, ...]
) -> ssl.SSLContext:
    """A context for these settings. Loading certificates takes milliseconds, so contexts are shared until a file changes (``state``)."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_certs)
    if not validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        context.load_cert_chain(client_cert, client_key)
    context.options |= ssl.OP_NO_COMPRESSION
    return context


def _file_state(path: str | None) -> object:
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None  # loading it says what is wrong
    return status.st_ino, status.st_size, status.st_mtime_ns
