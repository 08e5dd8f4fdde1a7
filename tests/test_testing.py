"""testing: the test cases, run as a user's suite would run them, and the helpers around them."""

import asyncio
import gc
import logging
import os
import pathlib
import re
import ssl
import subprocess
import sys
import unittest
import warnings
from typing import Any

import pytest

import tornadolike
from tornadolike import gen
from tornadolike.httpserver import HTTPServer
from tornadolike.ioloop import IOLoop
from tornadolike.testing import (
    AsyncHTTPSTestCase,
    AsyncHTTPTestCase,
    AsyncTestCase,
    ExpectLog,
    bind_unused_port,
    gen_test,
    get_async_test_timeout,
    setup_with_context_manager,
)
from tornadolike.web import Application, RequestHandler


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def errors(case: type[unittest.TestCase]) -> str:
    result = run(case)
    return "".join(text for _, text in result.errors + result.failures)


def test_timeout_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASYNC_TEST_TIMEOUT", raising=False)
    assert get_async_test_timeout() == 5
    monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "0.25")
    assert get_async_test_timeout() == 0.25
    monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "soon")
    assert get_async_test_timeout() == 5


def test_unused_port() -> None:
    sock, port = bind_unused_port()
    with sock:
        assert sock.getsockname() == ("127.0.0.1", port)


def test_every_test_has_a_loop_of_its_own() -> None:
    loops = []

    class Case(AsyncTestCase):
        @gen_test
        async def test_one(self) -> None:
            loops.append(self.io_loop)
            assert IOLoop.current() is self.io_loop

        test_two = test_one

    assert errors(Case) == ""
    assert len(set(loops)) == 2
    assert all(loop.asyncio_loop.is_closed() for loop in loops)


def test_pending_tasks_end_with_the_test() -> None:
    outcomes = []

    class Case(AsyncTestCase):
        @gen_test
        async def test(self) -> None:
            async def forever() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    outcomes.append("ended")

            self.task = asyncio.ensure_future(forever())
            await asyncio.sleep(0)

    assert errors(Case) == ""
    gc.collect()
    assert outcomes == ["ended"]


def test_a_task_that_fails_while_it_is_cancelled_fails_the_test() -> None:
    class Case(AsyncTestCase):
        @gen_test
        async def test(self) -> None:
            async def stubborn() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    raise ValueError("no clean end")

            self.task = asyncio.ensure_future(stubborn())
            await asyncio.sleep(0)

    assert "no clean end" in errors(Case)


def test_undecorated_test_methods_are_errors() -> None:
    class Case(AsyncTestCase):
        def test_generator(self) -> Any:
            yield

        def test_value(self) -> Any:
            return "result"

    found = errors(Case)
    assert "should be decorated with tornado.testing.gen_test" in found
    assert "Return value from test method ignored: 'result'" in found


def test_own_loop_is_deprecated() -> None:
    class Case(AsyncTestCase):
        def get_new_ioloop(self) -> IOLoop:
            return IOLoop(make_current=False)

        def test(self) -> None:
            pass

    with pytest.warns(DeprecationWarning, match="get_new_ioloop is deprecated"):
        assert errors(Case) == ""


class TestStopAndWait:
    def test_arguments_come_back(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.io_loop.add_callback(self.stop, "value")
                assert self.wait() == "value"
                self.stop(a=1)
                assert self.wait() == {"a": 1}
                self.stop()
                assert self.wait() is None

        assert errors(Case) == ""

    def test_condition(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                count = []

                def step() -> None:
                    count.append(1)
                    self.io_loop.add_callback(step)
                    self.stop()

                self.io_loop.add_callback(step)
                self.wait(condition=lambda: len(count) >= 3)
                assert len(count) >= 3

        assert errors(Case) == ""

    def test_timeout(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.wait(timeout=0.01)

        result = run(Case)
        assert "Async operation timed out after 0.01 seconds" in result.failures[0][1]

    def test_failures_without_a_way_out(self, logs: Any) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self._handle_exception(ValueError, ValueError("first"), None)  # type: ignore[arg-type]
                self._handle_exception(ValueError, ValueError("second"), None)  # type: ignore[arg-type]

        assert "ValueError: first" in errors(Case)
        logs.take("tornado.application", "multiple unhandled exceptions in test")


class TestGenTest:
    def test_all_kinds_of_functions(self) -> None:
        seen = []

        class Case(AsyncTestCase):
            @gen_test
            async def test_native(self) -> None:
                await asyncio.sleep(0)
                seen.append("native")

            @gen_test
            def test_generator(self) -> Any:
                yield gen.moment
                seen.append("generator")

            @gen_test
            def test_plain(self) -> None:
                seen.append("plain")

            @gen_test
            def test_returned_coroutine(self) -> Any:
                return self.helper()

            async def helper(self) -> None:
                await asyncio.sleep(0)
                seen.append("returned")

            @gen_test(timeout=3)
            def test_arguments(self, *args: Any, **kwargs: Any) -> Any:
                yield gen.moment
                seen.append((args, kwargs))

        assert errors(Case) == ""
        assert sorted(map(str, seen)) == ["((), {})", "generator", "native", "plain", "returned"]

    def test_names_survive(self) -> None:
        @gen_test
        async def test_documented(self: Any) -> None:
            """What it is about."""

        assert (test_documented.__name__, test_documented.__doc__) == ("test_documented", "What it is about.")

    def test_failure(self) -> None:
        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> None:
                self.fail("by design")

        assert "by design" in run(Case).failures[0][1]

    def test_timeout_shows_where_a_generator_hangs(self) -> None:
        class Case(AsyncTestCase):
            @gen_test(timeout=0.01)
            def test(self) -> Any:
                yield gen.sleep(60)  # the guilty line

        assert "the guilty line" in errors(Case)

    def test_timeout_of_a_native_coroutine(self) -> None:
        class Case(AsyncTestCase):
            @gen_test(timeout=0.01)
            async def test(self) -> None:
                await asyncio.sleep(60)

        assert "TimeoutError" in errors(Case)

    def test_a_value_is_not_a_test_result(self) -> None:
        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> int:
                return 42

        assert "Return value from test method ignored: 42" in errors(Case)


class Hello(RequestHandler):
    def get(self) -> None:
        self.finish(self.request.protocol)


class TestHTTP:
    @pytest.mark.parametrize(("base", "scheme"), [(AsyncHTTPTestCase, "http"), (AsyncHTTPSTestCase, "https")])
    def test_fetch(self, base: type[AsyncHTTPTestCase], scheme: str) -> None:
        cases = []

        class Case(base):  # type: ignore[misc, valid-type]
            def get_app(self) -> Application:
                cases.append(self)
                return Application([("/", Hello)])

            def test(self) -> None:
                assert self.fetch("/").body == scheme.encode()
                assert self.fetch(self.get_url("/").replace(scheme, scheme.upper())).code == 200
                assert self.get_url("/x").startswith(f"{scheme}://127.0.0.1:{self.get_http_port()}/x")
                assert isinstance(self.http_server, HTTPServer)

            @gen_test
            async def test_own_client(self) -> None:
                response = await self.http_client.fetch(self.get_url("/"))
                assert response.code == 200

        assert errors(Case) == ""
        assert len(cases) == 2
        assert not any(hasattr(case, "http_server") or hasattr(case, "_app") for case in cases)

    def test_status_can_be_an_error(self, logs: Any) -> None:
        class Case(AsyncHTTPTestCase):
            def get_app(self) -> Application:
                return Application([])

            def test(self) -> None:
                assert self.fetch("/none").code == 404
                with pytest.raises(Exception, match="404"):
                    self.fetch("/none", raise_error=True)

        assert errors(Case) == ""
        for _ in range(2):
            logs.take("tornado.access", "404 GET /none")

    def test_an_application_is_needed(self) -> None:
        class Case(AsyncHTTPTestCase):
            def get_app(self) -> Application:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self.addCleanup(self.io_loop.close)
                    return super().get_app()

            def test(self) -> None:
                raise AssertionError

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            assert "NotImplementedError" in errors(Case)
            gc.collect()

    def test_the_certificate_stands_a_strict_check(self) -> None:
        options = AsyncHTTPSTestCase.default_ssl_options()
        server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_context.load_cert_chain(**options)
        client_context = ssl.create_default_context(cafile=options["certfile"])
        client_context.verify_flags |= ssl.VERIFY_X509_STRICT
        for name in ("localhost", "foo.example.com", "127.0.0.1"):
            to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
            server = server_context.wrap_bio(to_server, to_client, server_side=True)
            for side in (client, server, client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
            assert client.getpeercert()["subject"] == ((("commonName", "foo.example.com"),),)  # type: ignore[index]


class TestExpectLog:
    log = logging.getLogger("tornado.general")

    def test_expected_line_is_kept_out(self) -> None:
        with ExpectLog("tornado.general", "some .*") as expect:
            self.log.warning("some line")
        assert (expect.matched, expect.logged_stack) == (1, False)

    def test_other_lines_pass(self, logs: Any) -> None:
        with ExpectLog(self.log, "line", required=False) as expect:
            try:
                raise ValueError
            except ValueError:
                self.log.exception("another line")
        assert (expect.matched, expect.logged_stack) == (0, True)
        logs.take("tornado.general", "another line")

    def test_missing_line(self) -> None:
        with pytest.raises(Exception, match="did not get expected log message"), ExpectLog(self.log, "line"):
            pass

    def test_an_error_in_the_block_goes_first(self) -> None:
        with pytest.raises(ValueError, match="real"), ExpectLog(self.log, "line"):
            raise ValueError("real")

    def test_info_needs_a_level(self) -> None:
        with pytest.warns(DeprecationWarning, match="without level argument"), ExpectLog(self.log, "line"):
            self.log.info("line")

    def test_level_is_lowered_and_restored(self) -> None:
        log = logging.getLogger("tornado.general.child")
        log.setLevel(logging.ERROR)
        with ExpectLog(log, "line", level=logging.DEBUG):
            log.debug("line")
        assert log.level == logging.ERROR

    def test_wrong_level(self, logs: Any) -> None:
        with pytest.raises(Exception, match="did not get"), ExpectLog(self.log, "line", level=logging.INFO):
            self.log.warning("line")
        logs.take("tornado.application", "Got expected log message 'line' at unexpected level .INFO vs WARNING.")
        logs.take("tornado.general", "line")


def test_context_manager_in_set_up() -> None:
    seen = []

    class Context:
        def __enter__(self) -> str:
            seen.append("in")
            return "value"

        def __exit__(self, *info: object) -> None:
            seen.append("out")

    class Case(unittest.TestCase):
        def setUp(self) -> None:
            seen.append(setup_with_context_manager(self, Context()))

        def test(self) -> None:
            seen.append("test")

    assert errors(Case) == ""
    assert seen == ["in", "value", "test", "out"]


SUITE = """
import unittest
from tornadolike.testing import AsyncTestCase, gen_test, main
class Case(AsyncTestCase):
    @gen_test
    async def test_a(self): pass
    @gen_test
    async def test_b(self): self.fail("b fails")
def all():
    return unittest.defaultTestLoader.loadTestsFromTestCase(Case)
if __name__ == "__main__":
    main()
"""


def run_python(*arguments: str, cwd: Any = None) -> subprocess.CompletedProcess[str]:
    path = str(pathlib.Path(tornadolike.__file__).parent.parent)
    environ = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environ, timeout=30, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "output"),
    [
        ([], 1, "Ran 2 tests"),
        (["--verbose", "suite.Case.test_a"], 0, "test_a .*ok"),
        (["--failfast", "--exception_on_interrupt=false", "suite.Case.test_b"], 1, "b fails"),
    ],
)
def test_main(tmp_path: Any, arguments: list[str], status: int, output: str) -> None:
    script = tmp_path / "suite.py"
    script.write_text(SUITE)
    done = run_python(str(script), *arguments, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert re.search(output, done.stderr)


def test_main_without_tests() -> None:
    done = run_python("-m", "tornadolike.testing")
    assert (done.returncode, done.stderr) == (1, "No tests specified\n")


def test_a_test_may_close_the_loop() -> None:
    class Case(AsyncTestCase):
        def test(self) -> None:
            self.io_loop.asyncio_loop.close()  # type: ignore[attr-defined]

    assert errors(Case) == ""
