"""The course of a request: hooks, coroutines, tasks, contexts, errors, the log."""

import asyncio
import contextvars
import gc
import logging
import weakref

import pytest

from tornadolike import gen, web
from tornadolike.httpserver import HTTPServer
from tornadolike.iostream import StreamClosedError

mark = contextvars.ContextVar("mark", default="unset")


def recording(steps, **methods):
    class Page(web.RequestHandler):
        def initialize(self, **kwargs):
            steps.append("initialize")

        def prepare(self):
            steps.append("prepare")

        def get(self):
            steps.append("get")

        def on_finish(self):
            steps.append("on_finish")

    for name, method in methods.items():
        setattr(Page, name, method)
    return Page


async def test_plain_functions_run_in_a_task_as_well(begin):
    steps = []
    connection = begin(recording(steps))
    assert steps == ["initialize"]
    assert len(asyncio.all_tasks()) == 2
    await asyncio.wait_for(connection.finished.wait(), 5)
    assert steps == ["initialize", "prepare", "get", "on_finish"]


async def test_coroutines_run_in_a_task_of_their_own(ask):
    tasks = []

    class Page(web.RequestHandler):
        async def prepare(self):
            tasks.append(asyncio.current_task())

        async def get(self):
            tasks.append(asyncio.current_task())
            async with asyncio.timeout(5):
                await asyncio.sleep(0)

    await ask(Page)
    first, second = tasks
    assert first is second
    assert first not in (None, asyncio.current_task())


@pytest.mark.parametrize("kind", ["generator", "future", "done future", "plain that returns a coroutine"])
async def test_every_awaitable_will_do(ask, kind):
    async def native(self):
        assert asyncio.current_task() is not None
        await asyncio.sleep(0)
        self.write(kind)

    @gen.coroutine
    def generator(self):
        yield gen.moment
        self.write(kind)

    def future(self):
        self.write(kind)
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        return future

    def done(self):
        return self.finish(kind)

    methods = {"generator": generator, "future": future, "done future": done, "plain that returns a coroutine": lambda self: native(self)}
    answer = await ask(type("Page", (web.RequestHandler,), {"get": methods[kind]}))
    assert answer.text == kind


async def test_what_is_no_awaitable_is_an_error(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            return "text"

    assert (await ask(Page)).status == 500
    assert logs.take("tornado.application", "Uncaught").exc_info[0] is TypeError
    logs.take("tornado.access", "500")


@pytest.mark.parametrize("waits", [False, True])
async def test_context_variables_stay_within_the_request(ask, waits):
    seen = []

    class Page(web.RequestHandler):
        def prepare(self):
            self.token = mark.set("this request")

        def get(self):
            seen.append(mark.get())

        async def post(self):
            seen.append(mark.get())
            await asyncio.sleep(0)
            mark.reset(self.token)
            seen.append(mark.get())

    await ask(Page, method="POST" if waits else "GET")
    assert seen == ["this request", "unset"] if waits else ["this request"]
    assert mark.get() == "unset"


async def test_the_context_of_the_server_is_seen(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.write(mark.get())

    token = mark.set("outer")
    try:
        assert (await ask(Page)).text == "outer"
    finally:
        mark.reset(token)


async def test_prepare_may_answer(ask):
    steps = []

    async def prepare(self):
        self.finish("early")

    assert (await ask(recording(steps, prepare=prepare))).text == "early"
    assert steps == ["initialize", "on_finish"]


async def test_instrumented_execute_gets_a_task(ask, monkeypatch):
    inner, tasks = web.RequestHandler._execute, []

    async def traced(self, *args, **kwargs):
        tasks.append(asyncio.current_task())
        return await inner(self, *args, **kwargs)

    monkeypatch.setattr(web.RequestHandler, "_execute", traced)
    steps = []
    await ask(recording(steps))
    assert steps[-1] == "on_finish"
    assert tasks[0] not in (None, asyncio.current_task())


async def test_auto_finish_can_be_off(begin):
    handlers = []

    class Page(web.RequestHandler):
        def get(self):
            self._auto_finish = False
            handlers.append(self)

    connection = begin(Page)
    await asyncio.sleep(0)  # the handler's turn
    assert not connection.finished.is_set()
    assert connection.close_callback == handlers[0].on_connection_close
    handlers[0].finish("late")
    assert connection.body == b"late"


async def test_methods_that_are_not_there(ask, logs):
    steps = []
    for method in ("POST", "BREW"):
        assert (await ask(recording(steps), method=method)).status == 405
        logs.take("tornado.access", "405")
    assert "get" not in steps
    assert web.RequestHandler.get is web.RequestHandler._unimplemented_method


async def test_no_handler_is_kept_alive_by_its_request(ask):
    refs = []

    class Page(web.RequestHandler):
        def get(self):
            self.render_string("page.html")

        def post(self):
            self.write("x")

        async def put(self):
            await asyncio.sleep(0)

        def create_template_loader(self, template_path):
            from tornadolike.template import DictLoader

            return DictLoader({"page.html": "{{ handler.ui.modules }}"})

        def on_finish(self):
            refs.append(weakref.ref(self))

    gc.collect()
    gc.disable()
    try:
        for method in ("GET", "POST", "PUT"):
            (await ask(Page, method=method, template_path=method)).finished.clear()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert refs.pop()() is None, method
    finally:
        gc.enable()


# ---- errors


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_exceptions_are_500_and_logged(ask, logs, asynchronous):
    class Page(web.RequestHandler):
        def get(self):
            raise ValueError("what happened")

        async def post(self):
            await asyncio.sleep(0)
            raise ValueError("what happened")

    answer = await ask(Page, method="POST" if asynchronous else "GET")
    assert answer.text == "<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
    record = logs.take("tornado.application", r"Uncaught exception \w+ / \(192.0.2.7\)\nHTTPServerRequest\(")
    assert str(record.exc_info[1]) == "what happened"
    logs.take("tornado.access", r"500 \w+ / \(192.0.2.7\) \d+\.\d\dms", logging.ERROR)


@pytest.mark.parametrize(
    ("error", "text", "log"),
    [
        (web.HTTPError(404), "HTTP 404: Not Found", ""),
        (web.HTTPError(404, "100%"), "HTTP 404: Not Found (100%)", "404 GET / .*: 100%"),
        (web.HTTPError(404, "%s of %d", "a", 2), "HTTP 404: Not Found (a of 2)", "404 GET / .*: a of 2"),
        (web.HTTPError(466, reason="Odd"), "HTTP 466: Odd", ""),
        (web.HTTPError(466), "HTTP 466: Unknown", ""),
    ],
)
async def test_http_errors(ask, logs, error, text, log):
    class Page(web.RequestHandler):
        def get(self):
            raise error

    answer = await ask(Page)
    assert str(error) == text
    assert answer.status == error.status_code
    if log:
        logs.take("tornado.general", log, logging.WARNING)
    logs.take("tornado.access", str(error.status_code), logging.WARNING)


def test_log_message_is_a_format_for_its_arguments():
    assert web.HTTPError(400, "a%").log_message == "a%%"
    assert web.HTTPError(400, "a %s", "b").log_message == "a %s"
    assert web.HTTPError().log_message is None
    missing = web.MissingArgumentError("x")
    assert (missing.arg_name, missing.status_code, missing.get_message()) == ("x", 400, "Missing argument x")


async def test_finish_is_no_error(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.set_status(202)
            raise web.Finish({"a": 1})

        def post(self):
            self.finish("already")
            raise web.Finish("ignored")

    answer = await ask(Page)
    assert (answer.status, answer.text) == (202, '{"a": 1}')
    assert (await ask(Page, method="POST")).text == "already"


async def test_serve_traceback(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            raise ValueError("<seen>")

    answer = await ask(Page, serve_traceback=True)
    assert answer.headers["Content-Type"] == "text/plain"
    assert "ValueError: <seen>" in answer.text
    logs.records.clear()


async def test_write_error_of_ones_own(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.send_error(410, hint="gone fishing")

        def write_error(self, status_code, **kwargs):
            self.write(f"{status_code} {kwargs['hint']}")

    assert (await ask(Page)).text == "410 gone fishing"
    logs.take("tornado.access", "410")


async def test_errors_in_the_error_machinery(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            raise KeyError

        def log_exception(self, typ, value, tb):
            raise ValueError

        def write_error(self, status_code, **kwargs):
            raise ValueError

    answer = await ask(Page)
    assert (answer.status, answer.body) == (500, b"")
    logs.take("tornado.application", "Error in exception logger")
    logs.take("tornado.application", "Uncaught exception in write_error")
    logs.take("tornado.access", "500")


async def test_errors_after_the_head_end_the_response(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.write("half")
            self.flush()
            raise ValueError

    answer = await ask(Page)
    assert (answer.status, answer.body) == (200, b"half")
    logs.take("tornado.application", "Uncaught")
    logs.take("tornado.general", "Cannot send error response after headers written")


async def test_error_304_and_204_have_no_body(ask):
    class Page(web.RequestHandler):
        def get(self):
            raise web.HTTPError(int(self.get_argument("status")))

    for status in (304, 204):
        answer = await ask(Page, f"/?status={status}")
        assert (answer.status, answer.body) == (status, b"")


async def test_redirect_after_the_head(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.flush()
            self.redirect("/")

    await ask(Page)
    assert "Cannot redirect" in str(logs.take("tornado.application", "Uncaught").exc_info[1])
    logs.take("tornado.general", "Cannot send error")


async def test_cancelled_things_are_errors_cancelled_requests_are_cancelled(begin, logs):
    tasks = []

    class Page(web.RequestHandler):
        async def get(self):
            tasks.append(asyncio.current_task())
            await asyncio.Event().wait()

        async def post(self):
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    connection = begin(Page)
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks, timeout=5)
    assert tasks[0].cancelled()
    assert connection.status == 500
    connection = begin(Page, method="POST")
    await asyncio.wait_for(connection.finished.wait(), 5)
    assert connection.status == 500
    assert logs.take("tornado.application", "Uncaught").exc_info[0] is asyncio.CancelledError
    for _ in range(2):
        logs.take("tornado.access", "500")


async def test_cancellation_in_a_plain_function_is_an_error(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            raise asyncio.CancelledError

    assert (await ask(Page)).status == 500
    logs.take("tornado.application", "Uncaught")
    logs.take("tornado.access", "500")


# ---- the access log


async def test_access_log(ask, monkeypatch):
    lines = []
    monkeypatch.setattr(web, "access_log", logging.getLogger("tests.access"))
    web.access_log.setLevel(logging.INFO)
    monkeypatch.setattr(web.access_log, "propagate", False)
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage().rpartition(" ")[0]))
    monkeypatch.setattr(web.access_log, "handlers", [handler])
    await ask(recording([]), "/x?y=z")
    await ask(recording([]), method="POST")
    assert lines == [("INFO", "200 GET /x?y=z (192.0.2.7)"), ("WARNING", "405 POST / (192.0.2.7)")]


async def test_no_summary_is_made_for_a_log_that_is_off(ask, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tornado.access"), "disabled", True)

    class Page(web.RequestHandler):
        def get(self):
            pass

        def _request_summary(self):
            raise AssertionError("not asked")

    assert (await ask(Page)).status == 200


async def test_log_function(ask):
    logged = []

    class Page(web.RequestHandler):
        def get(self):
            self.set_status(404)

    await ask(Page, log_function=lambda handler: logged.append(handler.get_status()))
    assert logged == [404]


# ---- streamed bodies


def streaming(steps):
    @web.stream_request_body
    class Upload(web.RequestHandler):
        async def prepare(self):
            await asyncio.sleep(0)
            steps.append("prepare")

        def data_received(self, chunk):
            steps.append(chunk)

        def put(self):
            steps.append("put")
            self.write(repr(self.request.body))

    return Upload


def upload(handler, connection_type):
    from tornadolike import httputil

    app = web.Application([("/", handler)])
    connection = connection_type()
    line = httputil.RequestStartLine("PUT", "/", "HTTP/1.1")
    headers = httputil.HTTPHeaders({"Host": "example.test"})
    delegate = app.start_request(object(), connection)
    return connection, delegate, delegate.headers_received(line, headers)


async def test_streamed_bodies(ask):
    steps = []
    connection, delegate, prepared = upload(streaming(steps), type(await ask(web.RequestHandler, method="OPTIONS", log_function=id)))
    await prepared
    for chunk in (b"a", b"b"):
        delegate.data_received(chunk)
    delegate.finish()
    await asyncio.wait_for(connection.finished.wait(), 5)
    assert steps == ["prepare", b"a", b"b", "put"]
    assert connection.text == repr(b"")


async def test_streams_that_break_off(ask):
    steps = []
    connection, delegate, prepared = upload(streaming(steps), type(await ask(web.RequestHandler, method="OPTIONS", log_function=id)))
    await prepared
    delegate.on_connection_close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert steps == ["prepare"]
    assert not connection.finished.is_set()


async def test_a_failing_prepare_lets_the_connection_go_on(ask, logs):
    @web.stream_request_body
    class Upload(web.RequestHandler):
        def prepare(self):
            raise web.HTTPError(413)

    connection, _, prepared = upload(Upload, type(await ask(web.RequestHandler, method="OPTIONS", log_function=id)))
    await asyncio.wait_for(prepared, 5)
    assert connection.status == 413
    logs.take("tornado.access", "413")


async def test_stream_closed_in_the_handler_is_its_own_error(ask, logs):
    class Page(web.RequestHandler):
        async def get(self):
            raise StreamClosedError

    assert (await ask(Page)).status == 500
    logs.take("tornado.application", "Uncaught")
    logs.take("tornado.access", "500")


def test_only_handlers_can_stream():
    with pytest.raises(TypeError, match="expected subclass of RequestHandler"):
        web.stream_request_body(int)
    with pytest.raises(TypeError, match="expected subclass of RequestHandler"):
        web._has_stream_request_body(int)
    assert web._has_stream_request_body(streaming([]))
    assert not web._has_stream_request_body(web.RequestHandler)
    with pytest.raises(NotImplementedError):
        web.RequestHandler.data_received(None, b"")


def test_a_request_before_the_loop_runs(begin):
    """`Application` can be called, and a handler that waits is started, while no loop runs yet."""
    from tornadolike.ioloop import IOLoop

    steps = []

    async def get(self):
        steps.append(asyncio.current_task() is not None)
        loop.stop()

    loop = IOLoop(make_current=False)
    previous = IOLoop.current(instance=False)
    loop.asyncio_loop.call_later(5, loop.stop)
    try:
        asyncio.set_event_loop(loop.asyncio_loop)
        handler = recording(steps, get=get, on_finish=lambda self: None)
        begin(handler)
        loop.start()
    finally:
        asyncio.set_event_loop(None if previous is None else previous.asyncio_loop)
        loop.close()
    assert steps == ["initialize", "prepare", True]


async def test_what_stands_around_the_application_is_seen_by_its_handlers(ask_server):
    """As by ``with tracer.start_as_current_span(...): application(request)``: seen in the handler, and by nobody else."""
    seen = []

    class Page(web.RequestHandler):
        async def get(self):
            seen.append(mark.get())
            await asyncio.sleep(0)
            seen.append(mark.get())

        def on_finish(self):
            seen.append(mark.get())

    application = web.Application([("/.*", Page)])

    def middleware(request):
        if request.path == "/plain":
            return application(request)
        token = mark.set("around")
        try:
            return application(request)
        finally:
            mark.reset(token)

    await ask_server(middleware, "/one", "/plain")
    assert seen == ["around"] * 3 + ["unset"] * 3


@pytest.fixture
async def ask_server():
    async def ask_all(application, *paths):
        server = HTTPServer(application)
        server.listen(0, "127.0.0.1")
        [listener] = server._sockets.values()
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        for path in paths:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        server.stop()
        await server.close_all_connections()

    return ask_all
