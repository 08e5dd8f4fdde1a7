"""What every call of an application inside has, be it for a request or for a WebSocket."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import tornadolike
from tornadolike import httputil, websocket
from tornadolike._asgi import messages, scopes
from tornadolike._asgi.interface import ASGIApplication, ClientDisconnected, Message, Scope
from tornadolike._asgi_mounted.life import Life, settle
from tornadolike._http.grammar import WIRE_SPELLINGS
from tornadolike._http.log_text import one_line
from tornadolike._http.response_head import ResponseHead
from tornadolike.concurrent import Future
from tornadolike.log import access_log, app_log

_DEFAULT_SERVER = f"TornadoServer/{tornadolike.version}"
_WITHOUT_LENGTH = frozenset((101, 204, 304))

# Takes the place of the line on ``tornado.access``: start line, status, context of the connection, seconds. `access_log` sets it.
log_line: "Callable[[httputil.RequestStartLine, int, Any, float], None] | None" = None


class Container(Protocol):
    """What a call asks of the `ASGIContainer`."""

    app: ASGIApplication
    root_path: str
    _life: Life
    _running: "set[Call]"
    _websocket_params: websocket._WebSocketParams


class Call(httputil.HTTPMessageDelegate):
    """One call of an application inside."""

    task: "asyncio.Task[None] | None" = None
    _waiter: "Future[None] | None" = None
    _waits_for_start = False
    _line: httputil.RequestStartLine
    _began: float

    def __init__(self, container: Container, server_conn: object, request_conn: Any) -> None:
        self._container = container
        self._server_connection = server_conn
        self._connection = request_conn

    def client_left(self) -> None:
        """The client is gone."""
        if self._waits_for_start and self.task is not None:
            self.task.cancel()  # no application is in it yet

    def shut_down(self) -> None:
        """The application has to end, though the client may be there still."""
        raise NotImplementedError

    def server_leaves(self) -> None:
        """The server drains."""

    def _start(self, kind: str, line: httputil.RequestStartLine, pairs: scopes.Pairs) -> None:
        """Start the application."""
        self._line = line
        self._began = time.monotonic()
        connection, container = self._connection, self._container
        root_path = container.root_path
        if before := getattr(connection, "_root_path", ""):
            root_path = before + root_path
        scope = scopes.scope(kind, line, pairs, _ends(self._server_connection, connection), root_path)
        connection.set_close_callback(self.client_left)
        container._running.add(self)
        context = getattr(connection, "_request_context", None)
        self.task = asyncio.get_running_loop().create_task(self._run(scope), context=context)

    async def _run(self, scope: Scope) -> None:
        raise NotImplementedError

    async def _may_begin(self) -> bool:
        """Wait for the start-up of the application; where that has failed, the answer is 503."""
        life = self._container._life
        self._waits_for_start = True
        try:
            await life.start()
        except RuntimeError:  # which has been logged
            self._answer(503)
            return False
        finally:
            self._waits_for_start = False
        return True

    def _is_cancelled(self) -> bool:
        """Whether it is the call that is being cancelled, and not something that the application waited for."""
        return self.task is None or self.task.cancelling() > 0

    def _answer(self, status: int) -> None:
        raise NotImplementedError

    def _write_head(self, head: messages.Head, shared: ResponseHead | None, chunk: bytes, is_whole: bool) -> "Future[None]":
        """Send the head with the first piece of the body; with a length, where that is known only now."""
        status, pairs, length, _, _ = head
        if length is None and is_whole and status not in _WITHOUT_LENGTH and self._line.method != "HEAD":
            length = len(chunk)
        if shared is None:
            headers = httputil.HTTPHeaders._from_wire([*pairs, *_own_fields(head, int(time.time()))])
            if length is not None:
                headers["Content-Length"] = str(length)
        else:
            headers = httputil.HTTPHeaders._standing_on(shared)
            if length is not None:
                headers._joined["Content-Length"] = str(length)  # it is never among those that are shared
        line = httputil._STANDARD_START_LINES.get(status) or httputil.ResponseStartLine("", status, "Unknown")
        written: Future[None] = self._connection.write_headers(line, headers, chunk)
        return written

    def _write_plain(self, status: int) -> None:
        head, text = plain(status)
        self._write_head(head, shared_head(head), text, True)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            settle(waiter)

    async def _wait(self) -> None:
        """Wait for news; several may."""
        if self._waiter is None:
            self._waiter = Future()
        await asyncio.shield(self._waiter)

    def _summary(self) -> str:
        context = getattr(self._connection, "context", None)
        return f"{self._line.method} {one_line(self._line.path)} ({getattr(context, 'remote_ip', None)})"

    def _log(self, status: int) -> None:
        if log_line is not None:
            log_line(self._line, status, getattr(self._connection, "context", None), time.monotonic() - self._began)
            return
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        if access_log.isEnabledFor(level):
            access_log.log(level, "%d %s %.2fms", status, self._summary(), 1000 * (time.monotonic() - self._began))

    def _log_exception(self, error: BaseException) -> None:
        if not _comes_of_leaving(error):
            app_log.error("Exception in ASGI application for %s", self._summary(), exc_info=error)


def _own_fields(head: messages.Head, now: int) -> messages.Pairs:
    """What a server says where the application does not (RFC 9110 §6.6.1)."""
    fields = [] if head.has_server else [(b"server", _DEFAULT_SERVER.encode())]
    return fields if head.has_date else [*fields, (b"date", httputil.format_timestamp(now).encode())]


# What applications have said in this second, read and serialised: they send few different heads. ``known`` has them as they were sent,
# ``shared`` without what is different for each. Both are replaced as a whole: other threads may have loops, too.
class _Heads:
    def __init__(self, second: int) -> None:
        self.second = second
        self.known: dict[Any, tuple[messages.Head, ResponseHead | None]] = {}
        self.shared: dict[tuple[tuple[bytes, bytes], ...], ResponseHead] = {}


_heads = _Heads(-1)
_MAX_HEADS = 64


def read_head(message: Message) -> tuple[messages.Head, ResponseHead | None]:
    """Read ``http.response.start``: the head, and what other responses share with it. Raises `messages.MessageError`."""
    global _heads
    heads, now = _heads, int(time.time())
    if heads.second != now:
        heads = _heads = _Heads(now)
    try:
        fields = message["headers"]
        if type(fields) is not list:  # something that can be iterated over, perhaps once
            message = {**message, "headers": [*fields]}
        key = message["status"], *message["headers"]
        found = heads.known.get(key)
    except (KeyError, TypeError):  # nothing is said, or in a form that cannot be remembered
        head = messages.response_head(message)
        return head, shared_head(head)
    if found is None:
        head = messages.response_head(message)
        found = head, shared_head(head)
        if len(heads.known) < _MAX_HEADS:
            heads.known[key] = found
    return found


def shared_head(head: messages.Head) -> ResponseHead | None:
    """A head which other responses have, too; None where a name repeats."""
    global _heads
    heads, now = _heads, int(time.time())
    if heads.second != now:
        heads = _heads = _Heads(now)
    key = tuple(head.pairs)
    shared = heads.shared.get(key)
    if shared is None:
        if len(heads.shared) >= _MAX_HEADS:
            return None
        pairs = [*head.pairs, *_own_fields(head, now)]
        values = {WIRE_SPELLINGS[name]: value.decode("latin-1") for name, value in pairs}
        if len(values) < len(pairs):
            return None
        shared = heads.shared[key] = ResponseHead(values)
    return shared


def plain(status: int, fields: scopes.Pairs | None = None) -> tuple[messages.Head, bytes]:
    """An answer of our own."""
    text = httputil.responses[status].encode()
    pairs = [(b"content-type", b"text/plain; charset=utf-8"), *(fields or ())]
    return messages.Head(status, pairs, len(text), False, False), text


def _comes_of_leaving(error: BaseException) -> bool:
    """Whether an exception is what an application made of `ClientDisconnected`."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ClientDisconnected):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _ends(server_conn: object, connection: Any) -> tuple[str, Any, Any]:
    """Scheme, client and server for a scope."""
    server = getattr(server_conn, "_asgi_server", None)
    if server is None:
        server = _server_address(server_conn, connection)
    context: Any = getattr(connection, "context", None)
    try:
        address, remote_ip, protocol = context.address, context.remote_ip, context.protocol
    except AttributeError:
        address, remote_ip, protocol = None, None, getattr(context, "protocol", "http")
    client: Any = None
    if isinstance(address, tuple) and len(address) >= 2:
        # What a trusted proxy says about the address, it does not say about the port.
        client = (remote_ip, address[1] if address[0] == remote_ip else 0)
    return protocol, client, server


def _server_address(server_conn: object, connection: Any) -> Any:
    try:
        name = connection.stream.socket.getsockname()
    except (AttributeError, OSError):
        scope = getattr(connection, "scope", None)
        return None if scope is None else scope.get("server")
    found = tuple(name[:2]) if isinstance(name, tuple) else (name or "", None)
    with contextlib.suppress(AttributeError):
        cast(Any, server_conn)._asgi_server = found  # it is the same for all requests of the connection
    return found
