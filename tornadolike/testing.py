"""Test cases for asynchronous code: a fresh event loop for each test, an HTTP(S) server under test, expected log lines.

``python -m tornado.testing some.test_module`` runs tests like ``python -m unittest``, with Tornado's options and log format.
"""

import asyncio
import functools
import inspect
import logging
import os
import re
import signal
import socket
import sys
import unittest
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, overload

from tornadolike import _imported_names, gen, netutil
from tornadolike._net import transport_source
from tornadolike.httpclient import AsyncHTTPClient, HTTPResponse
from tornadolike.httpserver import HTTPServer
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log
from tornadolike.platform.asyncio import AsyncIOMainLoop
from tornadolike.process import Subprocess
from tornadolike.util import raise_exc_info
from tornadolike.web import Application

_ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
_TestFunction = Callable[..., Any]

_DEFAULT_TIMEOUT_SECONDS = 5

# CPython 3.11.0 and 3.11.1 warn about every loop that is made the current one by hand; later versions do not.
_LOOP_WARNS = sys.version_info < (3, 11, 2)


def bind_unused_port(reuse_port: bool = False, address: str = "127.0.0.1") -> tuple[socket.socket, int]:
    """A listening IPv4 socket on a port that the system chose, and the number of that port.

    The caller closes the socket, or gives it to a server.
    """
    sock = netutil.bind_sockets(0, address, socket.AF_INET, reuse_port=reuse_port)[0]
    return sock, sock.getsockname()[1]


def get_async_test_timeout() -> float:
    """How long an asynchronous test may take, in seconds: the environment variable ``ASYNC_TEST_TIMEOUT``, or else 5."""
    try:
        return float(os.environ["ASYNC_TEST_TIMEOUT"])
    except (KeyError, ValueError):
        return _DEFAULT_TIMEOUT_SECONDS


def _asyncio_loop(io_loop: IOLoop) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = io_loop.asyncio_loop  # type: ignore[attr-defined]  # every IOLoop we make has it
    return loop


class AsyncTestCase(unittest.TestCase):
    """A test case with an event loop of its own, ``self.io_loop``, which is also the current one.

    Decorate asynchronous test methods with :func:`gen_test`::

        class FetchTest(AsyncTestCase):
            @gen_test
            async def test_fetch(self):
                response = await AsyncHTTPClient().fetch("http://127.0.0.1:8888/")
                self.assertIn(b"welcome", response.body)

    A test method that forgets this and returns a coroutine, a generator or any other value but None is an error.

    Older style, deprecated: the test calls :meth:`wait`, a callback calls :meth:`stop`, and what ``stop`` was given is what
    ``wait`` returns. Do not start and stop ``io_loop`` directly.

    When the test is over, tasks that are still pending are cancelled and the loop is closed with all its descriptors.
    """

    io_loop: IOLoop

    def __init__(self, methodName: str = "runTest") -> None:  # noqa: N803 - unittest's name
        super().__init__(methodName)
        self._test_generator: Generator[Any, Any, Any] | Coroutine[Any, Any, Any] | None = None
        self.__failure: _ExcInfo | None = None
        self.__running = False
        self.__stop_args: Any = None
        self.__stopped = False

    def setUp(self) -> None:
        if _LOOP_WARNS:
            setup_with_context_manager(self, warnings.catch_warnings())
            for package in (r"tornado\..*", r"tornadolike\..*"):
                warnings.filterwarnings("ignore", "There is no current event loop", DeprecationWarning, module=package)
        super().setUp()
        if type(self).get_new_ioloop is not AsyncTestCase.get_new_ioloop:
            warnings.warn("get_new_ioloop is deprecated", DeprecationWarning, stacklevel=2)
        self.io_loop = self.get_new_ioloop()
        asyncio.set_event_loop(_asyncio_loop(self.io_loop))

    def tearDown(self) -> None:
        loop = _asyncio_loop(self.io_loop)
        owned = not isinstance(self.io_loop, AsyncIOMainLoop)  # the other kind wraps a loop which is not ours
        self.__cancel_tasks()
        if owned and transport_source.suits(loop) and not loop.is_closed():
            self.__drop_connections(loop)
        Subprocess.uninitialize()  # its signal handler belongs to the loop that now ends
        asyncio.set_event_loop(None)
        if owned:
            self.io_loop.close(all_fds=True)
        super().tearDown()
        self.__rethrow()

    def __drop_connections(self, loop: asyncio.AbstractEventLoop) -> None:
        # ``close(all_fds=True)`` finds all descriptors. Transports want a turn of the loop to end in, and one to begin in.
        loop.run_until_complete(asyncio.sleep(0))
        for file, _ in tuple(self.io_loop.handlers.values()):  # type: ignore[attr-defined]  # as with the asyncio loop
            if isinstance(file, transport_source.TransportSource):
                file.close()
        loop.run_until_complete(asyncio.sleep(0))

    def __cancel_tasks(self) -> None:
        # A task that is dropped while it waits complains on stderr when it is collected; a cancelled one ends quietly.
        unfinished = [task for task in asyncio.all_tasks(_asyncio_loop(self.io_loop)) if not task.done()]
        for task in unfinished:
            task.cancel()
        if unfinished:
            finished, _ = self.io_loop.run_sync(lambda: asyncio.wait(unfinished))
            for task in finished:
                if not task.cancelled():
                    task.result()

    def get_new_ioloop(self) -> IOLoop:
        """The IOLoop for the test, here a new one on the configured event loop. Overriding this is deprecated."""
        loop: IOLoop = IOLoop(make_current=False)
        return loop

    def _handle_exception(self, typ: type[Exception], value: Exception, tb: TracebackType) -> bool:
        """Make the test fail with an exception that has no other way out; the first one counts, others are logged."""
        info = (typ, value, tb)
        if self.__failure is not None:
            app_log.error("multiple unhandled exceptions in test", exc_info=info)
        else:
            self.__failure = info
        self.stop()
        return True

    def __rethrow(self) -> None:
        failure, self.__failure = self.__failure, None
        if failure is not None:
            raise_exc_info(failure)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, as unittest does, and raise what failed too late for its ``tearDown``."""
        outcome = super().run(result)
        self.__rethrow()  # a failure that came too late for tearDown must not be lost
        return outcome

    def _callTestMethod(self, method: Callable[[], Any]) -> None:  # noqa: N802 - unittest's hook
        returned = method()
        if returned is None:
            return
        if isinstance(returned, Generator) or inspect.iscoroutine(returned):
            raise TypeError("Generator and coroutine test methods should be decorated with tornado.testing.gen_test")
        raise ValueError(f"Return value from test method ignored: {returned!r}")

    def stop(self, _arg: Any = None, **kwargs: Any) -> None:
        """Let the current or else the next :meth:`wait` return ``_arg``, or the keyword arguments as a dictionary.

        Deprecated: write the test with :func:`gen_test`.
        """
        assert not (kwargs and _arg is not None)
        self.__stopped, self.__stop_args = True, kwargs or _arg
        if self.__running:
            self.__running = False
            self.io_loop.stop()

    def wait(self, condition: Callable[..., bool] | None = None, timeout: float | None = None) -> Any:
        """Run the loop until :meth:`stop` is called, and return what that was given.

        :arg condition: with it, the loop goes on after a ``stop`` until ``condition()`` is true.
        :arg timeout: seconds after which the test fails; default :func:`get_async_test_timeout`, 0 for no limit.

        Deprecated: write the test with :func:`gen_test`.
        """
        if not self.__stopped:
            self.__run_until_stopped(condition, get_async_test_timeout() if timeout is None else timeout)
        assert self.__stopped
        self.__stopped = False
        self.__rethrow()
        result, self.__stop_args = self.__stop_args, None
        return result

    def __run_until_stopped(self, condition: Callable[..., bool] | None, seconds: float) -> None:
        timer = self.io_loop.call_later(seconds, self.__time_out, seconds) if seconds else None
        satisfied = False
        while not satisfied:
            self.__running = True
            self.io_loop.start()
            satisfied = self.__failure is not None or condition is None or condition()
        if timer is not None:
            self.io_loop.remove_timeout(timer)

    def __time_out(self, seconds: float) -> None:
        error = self.failureException(f"Async operation timed out after {seconds} seconds")
        self.__failure = (type(error), error, None)
        self.stop()


class AsyncHTTPTestCase(AsyncTestCase):
    """A test case with an HTTP server that serves what :meth:`get_app` returns, on a free port of 127.0.0.1.

    ::

        class HomeTest(AsyncHTTPTestCase):
            def get_app(self):
                return Application([("/", HomeHandler)])

            def test_status(self):
                response = self.fetch("/")
                self.assertEqual(response.code, 200)

    ``self.http_server`` is the server, ``self.http_client`` a client. :meth:`fetch` runs the loop until the response is
    there; inside a :func:`gen_test` use ``await self.http_client.fetch(self.get_url("/"))`` instead.
    """

    http_client: AsyncHTTPClient
    """The client, made by :meth:`get_http_client`."""
    http_server: HTTPServer
    """The server, made by :meth:`get_http_server`."""

    def setUp(self) -> None:
        super().setUp()
        listener, self.__port = bind_unused_port()
        self.http_client = self.get_http_client()
        self._app = self.get_app()
        self.http_server = self.get_http_server()
        self.http_server.add_socket(listener)

    def tearDown(self) -> None:
        server = self.http_server
        server.stop()
        self.io_loop.run_sync(server.close_all_connections, get_async_test_timeout())
        self.http_client.close()
        del self.http_server, self._app  # unittest keeps the test case, and it need not keep these alive
        super().tearDown()

    def get_http_client(self) -> AsyncHTTPClient:
        """The client for ``self.http_client``; override to configure it."""
        return AsyncHTTPClient()

    def get_http_server(self) -> HTTPServer:
        """The server for ``self.http_server``, made from ``self._app``; override to configure it."""
        return HTTPServer(self._app, **self.get_httpserver_options())

    def get_app(self) -> Application:
        """The application to test, or another callback for ``HTTPServer``. Subclasses must override this."""
        raise NotImplementedError

    def fetch(self, path: str, raise_error: bool = False, **kwargs: Any) -> HTTPResponse:
        """Fetch ``path`` from the server under test and return the response, whatever its status.

        ``path`` may also be a full ``http://`` or ``https://`` URL. ``kwargs`` go to ``AsyncHTTPClient.fetch``. With
        ``raise_error`` a status outside 200-299 raises ``HTTPError``; connection errors are raised in any case. Takes at most
        :func:`get_async_test_timeout` seconds, else ``TimeoutError``.
        """
        absolute = path[:8].lower().startswith(("http://", "https://"))
        url = path if absolute else self.get_url(path)
        start = functools.partial(self.http_client.fetch, url, raise_error=raise_error, **kwargs)
        response: HTTPResponse = self.io_loop.run_sync(start, get_async_test_timeout())
        return response

    def get_httpserver_options(self) -> dict[str, Any]:
        """Keyword arguments for ``HTTPServer``; here none."""
        return {}

    def get_http_port(self) -> int:
        """The port of the server under test; it changes from test to test."""
        return self.__port

    def get_protocol(self) -> str:
        """The scheme of :meth:`get_url`."""
        return "http"

    def get_url(self, path: str) -> str:
        """``path`` as an absolute URL on the server under test."""
        return f"{self.get_protocol()}://127.0.0.1:{self.get_http_port()}{path}"


class AsyncHTTPSTestCase(AsyncHTTPTestCase):
    """The same as :class:`AsyncHTTPTestCase`, over TLS with a self-signed certificate which its client does not check."""

    def get_http_client(self) -> AsyncHTTPClient:
        return AsyncHTTPClient(force_instance=True, defaults={"validate_cert": False})

    def get_httpserver_options(self) -> dict[str, Any]:
        return {"ssl_options": self.get_ssl_options()}

    def get_ssl_options(self) -> dict[str, Any]:
        """The server's ``ssl_options``; override for a certificate of your own."""
        return self.default_ssl_options()

    @staticmethod
    def default_ssl_options() -> dict[str, Any]:
        """Paths of a certificate and its key, made for tests: ``foo.example.com``, ``localhost`` and the loopback addresses.

        The key is public. Never use the pair outside of tests.
        """
        # Self-signed, RSA, valid from 2020 to 2119, and strict enough for OpenSSL's X509_STRICT: it has the key identifiers and
        # the usages digitalSignature, keyEncipherment, keyCertSign, serverAuth, clientAuth. tests/test_testing.py checks it.
        pair = os.path.join(os.path.dirname(__file__), "testing")
        return {"certfile": f"{pair}.crt", "keyfile": f"{pair}.key"}

    def get_protocol(self) -> str:
        return "https"


def _start_test(case: AsyncTestCase, call: Callable[[], Any]) -> Awaitable[Any]:
    """Call a test function; give back something for the loop to wait for, and remember a generator that runs behind it."""
    started = call()
    case._test_generator = started if isinstance(started, Generator | Coroutine) else None
    if inspect.isawaitable(started):
        return started
    waited: Awaitable[Any] = gen.coroutine(lambda: started)()  # a generator, or the result of a plain function
    return waited


def _run_test(func: _TestFunction, timeout: float, case: AsyncTestCase, *args: Any, **kwargs: Any) -> Any:
    start = functools.partial(_start_test, case, functools.partial(func, case, *args, **kwargs))
    try:
        return case.io_loop.run_sync(start, timeout=timeout)
    except TimeoutError as error:
        # The loop's traceback says nothing; thrown into the generator, the error shows the line that the test hung on.
        # (A native coroutine has been cancelled by now.)
        if isinstance(case._test_generator, Generator):
            case._test_generator.throw(error)
        raise


@overload
def gen_test(*, timeout: float | None = None) -> Callable[[_TestFunction], Callable[..., None]]: ...


@overload
def gen_test(func: _TestFunction) -> Callable[..., None]: ...


def gen_test(
    func: _TestFunction | None = None, timeout: float | None = None
) -> Callable[..., None] | Callable[[_TestFunction], Callable[..., None]]:
    """Turns an asynchronous test method of an :class:`AsyncTestCase` into one that unittest can call.

    For native coroutines as well as for generators in the manner of ``gen.coroutine``::

        class ClientTest(AsyncHTTPTestCase):
            @gen_test
            async def test_home(self):
                response = await self.http_client.fetch(self.get_url("/"))

            @gen_test(timeout=10)
            async def test_slow(self):
                ...

    :arg timeout: seconds; default :func:`get_async_test_timeout` as it is when the method is defined. A test that takes
        longer fails with ``TimeoutError``.

    Arguments are passed on. Inside, :meth:`AsyncTestCase.wait`, ``stop`` and ``fetch`` cannot be used: the loop runs already.
    """
    seconds = get_async_test_timeout() if timeout is None else timeout

    def decorate(test: _TestFunction) -> Callable[..., None]:
        @functools.wraps(test)
        def run(self: AsyncTestCase, *args: Any, **kwargs: Any) -> Any:  # not None is an error, see _callTestMethod
            return _run_test(test, seconds, self, *args, **kwargs)

        return run

    return decorate if func is None else decorate(func)


gen_test.__test__ = False  # type: ignore[attr-defined]  # its name begins like a test's: test collectors must pass over it


class ExpectLog(logging.Filter):
    """Expects a log line inside a ``with`` block, and keeps it out of the output. Not thread-safe.

    ::

        with ExpectLog("tornado.application", "Uncaught exception"):
            response = self.fetch("/broken")

    ``matched`` counts the lines that matched, ``logged_stack`` says whether any line of the logger had a traceback.
    """

    def __init__(self, logger: logging.Logger | str, regex: str, required: bool = True, level: int | None = None) -> None:
        """
        :arg logger: a logger or its name; the empty name is the root logger.
        :arg regex: a regular expression that the line must begin with.
        :arg required: whether it is an error if no line matches.
        :arg level: the level, such as ``logging.INFO``, that the line must have. The logger is set to let it through for the
            time of the block. Required for lines below WARNING, or else there is a DeprecationWarning.
        """
        super().__init__()
        self.logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.regex = re.compile(regex)
        self.required = required
        self.level = level
        self.matched = 0
        self.deprecated_level_matched = 0
        self.logged_stack = False
        self.orig_level: int | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        self.logged_stack = self.logged_stack or bool(record.exc_info)
        message = record.getMessage()
        if not self.regex.match(message):
            return True
        if self.level not in (None, record.levelno):
            expected = logging.getLevelName(self.level or 0)
            app_log.warning("Got expected log message %r at unexpected level (%s vs %s)", message, expected, record.levelname)
            return True
        if self.level is None and record.levelno < logging.WARNING:
            # Logging swallows what is raised here, so that the warning has to wait for the end of the block.
            self.deprecated_level_matched += 1
        self.matched += 1
        return False

    def __enter__(self) -> "ExpectLog":
        if self.level is not None and not self.logger.isEnabledFor(self.level):
            self.orig_level = self.logger.level
            self.logger.setLevel(self.level)
        self.logger.addFilter(self)
        return self

    def __exit__(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.logger.removeFilter(self)
        if self.orig_level is not None:
            self.logger.setLevel(self.orig_level)
        if typ is not None or not self.required:
            return
        if not self.matched:
            raise Exception("did not get expected log message")
        if self.deprecated_level_matched == self.matched:
            warnings.warn("ExpectLog matched at INFO or below without level argument", DeprecationWarning, stacklevel=2)


def setup_with_context_manager(testcase: unittest.TestCase, cm: Any) -> Any:
    """Enter the context manager ``cm`` in ``setUp``, to be left when the test is over. Returns what ``cm`` yields.

    Like ``TestCase.enterContext`` of Python 3.11, for those who support older versions.
    """
    return testcase.enterContext(cm)


# Options of unittest's command line that Tornado's parser has to let through: our name -> keyword and value for unittest.main.
_UNITTEST_OPTIONS: dict[str, tuple[str, Any]] = {
    "verbose": ("verbosity", 2),
    "quiet": ("verbosity", 0),
    "failfast": ("failfast", True),
    "catch": ("catchbreak", True),
    "buffer": ("buffer", True),
}


def main(**kwargs: Any) -> None:
    """Run tests from the command line: ``unittest.main`` with Tornado's options (``--logging=...``) and log format.

    ``python -m tornado.testing some.test_module`` needs no code at all. A test script of a project may define ``all()``,
    which returns a test suite, and call this; names on the command line then select single tests. ``kwargs`` go to
    ``unittest.main``. Ends the process like that does.
    """
    from tornadolike.options import define, options, parse_command_line  # few programs define options by testing

    define(
        "exception_on_interrupt",
        default=True,
        type=bool,
        help="Ctrl-C raises KeyboardInterrupt, with a traceback; --exception_on_interrupt=false ends the process outright",
    )
    for name in _UNITTEST_OPTIONS:
        define(name, type=bool)
    tests = parse_command_line(sys.argv)
    if not options.exception_on_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    kwargs.update(setting for name, setting in _UNITTEST_OPTIONS.items() if options[name] is not None)
    argv = [sys.argv[0], *tests]
    if tests:
        unittest.main(module=None, argv=argv, **kwargs)
    elif __name__ == "__main__":
        print("No tests specified", file=sys.stderr)  # noqa: T201 - a command's own message
        sys.exit(1)
    else:
        unittest.main(defaultTest="all", argv=argv, **kwargs)


if __name__ == "__main__":
    main()


_imported_names.complete(globals())
