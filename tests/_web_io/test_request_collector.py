"""`RequestCollector`: what a handler is given, and when, with doubles on both sides."""

import asyncio
from typing import Any

import pytest

from tornadolike import httputil
from tornadolike._web_io.request_collector import RequestCollector, end_body_early
from tornadolike.iostream import StreamClosedError


class Connection:
    def set_close_callback(self, callback: Any) -> None:
        pass


class Application:
    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.transforms: list[Any] = []


class Handler:
    _stream_request_body = False
    _prepared_future: Any = None

    def __init__(self, application: Application, request: httputil.HTTPServerRequest, **kwargs: Any) -> None:
        self.request, self.kwargs, self.seen = request, kwargs, [] if kwargs.get("seen") is None else kwargs["seen"]
        if "error" in kwargs:
            raise kwargs["error"]

    def initialize(self, **kwargs: Any) -> None: ...

    def set_default_headers(self) -> None: ...

    _RequestHandler__plain_making = (__init__, initialize, set_default_headers)

    async def _execute(self, transforms: list[Any], *args: bytes, **kwargs: bytes) -> None:
        self.seen.append((self.request.body, args, kwargs))

    def data_received(self, chunk: bytes) -> Any:
        if chunk == b"bad":
            raise ValueError(chunk)
        self.seen.append(chunk)
        return self._fail() if chunk == b"later" else None

    async def _fail(self) -> None:
        raise ValueError(b"later")

    def on_connection_close(self) -> None:
        self.seen.append("closed")

    def _RequestHandler__answer_exception(self, error: BaseException) -> None:
        self.seen.append(error.args[0])


class Streaming(Handler):
    _stream_request_body = True


class Collector(RequestCollector):
    def _forget_caches(self, settings: dict[str, Any]) -> None:
        settings["forgotten"] = True

    def _make_substitute(self, error: Exception) -> Any:
        return Handler(self.application, self.request, seen=[error])


def collector(handler_class: type[Handler] = Handler, application: Any = None, **kwargs: Any) -> Collector:
    line = httputil.RequestStartLine("POST", "/", "HTTP/1.1")
    request = httputil.HTTPServerRequest(start_line=line, headers=httputil.HTTPHeaders({"Host": "a"}), connection=Connection())  # type: ignore[arg-type]
    return Collector(application or Application(), request, handler_class, kwargs, None, None)


@pytest.mark.parametrize("chunks", [[], [b"one"], [b"one", b"two", b"three"], [bytearray(b"one")]])
async def test_the_handler_gets_the_whole_body(chunks: list[bytes]) -> None:
    delegate = collector()
    for chunk in chunks:
        assert delegate.data_received(chunk) is None
    delegate.finish()
    await asyncio.sleep(0)
    assert delegate.handler.seen == [(b"".join(chunks), (), {})]
    assert type(delegate.handler.request.body) is bytes
    assert delegate.chunks is None


async def test_arguments_of_the_path() -> None:
    delegate = collector()
    delegate.path_args, delegate.path_kwargs = [b"1"], {"name": b"2"}
    delegate.execute()
    await asyncio.sleep(0)
    assert delegate.handler.seen == [(b"", (b"1",), {"name": b"2"})]


async def test_a_handler_that_cannot_be_made_has_a_substitute() -> None:
    error = RuntimeError()
    delegate = collector(error=error)
    delegate.execute()
    assert delegate.handler.seen[0] is error
    await asyncio.sleep(0)


@pytest.mark.parametrize("setting", ["compiled_template_cache", "static_hash_cache"])
async def test_caches_are_forgotten_where_a_setting_is_there(setting: str) -> None:
    application = Application(**{setting: False})
    collector(application=application).execute()
    assert application.settings["forgotten"]
    await asyncio.sleep(0)


async def test_a_body_in_pieces() -> None:
    delegate = collector(Streaming)
    prepared = delegate._begin_streaming()
    assert prepared is delegate.handler._prepared_future
    assert delegate.data_received(b"one") is None
    assert delegate.data_received(b"bad") is None
    later = delegate.data_received(b"later")
    assert later is not None
    await later
    delegate.finish()
    assert delegate.request._body_future.done()
    assert delegate.task is None
    assert delegate.handler.seen == [b"one", b"bad", b"later", b"later"]
    await asyncio.sleep(0)


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_client_that_leaves(says_so: bool) -> None:
    delegate = collector(Streaming)
    delegate._begin_streaming()
    if says_so:
        delegate.handler.on_connection_close = lambda: end_body_early(delegate.request)
    delegate.on_connection_close()
    assert isinstance(delegate.request._body_future.exception(), StreamClosedError)
    await asyncio.sleep(0)
    whole = collector()
    whole.data_received(b"one")
    whole.on_connection_close()
    assert whole.chunks is None
    assert not hasattr(whole, "handler")


class Observing(Handler):
    made_in: Any = "nothing"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made_in = asyncio.current_task()

    def initialize(self, **kwargs: Any) -> None: ...


class Served(httputil.HTTPConnection):
    def __init__(self, task: Any) -> None:
        self.task = task

    def _task_of_connection(self) -> Any:
        return self.task


async def test_what_a_handler_runs_while_it_is_made_has_the_task_of_the_connection() -> None:
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    for connection, expected in ((Served(waiting), waiting), (Connection(), None)):
        delegate = collector(Observing)
        delegate.connection = connection  # type: ignore[assignment]  # a double
        asyncio.get_running_loop().call_soon(delegate.execute)
        await asyncio.sleep(0)
        assert delegate.handler.made_in is expected
        await asyncio.sleep(0)
    waiting.cancel()
