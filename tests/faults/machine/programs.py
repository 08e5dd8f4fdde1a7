"""The program that a script talks to, made for either package: each request says by its fields how it wants to be handled."""

import asyncio
import importlib
import weakref
from collections.abc import Callable
from typing import Any

PIECE = 100_000
RAW = b"HTTP/1.1 299 Raw\r\nContent-Length: 3\r\n\r\nraw"


class Notes:
    """What the program's hooks were called for, in order, and the places at which its handlers wait."""

    def __init__(self) -> None:
        self.step = 0
        self.events: list[tuple[int, str, str]] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.seen: list[weakref.ref[Any]] = []
        self.tasks: set[asyncio.Future[None]] = set()

    def ended(self, who: str, task: asyncio.Future[None]) -> None:
        self.tasks.discard(task)
        if task.cancelled():
            self(who, "cancelled")
        elif (error := task.exception()) is not None:
            self(who, f"raised {type(error).__name__}")

    def __call__(self, who: str, what: str) -> None:
        kind = what[:5]
        step, last, before = self.events[-1] if self.events else (-1, "", "")
        if kind in ("data ", "sent ") and (step, last, before[:5]) == (self.step, who, kind):
            self.events.pop()  # how a body is cut is nobody's business
            what = f"{kind}{int(before[5:]) + int(what[5:])}"
        self.events.append((self.step, who, what))

    async def gate(self) -> None:
        """Wait until the script lets go on, or cancels."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future

    def release(self, cancel: bool = False) -> bool:
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if cancel:
                future.cancel()
            elif not future.done():
                future.set_result(None)
        return bool(waiting)


async def _prepare_turns(handler: Any, notes: Notes, web: Any) -> None:
    await asyncio.sleep(0)


async def _prepare_waits(handler: Any, notes: Notes, web: Any) -> None:
    await notes.gate()


async def _prepare_waits_finishes(handler: Any, notes: Notes, web: Any) -> None:
    await notes.gate()
    handler.finish("prepared")


async def _prepare_waits_fails(handler: Any, notes: Notes, web: Any) -> None:
    await notes.gate()
    raise web.HTTPError(403)


async def _prepare_flushes(handler: Any, notes: Notes, web: Any) -> None:
    handler.write("head")
    await handler.flush()


def _prepare_finishes(handler: Any, notes: Notes, web: Any) -> None:
    handler.finish("prepared")


def _prepare_fails(handler: Any, notes: Notes, web: Any) -> None:
    raise web.HTTPError(401)


def _prepare_raises(handler: Any, notes: Notes, web: Any) -> None:
    raise ValueError("in prepare")


def _prepare_says_get(handler: Any, notes: Notes, web: Any) -> None:
    handler.request.method = "GET"


def _prepare_says_close(handler: Any, notes: Notes, web: Any) -> None:
    handler.set_header("Connection", "close")


def _prepare_detaches(handler: Any, notes: Notes, web: Any) -> None:
    stream = handler.detach()
    stream.write(RAW)
    stream.close()


def _prepare_closes(handler: Any, notes: Notes, web: Any) -> None:
    handler.request.connection.stream.close()


async def _prepare_cancels(handler: Any, notes: Notes, web: Any) -> None:
    raise asyncio.CancelledError


def _prepare_limits(handler: Any, notes: Notes, web: Any) -> None:
    handler.request.connection.set_max_body_size(5000)


def _prepare_allows(handler: Any, notes: Notes, web: Any) -> None:
    handler.request.connection.set_max_body_size(10_000_000)


def _prepare_hurries(handler: Any, notes: Notes, web: Any) -> None:
    handler.request.connection.set_body_timeout(40)


async def _data_turns(handler: Any, notes: Notes, web: Any) -> None:
    await asyncio.sleep(0)


async def _data_waits(handler: Any, notes: Notes, web: Any) -> None:
    await notes.gate()


async def _data_waits_finishes(handler: Any, notes: Notes, web: Any) -> None:
    await notes.gate()
    handler.finish("enough")


async def _data_flushes(handler: Any, notes: Notes, web: Any) -> None:
    handler.write("first")
    await handler.flush()


async def _data_cancels(handler: Any, notes: Notes, web: Any) -> None:
    raise asyncio.CancelledError


def _data_closes(handler: Any, notes: Notes, web: Any) -> None:
    handler.request.connection.stream.close()


def _data_finishes(handler: Any, notes: Notes, web: Any) -> None:
    handler.finish("enough")


def _data_fails(handler: Any, notes: Notes, web: Any) -> None:
    raise web.HTTPError(409)


def _data_raises(handler: Any, notes: Notes, web: Any) -> None:
    raise ValueError("in data_received")


async def _flushes(handler: Any, notes: Notes) -> None:
    for piece in ("one", "two", "three"):
        handler.write(piece)
        await handler.flush()
    handler.write("end")


async def _flush_waits(handler: Any, notes: Notes) -> None:
    handler.write("begun")
    await handler.flush()
    await notes.gate()
    handler.write("end")


async def _flush_forgotten(handler: Any, notes: Notes) -> None:
    handler.write("forgotten")
    handler.flush()
    handler.write("end")


async def _flush_raises(handler: Any, notes: Notes) -> None:
    handler.write("begun")
    await handler.flush()
    raise ValueError("behind a flush")


async def _waits(handler: Any, notes: Notes) -> None:
    await notes.gate()
    handler.write("waited")


async def _turns(handler: Any, notes: Notes) -> None:
    await asyncio.sleep(0)
    handler.write("turned")


async def _polls(handler: Any, notes: Notes) -> None:
    """As a long poll does: nothing comes until the client has left."""
    await handler.gone.wait()
    notes(handler.who, "gone")


async def _big(handler: Any, notes: Notes) -> None:
    handler.write(b"x" * (10 * PIECE))


async def _big_pieces(handler: Any, notes: Notes) -> None:
    for _ in range(10):
        handler.write(b"x" * PIECE)
        await handler.flush()


async def _awaits_finish(handler: Any, notes: Notes) -> None:
    await handler.finish("finished")
    notes(handler.who, "behind finish")


async def _finish_waits(handler: Any, notes: Notes) -> None:
    handler.finish("finished")
    await notes.gate()
    notes(handler.who, "behind finish")


async def _finish_raises(handler: Any, notes: Notes) -> None:
    handler.finish("finished")
    raise ValueError("behind finish")


async def _finishes_twice(handler: Any, notes: Notes) -> None:
    handler.finish("finished")
    handler.finish("again")


async def _writes_after_finish(handler: Any, notes: Notes) -> None:
    handler.finish("finished")
    handler.write("again")


async def _subscribes(handler: Any, notes: Notes) -> None:
    handler.request.connection.set_close_callback(lambda: notes(handler.who, "close callback"))
    await notes.gate()
    handler.write("waited")


async def _finishes_elsewhere(handler: Any, notes: Notes) -> None:
    asyncio.get_running_loop().call_soon(handler.finish, "elsewhere")
    for _ in range(3):
        await asyncio.sleep(0)


async def _writes_elsewhere(handler: Any, notes: Notes) -> None:
    async def write() -> None:
        handler.write("begun")
        await handler.flush()
        await notes.gate()
        handler.write("end")
        await handler.finish()

    await asyncio.ensure_future(write())


async def _sends_error(handler: Any, notes: Notes) -> None:
    handler.write("dropped")
    handler.send_error(404)


async def _flush_sends_error(handler: Any, notes: Notes) -> None:
    handler.write("begun")
    await handler.flush()
    handler.send_error(404)


def _redirects(handler: Any, notes: Notes) -> None:
    handler.redirect("/plain", status=303)


def _clears(handler: Any, notes: Notes) -> None:
    handler.write("dropped")
    handler.set_header("X-Dropped", "1")
    handler.clear()


async def _cancels(handler: Any, notes: Notes) -> None:
    raise asyncio.CancelledError


async def _detaches(handler: Any, notes: Notes) -> None:
    stream = handler.detach()
    await stream.write(RAW)
    stream.close()


async def _detach_waits(handler: Any, notes: Notes) -> None:
    stream = handler.detach()
    try:
        await notes.gate()
        if not stream.closed():
            await stream.write(RAW)
    finally:
        stream.close()  # it is the handler's: nobody else would


async def _detach_echoes(handler: Any, notes: Notes) -> None:
    stream = handler.detach()
    await stream.write(RAW)
    await stream.write(await stream.read_bytes(4))
    stream.close()


async def _closes(handler: Any, notes: Notes) -> None:
    handler.request.connection.stream.close()


def _plain(handler: Any, notes: Notes) -> None:
    request = handler.request
    handler.write(f"{request.method} {len(request.body or b'')} {handler.size} {request.remote_ip} {request.protocol}")


def _raises(handler: Any, notes: Notes) -> None:
    raise ValueError("in the method")


def _says_close(handler: Any, notes: Notes) -> None:
    handler.set_header("Connection", "close")


def _no_content(handler: Any, notes: Notes) -> None:
    handler.set_status(204)


def _not_modified(handler: Any, notes: Notes) -> None:
    handler.set_status(304)


def _right_length(handler: Any, notes: Notes) -> None:
    handler.set_header("Content-Length", "5")
    handler.write("right")


def _too_short(handler: Any, notes: Notes) -> None:
    handler.set_header("Content-Length", "10")
    handler.write("short")


def _on_finish_raises(handler: Any, notes: Notes) -> None:
    handler.write("and then")


def _too_long(handler: Any, notes: Notes) -> None:
    handler.set_header("Content-Length", "2")
    handler.write("long")


METHOD: dict[str, Callable[[Any, Notes], Any]] = {
    "plain": _plain,
    "turns": _turns,
    "waits": _waits,
    "polls": _polls,
    "flushes": _flushes,
    "flush, waits": _flush_waits,
    "flush, forgotten": _flush_forgotten,
    "flush, raises": _flush_raises,
    "raises": _raises,
    "big": _big,
    "big, in pieces": _big_pieces,
    "awaits finish": _awaits_finish,
    "finish, waits": _finish_waits,
    "finish, raises": _finish_raises,
    "finishes twice": _finishes_twice,
    "writes after finish": _writes_after_finish,
    "cancels": _cancels,
    "subscribes": _subscribes,
    "finishes elsewhere": _finishes_elsewhere,
    "writes elsewhere": _writes_elsewhere,
    "sends error": _sends_error,
    "flush, sends error": _flush_sends_error,
    "redirects": _redirects,
    "clears": _clears,
    "on_finish raises": _on_finish_raises,
    "on_connection_close raises": _polls,
    "detaches": _detaches,
    "detaches, waits": _detach_waits,
    "detaches, echoes": _detach_echoes,
    "closes": _closes,
    "says close": _says_close,
    "204": _no_content,
    "304": _not_modified,
    "right length": _right_length,
    "too short": _too_short,
    "too long": _too_long,
}
PREPARE: dict[str, Callable[[Any, Notes, Any], Any]] = {
    "prepare finishes": _prepare_finishes,
    "prepare fails": _prepare_fails,
    "prepare raises": _prepare_raises,
    "prepare turns": _prepare_turns,
    "prepare waits": _prepare_waits,
    "prepare waits, finishes": _prepare_waits_finishes,
    "prepare waits, fails": _prepare_waits_fails,
    "prepare flushes": _prepare_flushes,
    "prepare says GET": _prepare_says_get,
    "prepare says close": _prepare_says_close,
    "prepare detaches": _prepare_detaches,
    "prepare closes": _prepare_closes,
    "prepare cancels": _prepare_cancels,
    "prepare limits": _prepare_limits,
    "prepare allows": _prepare_allows,
    "prepare hurries": _prepare_hurries,
}
# With the first piece of the body.
DATA: dict[str, Callable[[Any, Notes, Any], Any]] = {
    "data finishes": _data_finishes,
    "data fails": _data_fails,
    "data raises": _data_raises,
    "data turns": _data_turns,
    "data waits": _data_waits,
    "data waits, finishes": _data_waits_finishes,
    "data flushes": _data_flushes,
    "data cancels": _data_cancels,
    "data closes": _data_closes,
    "data always turns": _data_turns,
}
# What answers without a handler.
CALLED = ["plain", "waits", "in pieces", "closes", "no length"]
OPEN = ["plain", "prepare fails", "prepare waits", "prepare finishes", "refuses", "open raises", "open closes", "open waits", "open writes"]


def _echo(socket: Any, message: str | bytes) -> None:
    socket.write_message(f"<{message!r}>")


def _raise(socket: Any, message: str | bytes) -> None:
    raise ValueError(message)


async def _wait(socket: Any, message: str | bytes) -> None:
    await socket.gate()
    await socket.at_last()


async def _turn(socket: Any, message: str | bytes) -> None:
    await asyncio.sleep(0)
    await socket.at_last()


def _open_raises(socket: Any) -> None:
    raise ValueError("in open")


OPENED: dict[str, Callable[[Any], Any]] = {
    "open raises": _open_raises,
    "open closes": lambda socket: socket.close(1000, "so it is"),
    "open writes": lambda socket: socket.write_message("opened") and None,
    "open waits": lambda socket: socket.gate(),
}
MESSAGES: dict[str | bytes, Callable[[Any, str | bytes], Any]] = {
    "raise": _raise,
    "wait": _wait,
    "turn": _turn,
    "close": lambda socket, message: socket.close(4000, "asked"),
    "ping": lambda socket, message: socket.ping(b"from here") and None,
    "big": lambda socket, message: socket.write_message(b"x" * PIECE, binary=True) and None,
}


def application(package: str, notes: Notes, directory: str, **settings: Any) -> Any:
    names = "web", "websocket", "iostream", "httputil", "routing"
    web, websocket, iostream, httputil, routing = (importlib.import_module(f"{package}.{name}") for name in names)
    lost = iostream.StreamClosedError, websocket.WebSocketClosedError

    class Application(web.Application):  # type: ignore[misc, name-defined]
        def log_request(self, handler: Any) -> None:
            notes(getattr(handler, "who", "?"), f"log_request {handler.get_status()}")

    noting = _noting(notes, web)
    plain, streamed = _handlers(notes, web, noting, lost)
    file = type("File", (noting, web.StaticFileHandler), {})

    class Cut(file):  # type: ignore[misc, valid-type]
        async def get(self, path: str, include_body: bool = True) -> None:
            if self.how != "cut short":
                await super().get(path, include_body)
                return
            sending = asyncio.ensure_future(super().get(path, include_body))
            await notes.gate()
            sending.cancel()
            await asyncio.wait([sending])

    socket = _socket(notes, websocket, noting, lost)
    files = [(f"/{name}/(.*)", cls, {"path": directory}) for name, cls in (("file", file), ("cut", Cut))]
    called = routing.Rule(routing.PathMatches("/call"), _callable(notes, httputil))
    if settings.pop("transforms", False):
        settings["transforms"] = [_transform(notes, web)]
    return Application([("/plain", plain), ("/stream", streamed), ("/socket", socket), called, *files], **settings)


def _transform(notes: Notes, web: Any) -> Any:
    class Noted(web.OutputTransform):  # type: ignore[misc, name-defined]
        def __init__(self, request: Any) -> None:
            self.who = request.headers.get("X-Who", "-")
            notes(self.who, "transform")

        def transform_first_chunk(self, status: int, headers: Any, chunk: bytes, finishing: bool) -> Any:
            notes(self.who, f"first chunk {status}{' alone' * finishing}")
            notes(self.who, f"sent {len(chunk)}")
            headers["X-Noted"] = "1"
            return status, headers, chunk

        def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
            notes(self.who, f"sent {len(chunk)}")
            if finishing:
                notes(self.who, "last chunk")
            return chunk

    return Noted


def _callable(notes: Notes, httputil: Any) -> Callable[[Any], None]:
    """Answers through the connection itself, as programs without handlers do."""
    line = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")

    def answer(request: Any) -> None:
        who, how = request.headers.get("X-Who", "-"), request.headers.get("X-How")
        connection, body = request.connection, f"{request.method} {len(request.body)}".encode()
        length = {} if how == "no length" else {"Content-Length": str(len(body))}
        notes.seen += [weakref.ref(request), weakref.ref(connection)]
        notes(who, "initialize")
        connection.set_close_callback(lambda: notes(who, "close callback"))

        def whole() -> None:
            connection.write_headers(line, httputil.HTTPHeaders(length), body)
            connection.finish()
            notes(who, "on_finish")

        async def later(in_pieces: bool) -> None:
            await notes.gate()
            if in_pieces:
                await connection.write_headers(line, httputil.HTTPHeaders(length), body[:3])
                await connection.write(body[3:])
                connection.finish()
                notes(who, "on_finish")
            else:
                whole()

        if how in ("waits", "in pieces"):
            notes.tasks.add(task := asyncio.ensure_future(later(how == "in pieces")))
            task.add_done_callback(lambda task: notes.ended(who, task))
        elif how == "closes":
            connection.stream.close()
        else:
            whole()

    return answer


def _noting(notes: Notes, web: Any) -> Any:
    class Noting:
        """The hooks of a handler, each with its note."""

        request: Any
        size = 0

        def initialize(self, **kwargs: Any) -> None:
            self.who = self.request.headers.get("X-Who", "-")
            self.how = self.request.headers.get("X-How", "plain")
            self.gone = asyncio.Event()
            notes.seen += [weakref.ref(self), weakref.ref(self.request), weakref.ref(self.request.connection)]
            notes(self.who, "initialize")
            if kwargs:
                super().initialize(**kwargs)  # type: ignore[misc]

        def prepare(self) -> Any:
            notes(self.who, "prepare")
            return PREPARE[self.how](self, notes, web) if self.how in PREPARE else None

        def on_connection_close(self) -> None:
            notes(self.who, "on_connection_close")
            self.gone.set()
            super().on_connection_close()  # type: ignore[misc]
            if self.how == "on_connection_close raises":
                raise ValueError("in on_connection_close")

        def on_finish(self) -> None:
            notes(self.who, "on_finish")
            if self.how == "on_finish raises":
                raise ValueError("in on_finish")

        def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
            notes(self.who, f"log_exception {typ.__name__}")

    return Noting


def _handlers(notes: Notes, web: Any, noting: Any, lost: Any) -> tuple[Any, Any]:
    class Plain(noting, web.RequestHandler):  # type: ignore[misc, name-defined]
        async def get(self) -> None:
            notes(self.who, self.request.method)
            try:
                answer = METHOD.get(self.how, _plain)(self, notes)
                if answer is not None:
                    await answer
            except BaseException as error:
                notes(self.who, f"raised {'StreamClosedError' if isinstance(error, lost) else type(error).__name__}")
                raise

        head = post = get

    @web.stream_request_body
    class Streamed(Plain):
        def data_received(self, chunk: bytes) -> Any:
            self.size += len(chunk)
            notes(self.who, f"data {len(chunk)}")
            if self.how == "data always turns":
                return asyncio.sleep(0)
            return DATA[self.how](self, notes, web) if self.how in DATA and self.size == len(chunk) else None

    return Plain, Streamed


def _socket(notes: Notes, websocket: Any, noting: Any, lost: Any) -> Any:
    class Socket(noting, websocket.WebSocketHandler):  # type: ignore[misc, name-defined]
        def check_origin(self, origin: str) -> bool:
            notes(self.who, "check_origin")
            return self.how != "refuses"

        def open(self) -> Any:
            notes(self.who, "open")
            return OPENED[self.how](self) if self.how in OPENED else None

        def on_message(self, message: str | bytes) -> Any:
            notes(self.who, f"on_message {message[:20]!r}")
            return MESSAGES.get(message, _echo)(self, message)

        async def at_last(self) -> None:
            try:
                await self.write_message("at last")
            except lost:
                notes(self.who, "closed meanwhile")

        gate = staticmethod(notes.gate)

        def on_ping(self, data: bytes) -> None:
            notes(self.who, "on_ping")

        def on_pong(self, data: bytes) -> None:
            notes(self.who, "on_pong")

        def on_close(self) -> None:
            notes(self.who, f"on_close {self.close_code} {self.close_reason}")

    return Socket
