"""More of the work that `works.py` does, of all modules; loaded by its path, as that is run by its."""

# ruff: noqa: B008, C901
# What a default of a lambda is called with is made once, before the work is measured; and each function registers many works.

# mypy: disable-error-code="untyped-decorator, no-any-return, misc, no-untyped-call"
# The package is only known when this runs.

import asyncio
import concurrent.futures
import datetime as dt
import gzip
import importlib
import io
import logging
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Run = Callable[[int], object]
Coroutine = Callable[[int], Awaitable[object]]
Make = Callable[[Any], "Run | Coroutine"]

_SOON = dt.timedelta(seconds=100)
_TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua."
_COOKIES = "session=0123456789abcdef; theme=dark; lang=en"
_GET = b"GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept: text/html\r\nCookie: %b\r\n\r\n" % _COOKIES.encode()


def register(work: Callable[[str], Callable[[Make], None]]) -> None:
    """Register all of them by the decorator of `works.py`."""
    for part in (
        _escape,
        _httputil,
        _gen,
        _concurrent,
        _ioloop,
        _locks,
        _queues,
        _small_modules,
        _template,
        _routing,
        _web,
        _streams,
        _servers,
    ):
        part(work, lambda name, call: work(name)(_again(call)))


def _again(call: Callable[[Any], Callable[[], object]]) -> Make:
    """Work that is one call, again and again."""

    def make(module: Any) -> Run:
        once = call(module)

        def run(n: int) -> None:
            for _ in range(n):
                once()

        return run

    return make


def _sibling(module: Any, name: str) -> Any:
    return importlib.import_module(f"{module.__name__.partition('.')[0]}.{name}")


def _escape(work: Any, calls: Any) -> None:
    calls("escape: url_escape, a path", lambda m: lambda f=m.url_escape: f("/a/b c/é", plus=False))
    calls("escape: url_unescape, to bytes", lambda m: lambda f=m.url_unescape: f("a+b%2Fc", encoding=None))
    calls("escape: url_unescape, nothing in it", lambda m: lambda f=m.url_unescape: f("plain-text"))
    calls("escape: xhtml_escape, bytes", lambda m: lambda f=m.xhtml_escape: f(b"a < b"))
    calls("escape: xhtml_unescape, names", lambda m: lambda f=m.xhtml_unescape: f("&eacute;t&eacute; &copy; &nbsp; &#x27;"))
    calls("escape: xhtml_unescape, nothing in it", lambda m: lambda f=m.xhtml_unescape: f(_TEXT))
    calls("escape: json_encode, 100 rows", lambda m: lambda f=m.json_encode, d=[{"id": n, "name": "x"} for n in range(100)]: f(d))
    calls("escape: json_encode, with a tag", lambda m: lambda f=m.json_encode: f({"a": "</script>"}))
    calls("escape: json_decode, bytes", lambda m: lambda f=m.json_decode: f(b'{"a": 1}'))
    calls("escape: utf8, text that is not ASCII", lambda m: lambda f=m.utf8: f("é" * 20))
    calls("escape: to_unicode, bytes", lambda m: lambda f=m.to_unicode: f(b"some bytes of text"))
    calls("escape: to_unicode, text", lambda m: lambda f=m.to_unicode: f("text"))
    calls("escape: utf8, None", lambda m: lambda f=m.utf8: f(None))
    calls("escape: native_str", lambda m: lambda f=m.native_str: f(b"some bytes of text"))
    calls("escape: recursive_unicode, a list", lambda m: lambda f=m.recursive_unicode: f([b"a", ("b", b"c"), 1, None]))
    calls("escape: linkify, an address of mail", lambda m: lambda f=m.linkify: f("write to ada@example.com or see example.org"))
    calls("escape: linkify, extra parameters", lambda m: lambda f=m.linkify: f("http://a.b/c", extra_params='rel="nofollow"'))
    calls("escape: linkify, protocol required", lambda m: lambda f=m.linkify: f("www.a.b http://c.d", require_protocol=True))
    calls("escape: squeeze, a page", lambda m: lambda f=m.squeeze, t=("<p>\n    " + _TEXT + "\n</p>\n") * 5: f(t))
    calls("escape: parse_qs_bytes, bytes", lambda m: lambda f=m.parse_qs_bytes: f(b"a=1&b=2"))


def _httputil(work: Any, calls: Any) -> None:
    fields = [(f"X-Field-{number}", f"value {number}") for number in range(10)]

    def headers(module: Any) -> Any:
        made = module.HTTPHeaders()
        for name, value in fields:
            made.add(name, value)
        made.add("Set-Cookie", "a=b")
        made.add("Set-Cookie", "c=d")
        return made

    calls("httputil: HTTPHeaders, from a dict", lambda m: lambda f=m.HTTPHeaders, d=dict(fields): f(d))
    calls("httputil: HTTPHeaders, from keywords", lambda m: lambda f=m.HTTPHeaders: f(a="b", c="d"))
    calls("httputil: HTTPHeaders, add ten", lambda m: lambda: headers(m))
    calls("httputil: HTTPHeaders, copy", lambda m: lambda f=headers(m): f.copy())
    calls("httputil: HTTPHeaders, items", lambda m: lambda f=headers(m): list(f.items()))
    calls("httputil: HTTPHeaders, names", lambda m: lambda f=headers(m): list(f))
    calls("httputil: HTTPHeaders, get", lambda m: lambda f=headers(m): f.get("X-Field-3"))
    calls("httputil: HTTPHeaders, get, written otherwise", lambda m: lambda f=headers(m): f.get("x-field-3"))
    calls("httputil: HTTPHeaders, get of one that is not there", lambda m: lambda f=headers(m): f.get("X-Missing"))
    calls("httputil: HTTPHeaders, in", lambda m: lambda f=headers(m): "X-Field-3" in f)
    calls("httputil: HTTPHeaders, get_list", lambda m: lambda f=headers(m): f.get_list("Set-Cookie"))
    calls("httputil: HTTPHeaders, as text", lambda m: lambda f=headers(m): str(f))
    calls("httputil: HTTPHeaders, parse_line", lambda m: lambda f=m.HTTPHeaders: f().parse_line("Content-Type: text/html"))
    calls("httputil: HTTPHeaders, update", lambda m: lambda f=m.HTTPHeaders, d=dict(fields): f().update(d))
    calls("httputil: HTTPHeaders, equal", lambda m: lambda a=headers(m), b=headers(m): a == b)
    calls("httputil: HTTPHeaders, length", lambda m: lambda f=headers(m): len(f))

    def replaced(module: Any) -> Callable[[], object]:
        made = headers(module)

        def once() -> None:
            made["X-Field-3"] = "new"
            del made["X-Field-3"]

        return once

    calls("httputil: HTTPHeaders, set and delete", replaced)
    calls("httputil: ResponseStartLine", lambda m: lambda f=m.ResponseStartLine: f("HTTP/1.1", 200, "OK"))
    calls("httputil: RequestStartLine", lambda m: lambda f=m.RequestStartLine: f("GET", "/", "HTTP/1.1"))
    calls("httputil: format_timestamp, a datetime", lambda m: lambda f=m.format_timestamp, t=dt.datetime(2024, 1, 2, 3, 4): f(t))
    calls("httputil: format_timestamp, ever new", _ever_new)
    calls("httputil: url_concat, nothing", lambda m: lambda f=m.url_concat: f("http://a/b", None))
    calls("httputil: url_concat, a fragment", lambda m: lambda f=m.url_concat: f("http://a/b?c=d#e", {"f": "g"}))
    calls("httputil: split_host_and_port, no port", lambda m: lambda f=m.split_host_and_port: f("example.com"))
    calls("httputil: split_host_and_port, IPv6", lambda m: lambda f=m.split_host_and_port: f("[::1]:80"))
    calls("httputil: parse_cookie, one", lambda m: lambda f=m.parse_cookie: f("a=b"))
    calls("httputil: parse_cookie, a long one", lambda m: lambda f=m.parse_cookie: f("; ".join(f"name{n}=value{n}" for n in range(20))))
    calls("httputil: HTTPServerRequest", _request_only)
    calls("httputil: HTTPServerRequest, full_url", _full_url)
    calls("httputil: HTTPFile", lambda m: lambda f=m.HTTPFile: f(filename="a", body=b"b", content_type="c").body)
    work("httputil: urlencoded form of 50 fields")(_form_of_fifty)
    work("httputil: multipart, a name that is not ASCII")(_star_form)


def _ever_new(module: Any) -> Callable[[], object]:
    times = iter(range(1_000_000_000, 2_000_000_000))
    return lambda: module.format_timestamp(next(times))


def _request_only(module: Any) -> Callable[[], object]:
    headers = module.HTTPHeaders({"Host": "example.com"})
    return lambda: module.HTTPServerRequest(method="GET", uri="/a?b=c", headers=headers).path


def _full_url(module: Any) -> Callable[[], object]:
    headers = module.HTTPHeaders({"Host": "example.com"})
    return lambda: module.HTTPServerRequest(method="GET", uri="/a?b=c", headers=headers).full_url()


def _form_of_fifty(httputil: Any) -> Run:
    body = "&".join(f"field{number}=some+value%20{number}" for number in range(50)).encode()

    def run(n: int) -> None:
        for _ in range(n):
            arguments: dict[str, Any] = {}
            httputil.parse_body_arguments("application/x-www-form-urlencoded", body, arguments, {})
            assert len(arguments) == 50

    return run


def _star_form(httputil: Any) -> Run:
    head = b'Content-Disposition: form-data; name="f"; filename="x"; filename*=utf-8\'\'%C3%A9.txt'
    body = (
        b"--B\r\n"
        + head
        + b'\r\nContent-Type: text/plain\r\n\r\nx\r\n--B\r\nContent-Disposition: form-data; name="g"\r\n\r\ny\r\n--B--\r\n'
    )

    def run(n: int) -> None:
        for _ in range(n):
            arguments: dict[str, Any] = {}
            files: dict[str, Any] = {}
            httputil.parse_multipart_form_data(b"B", body, arguments, files)
            assert arguments
            assert files

    return run


def _awaiting(once: Callable[[], Awaitable[object]]) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            await once()

    return run


def _gen(work: Any, calls: Any) -> None:
    @work("gen: coroutine with gen.Return")
    def returning(gen: Any) -> Coroutine:
        @gen.coroutine
        def leaf() -> Any:
            yield gen.moment
            raise gen.Return(1)

        return _awaiting(leaf)

    @work("gen: coroutine that fails")
    def failing(gen: Any) -> Coroutine:
        @gen.coroutine
        def leaf() -> Any:
            yield gen.moment
            raise KeyError

        @gen.coroutine
        def root() -> Any:
            try:
                yield leaf()
            except KeyError:
                return

        return _awaiting(root)

    @work("gen: coroutine without a yield")
    def no_generator(gen: Any) -> Coroutine:
        @gen.coroutine
        def leaf() -> Any:
            return 1

        return _awaiting(leaf)

    @work("gen: coroutine, ten futures that are done")
    def done_ones(gen: Any) -> Coroutine:
        @gen.coroutine
        def root() -> Any:
            future = gen.Future()
            future.set_result(1)
            for _ in range(10):
                yield future

        return _awaiting(root)

    @work("gen: coroutine, a future that is not done")
    def pending(gen: Any) -> Coroutine:
        @gen.coroutine
        def root() -> Any:
            future = gen.Future()
            asyncio.get_running_loop().call_soon(future.set_result, 1)
            yield future

        return _awaiting(root)

    @work("gen: coroutine, a list and a dict yielded")
    def lists(gen: Any) -> Coroutine:
        @gen.coroutine
        def leaf() -> Any:
            yield gen.moment
            return 1

        @gen.coroutine
        def root() -> Any:
            assert (yield [leaf(), leaf()]) == [1, 1]
            assert (yield {"a": leaf(), "b": leaf()}) == {"a": 1, "b": 1}

        return _awaiting(root)

    @work("gen: coroutine, a native one awaits it")
    def awaited(gen: Any) -> Coroutine:
        @gen.coroutine
        def leaf() -> Any:
            yield asyncio.sleep(0)
            return 1

        async def root() -> None:
            await leaf()

        return _awaiting(root)

    @work("gen: coroutine, yielded concurrent future")
    def executor_future(gen: Any) -> Coroutine:
        @gen.coroutine
        def root() -> Any:
            future: concurrent.futures.Future[int] = concurrent.futures.Future()
            future.set_result(1)
            assert (yield future) == 1

        return _awaiting(root)

    @work("gen: moment")
    def moment(gen: Any) -> Coroutine:
        @gen.coroutine
        def root(n: int) -> Any:
            for _ in range(n):
                yield gen.moment

        return root

    @work("gen: sleep of no time, awaited in a coroutine")
    def sleeping(gen: Any) -> Coroutine:
        @gen.coroutine
        def root(n: int) -> Any:
            for _ in range(n):
                yield gen.sleep(0)

        return root

    @work("gen: with_timeout of a coroutine")
    def with_timeout(gen: Any) -> Coroutine:
        async def leaf() -> int:
            await asyncio.sleep(0)
            return 1

        return _awaiting(lambda: gen.with_timeout(_SOON, leaf()))

    @work("gen: with_timeout that is over")
    def timed_out(gen: Any) -> Coroutine:
        async def once() -> None:
            try:
                await gen.with_timeout(dt.timedelta(0), gen.Future())
            except gen.TimeoutError:
                pass

        return _awaiting(once)

    @work("gen: WaitIterator of a dict")
    def iterating(gen: Any) -> Coroutine:
        async def once() -> None:
            futures = {"a": gen.Future(), "b": gen.Future()}
            waiting = gen.WaitIterator(**futures)
            for future in futures.values():
                future.set_result(1)
            while not waiting.done():
                await waiting.next()

        return _awaiting(once)

    @work("gen: multi of a hundred")
    def hundred(gen: Any) -> Coroutine:
        async def once() -> None:
            futures = [gen.Future() for _ in range(100)]
            waiting = gen.multi(futures)
            for future in futures:
                future.set_result(1)
            await waiting

        return _awaiting(once)

    calls_in_loop(work, "gen: multi of nothing", lambda m: lambda f=m.multi: f([]))
    calls_in_loop(work, "gen: multi of two that are done", lambda m: lambda f=m.multi, d=_done(m.Future): f([d, d]))
    calls_in_loop(work, "gen: maybe_future, a value", lambda m: lambda f=m.maybe_future: f(1))
    calls_in_loop(work, "gen: maybe_future, a future", lambda m: lambda f=m.maybe_future, d=_done(m.Future): f(d))
    calls_in_loop(work, "gen: convert_yielded, a future", lambda m: lambda f=m.convert_yielded, d=_done(m.Future): f(d))
    calls_in_loop(work, "gen: convert_yielded, None", lambda m: lambda f=m.convert_yielded: f(None))
    calls("gen: is_coroutine_function", lambda m: lambda f=m.is_coroutine_function, g=m.coroutine(int): f(g))
    calls("gen: coroutine, decorating", lambda m: lambda f=m.coroutine: f(_gen))


def _done(future: Any) -> Any:
    made = future()
    made.set_result(1)
    return made


def calls_in_loop(work: Any, name: str, call: Callable[[Any], Callable[[], object]]) -> None:
    """Work that is one call, again and again, while the loop runs."""

    @work(name)
    def make(module: Any) -> Coroutine:
        async def run(n: int) -> None:
            once = call(module)
            for _ in range(n):
                once()

        return run


def _concurrent(work: Any, calls: Any) -> None:
    calls_in_loop(work, "concurrent: is_future", lambda m: lambda f=m.is_future, d=m.Future(): f(d))
    calls_in_loop(work, "concurrent: set_result_unless_cancelled", lambda m: lambda: m.future_set_result_unless_cancelled(m.Future(), 1))
    calls_in_loop(work, "concurrent: add_done_callback, done", lambda m: lambda d=_done(m.Future): m.future_add_done_callback(d, id))

    @work("concurrent: set_exception_unless_cancelled")
    def failing(module: Any) -> Coroutine:
        error = KeyError()

        async def run(n: int) -> None:
            for _ in range(n):
                future = module.Future()
                module.future_set_exception_unless_cancelled(future, error)
                future.exception()

        return run

    @work("concurrent: set_exc_info")
    def exc_info(module: Any) -> Coroutine:
        error = KeyError()

        async def run(n: int) -> None:
            for _ in range(n):
                future = module.Future()
                module.future_set_exc_info(future, (KeyError, error, None))
                future.exception()

        return run

    @work("concurrent: add_done_callback, not done")
    def later(module: Any) -> Coroutine:
        async def once() -> None:
            future = module.Future()
            module.future_add_done_callback(future, id)
            future.set_result(1)
            await future

        return _awaiting(once)

    @work("concurrent: chain_future of one that is done")
    def chained(module: Any) -> Coroutine:
        async def once() -> None:
            target = module.Future()
            module.chain_future(_done(module.Future), target)
            await target

        return _awaiting(once)

    @work("concurrent: run_on_executor, a thread")
    def thread(module: Any) -> Coroutine:
        class Jobs:
            pool = concurrent.futures.ThreadPoolExecutor(1)

            @module.run_on_executor(executor="pool")
            def job(self) -> int:
                return 1

        return _awaiting(Jobs().job)


def _ioloop(work: Any, calls: Any) -> None:
    @work("ioloop: run_in_executor")
    def executor(ioloop: Any) -> Coroutine:
        pool = concurrent.futures.ThreadPoolExecutor(1)
        return _awaiting(lambda: ioloop.IOLoop.current().run_in_executor(pool, int))

    @work("ioloop: add_callback with keywords")
    def keywords(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop = ioloop.IOLoop.current()
            for number in range(n):
                io_loop.add_callback(dict, a=1)
                if number % 100 == 99:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

        return run

    @work("ioloop: add_callback_from_signal")
    def signal(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop = ioloop.IOLoop.current()
            for number in range(n):
                io_loop.add_callback_from_signal(int)
                if number % 100 == 99:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

        return run

    @work("ioloop: add_timeout with a timedelta, removed")
    def deltas(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop = ioloop.IOLoop.current()
            for number in range(n):
                io_loop.remove_timeout(io_loop.add_timeout(_SOON, int))
                if number % 100 == 99:
                    await asyncio.sleep(0)

        return run

    @work("ioloop: call_at, removed")
    def call_at(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop = ioloop.IOLoop.current()
            for number in range(n):
                io_loop.remove_timeout(io_loop.call_at(io_loop.time() + 100, int))
                if number % 100 == 99:
                    await asyncio.sleep(0)

        return run

    @work("ioloop: PeriodicCallback, started and stopped")
    def periodic(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            for number in range(n):
                one = ioloop.PeriodicCallback(int, 1000)
                one.start()
                one.stop()
                if number % 100 == 99:
                    await asyncio.sleep(0)

        return run

    @work("ioloop: PeriodicCallback, called")
    def periodic_called(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            left, done = n, asyncio.get_running_loop().create_future()

            def tick() -> None:
                nonlocal left
                left -= 1
                if not left:
                    done.set_result(None)

            one = ioloop.PeriodicCallback(tick, 0.001)
            one.start()
            await done
            one.stop()

        return run

    @work("ioloop: add_future of one that is done")
    def done_future(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop, future = ioloop.IOLoop.current(), asyncio.get_running_loop().create_future()
            future.set_result(1)
            for number in range(n):
                io_loop.add_future(future, bool)
                if number % 100 == 99:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

        return run

    calls_in_loop(work, "ioloop: current", lambda m: lambda f=m.IOLoop.current: f())
    calls_in_loop(work, "ioloop: time", lambda m: lambda f=m.IOLoop.current().time: f())

    @work("ioloop: add_handler and remove_handler")
    def handlers(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop = ioloop.IOLoop.current()
            left, right = socket.socketpair()
            with left, right:
                for _ in range(n):
                    io_loop.add_handler(left, id, io_loop.READ)
                    io_loop.update_handler(left, io_loop.WRITE)
                    io_loop.remove_handler(left)

        return run

    @work("ioloop: add_handler, called")
    def handled(ioloop: Any) -> Coroutine:
        async def run(n: int) -> None:
            io_loop = ioloop.IOLoop.current()
            left, right = socket.socketpair()
            seen, done = 0, asyncio.get_running_loop().create_future()

            def readable(sock: Any, events: int) -> None:
                nonlocal seen
                sock.recv(10)
                seen += 1
                if seen == n:
                    done.set_result(None)
                else:
                    right.send(b"x")

            with left, right:
                left.setblocking(False)
                io_loop.add_handler(left, readable, io_loop.READ)
                right.send(b"x")
                await done
                io_loop.remove_handler(left)

        return run


def _locks(work: Any, calls: Any) -> None:
    @work("locks: Event to ten tasks")
    def event(locks: Any) -> Coroutine:
        async def once() -> None:
            event = locks.Event()
            tasks = [asyncio.ensure_future(_wait(event)) for _ in range(10)]
            await asyncio.sleep(0)
            event.set()
            await asyncio.gather(*tasks)

        return _awaiting(once)

    async def _wait(event: Any) -> None:
        await event.wait()

    calls_in_loop(work, "locks: Event, wait for one that is set", lambda m: lambda e=_set(m.Event()): e.wait())
    calls("locks: Event, made, set and cleared", lambda m: lambda: _set(m.Event()).clear())

    @work("locks: Semaphore, free")
    def free(locks: Any) -> Coroutine:
        semaphore = locks.Semaphore(10)

        async def once() -> None:
            async with semaphore:
                pass

        return _awaiting(once)

    @work("locks: Semaphore, with yield")
    def yielded(locks: Any) -> Coroutine:
        gen = _sibling(locks, "gen")
        semaphore = locks.BoundedSemaphore(1)

        @gen.coroutine
        def root() -> Any:
            with (yield semaphore.acquire()):
                pass

        return _awaiting(root)

    @work("locks: Semaphore, acquire with timeout that is over")
    def over(locks: Any) -> Coroutine:
        async def run(n: int) -> None:
            semaphore = locks.Semaphore(0)
            for _ in range(n):
                try:
                    await semaphore.acquire(dt.timedelta(0))
                except _sibling(locks, "util").TimeoutError:
                    pass

        return run

    @work("locks: Semaphore, acquire with timeout")
    def in_time(locks: Any) -> Coroutine:
        async def run(n: int) -> None:
            semaphore = locks.Semaphore(0)
            for _ in range(n):
                waiting = semaphore.acquire(_SOON)
                semaphore.release()
                await waiting

        return run

    @work("locks: Lock, made and taken")
    def made(locks: Any) -> Coroutine:
        async def once() -> None:
            await locks.Lock().acquire()

        return _awaiting(once)

    @work("locks: Condition, notify one")
    def notify(locks: Any) -> Coroutine:
        async def run(n: int) -> None:
            condition = locks.Condition()
            for _ in range(n):
                waiting = condition.wait()
                condition.notify()
                await waiting

        return run

    @work("locks: Condition, wait whose timeout is over")
    def condition_over(locks: Any) -> Coroutine:
        async def run(n: int) -> None:
            condition = locks.Condition()
            for _ in range(n):
                assert not await condition.wait(dt.timedelta(0))

        return run


def _set(event: Any) -> Any:
    event.set()
    return event


def _queues(work: Any, calls: Any) -> None:
    calls("queues: Queue, made", lambda m: lambda f=m.Queue: f(10))

    @work("queues: LifoQueue")
    def lifo(queues: Any) -> Coroutine:
        async def run(n: int) -> None:
            queue = queues.LifoQueue()
            for number in range(n):
                await queue.put(number)
                await queue.get()

        return run

    @work("queues: get with timeout")
    def timed(queues: Any) -> Coroutine:
        async def run(n: int) -> None:
            queue = queues.Queue()
            for number in range(n):
                waiting = queue.get(_SOON)
                queue.put_nowait(number)
                await waiting

        return run

    @work("queues: get whose timeout is over")
    def over(queues: Any) -> Coroutine:
        async def run(n: int) -> None:
            queue, error = queues.Queue(), _sibling(queues, "util").TimeoutError
            for _ in range(n):
                try:
                    await queue.get(dt.timedelta(0))
                except error:
                    pass

        return run

    @work("queues: put with timeout into a full one")
    def full(queues: Any) -> Coroutine:
        async def run(n: int) -> None:
            queue = queues.Queue(1)
            queue.put_nowait(0)
            for number in range(n):
                waiting = queue.put(number, _SOON)
                queue.get_nowait()
                await waiting

        return run

    @work("queues: join")
    def join(queues: Any) -> Coroutine:
        async def run(n: int) -> None:
            queue = queues.Queue()
            for number in range(n):
                queue.put_nowait(number)
                waiting = queue.join()
                queue.get_nowait()
                queue.task_done()
                await waiting

        return run

    @work("queues: async for, ten consumers")
    def iterated(queues: Any) -> Coroutine:
        async def run(n: int) -> None:
            queue = queues.Queue()

            async def consume() -> None:
                async for _ in queue:
                    queue.task_done()

            tasks = [asyncio.ensure_future(consume()) for _ in range(10)]
            for number in range(n):
                queue.put_nowait(number)
                if number % 10 == 9:
                    await asyncio.sleep(0)
            await queue.join()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        return run

    @work("queues: PriorityQueue, nowait")
    def priority(queues: Any) -> Run:
        def run(n: int) -> None:
            queue = queues.PriorityQueue()
            for number in range(n):
                queue.put_nowait(-number % 7)
                if number % 2:
                    queue.get_nowait()
                    queue.get_nowait()

        return run


def _small_modules(work: Any, calls: Any) -> None:
    calls("util: ArgReplacer, replace", _replacer)
    calls("util: ArgReplacer, get", lambda m: lambda f=m.ArgReplacer(_two, "b").get_old_value: f((1, 2), {}))
    calls("util: Configurable", _configurable)
    calls("util: errno_from_exception", lambda m: lambda f=m.errno_from_exception, e=OSError(2, "x"): f(e))
    calls("util: timedelta_to_seconds", lambda m: lambda f=m.timedelta_to_seconds, d=_SOON: f(d))
    calls("util: unicode_type, ObjectDict read", lambda m: lambda d=m.ObjectDict(a=1): d.a)
    calls("util: re_unescape", lambda m: lambda f=m.re_unescape: f(r"a\.b\-c"))

    @work("util: GzipDecompressor, 70 KB")
    def unzip(util: Any) -> Run:
        data = gzip.compress(b'{"id": 12, "name": "some name", "price": 12.5}, ' * 1400)

        def run(n: int) -> None:
            for _ in range(n):
                one = util.GzipDecompressor()
                one.decompress(data)
                one.flush()

        return run

    @work("util: exec_in")
    def exec_in(util: Any) -> Run:
        def run(n: int) -> None:
            for _ in range(n):
                util.exec_in("a = 1", {})

        return run

    @work("util: raise_exc_info")
    def raising(util: Any) -> Run:
        def run(n: int) -> None:
            for _ in range(n):
                try:
                    util.raise_exc_info((KeyError, KeyError(), None))
                except KeyError:
                    pass

        return run

    calls("log: format a record in colours", _coloured)
    calls("log: format an error", _formatted_error)
    calls("locale: format_date", lambda m: lambda f=m.get("en_US").format_date, d=dt.datetime(2024, 1, 2): f(d))
    calls("locale: format_date, relative", lambda m: lambda f=m.get("en_US").format_date: f(dt.datetime.now(dt.UTC)))
    calls("locale: format_date, full", lambda m: lambda f=m.get("en_US").format_date, d=dt.datetime(2024, 1, 2): f(d, full_format=True))
    calls("locale: format_day", lambda m: lambda f=m.get("en_US").format_day, d=dt.datetime(2024, 1, 2): f(d))
    calls("locale: translate, plural", lambda m: lambda f=m.get("en_US").translate: f("%d item", "%d items", 3))
    calls("locale: pgettext", lambda m: lambda f=m.get("en_US").pgettext: f("menu", "Open"))
    calls("locale: friendly_number", lambda m: lambda f=m.get("en_US").friendly_number: f(123456789))
    calls("locale: get, closest", lambda m: lambda f=m.get: f("de-DE", "fr", "en_US"))
    calls("locale: translated by CSV", _csv)
    calls("options: an option read", lambda m: lambda o=_parser(m): o.port)
    calls("options: set and read", lambda m: lambda o=_parser(m): (o.__setattr__("port", 81), o.port))
    calls("options: parse_config_file", _config_file)
    calls("options: as_dict", lambda m: lambda o=_parser(m): o.as_dict())
    calls("options: a datetime and a timedelta", _dates)
    calls("options: help", lambda m: lambda o=_parser(m): o.print_help(io.StringIO()))
    calls("netutil: is_valid_ip, IPv6", lambda m: lambda f=m.is_valid_ip: f("::1"))
    calls("netutil: is_valid_ip, a name", lambda m: lambda f=m.is_valid_ip: f("example.com"))
    calls("netutil: ssl_options_to_context", lambda m: lambda f=m.ssl_options_to_context: f({}))

    @work("netutil: DefaultExecutorResolver")
    def resolver(netutil: Any) -> Coroutine:
        one = netutil.DefaultExecutorResolver()
        return _awaiting(lambda: one.resolve("127.0.0.1", 80))

    @work("netutil: OverrideResolver")
    def override(netutil: Any) -> Coroutine:
        one = netutil.OverrideResolver(netutil.BlockingResolver(), {"example.com": "127.0.0.1"})
        return _awaiting(lambda: one.resolve("example.com", 80))

    @work("netutil: bind_sockets")
    def bind(netutil: Any) -> Run:
        def run(n: int) -> None:
            for _ in range(n):
                for one in netutil.bind_sockets(0, "127.0.0.1"):
                    one.close()

        return run


def _two(a: int, b: int = 0) -> None:
    return None


def _replacer(util: Any) -> Callable[[], object]:
    one = util.ArgReplacer(_two, "b")
    return lambda: one.replace(5, (1,), {"b": 2})


def _configurable(util: Any) -> Callable[[], object]:
    class Base(util.Configurable):
        @classmethod
        def configurable_base(cls) -> Any:
            return Base

        @classmethod
        def configurable_default(cls) -> Any:
            return One

        def initialize(self, a: int = 0) -> None:
            self.a = a

    class One(Base):
        pass

    return lambda: Base(a=1)


def _coloured(log: Any) -> Callable[[], object]:
    formatter = log.LogFormatter(color=True)
    record = logging.LogRecord("tornado.access", logging.WARNING, "web.py", 1, "%d %s", (404, "GET /"), None)
    return lambda: formatter.format(record)


def _formatted_error(log: Any) -> Callable[[], object]:
    formatter = log.LogFormatter(color=False)
    try:
        raise KeyError("x")
    except KeyError:
        record = logging.LogRecord("tornado.application", logging.ERROR, "web.py", 1, "Uncaught %s", ("x",), sys.exc_info())
    return lambda: formatter.format(record)


def _csv(locale: Any) -> Callable[[], object]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "de_DE.csv").write_text('"Sign out","Abmelden"\n"%d item","%d Teil","singular"\n"%d item","%d Teile","plural"\n')
        locale.load_translations(directory)
    german = locale.get("de_DE")
    return lambda: (german.translate("Sign out"), german.translate("%d item", "%d items", 2), german.translate("Unknown"))


def _parser(options: Any) -> Any:
    parser = options.OptionParser()
    parser.define("port", default=8888, help="where", group="network")
    parser.define("names", type=str, multiple=True)
    parser.define("debug", default=False)
    return parser


def _config_file(options: Any) -> Callable[[], object]:
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write("port = 80\nnames = ['a', 'b']\ndebug = True\n")
    parser = _parser(options)
    return lambda: parser.parse_config_file(file.name)


def _dates(options: Any) -> Callable[[], object]:
    parser = options.OptionParser()
    parser.define("when", type=dt.datetime)
    parser.define("every", type=dt.timedelta)
    parser.define("ports", type=int, multiple=True)
    return lambda: parser.parse_command_line(["x", "--when=2024-01-02 03:04", "--every=1h 30m", "--ports=1:3,8"])


_PAGES = {
    "base.html": "<html><head>{% block title %}Title{% end %}</head><body>{% block body %}{% end %}</body></html>",
    "page.html": '{% extends "base.html" %}{% block title %}{{ title }}{% end %}{% block body %}'
    "{% for x in items %}<p>{{ x }}</p>{% end %}{% end %}",
    "apply.html": "{% apply upper %}some {{ word }} text{% end %}{% set a = 1 %}{% raw word %}{{ a }}",
    "control.html": "{% set n = count %}{% while n %}{% set n = n - 1 %}{% if n == 3 %}{% continue %}{% elif n == 1 %}{% break %}{% else %}"
    "{{ n }}{% end %}{% end %}"
    "{% try %}{{ 1 // 0 }}{% except ZeroDivisionError %}none{% finally %}.{% end %}",
    "plain.html": _TEXT * 20,
    "raw.html": "{% autoescape None %}{% for x in items %}{{ x }},{% end %}",
}


def _template(work: Any, calls: Any) -> None:
    items = [f"item <{number}>" for number in range(20)]

    def generated(page: str, **values: Any) -> Callable[[Any], Callable[[], object]]:
        return lambda m: lambda t=m.DictLoader(_PAGES).load(page): t.generate(**values)

    calls("template: a page that extends another", generated("page.html", title="a & b", items=items))
    calls("template: apply, set, raw", generated("apply.html", upper=lambda s: s.upper(), word="w"))
    calls("template: control", generated("control.html", count=6))
    calls("template: text alone", generated("plain.html"))
    calls("template: without escaping", generated("raw.html", items=items))
    calls("template: loaded again", lambda m: lambda f=m.DictLoader(_PAGES): f.load("page.html"))
    calls(
        "template: load and compile three", lambda m: lambda f=m.DictLoader: (f(_PAGES).load("page.html"), f(_PAGES).load("control.html"))
    )
    calls("template: compile text alone", lambda m: lambda f=m.Template, t=_PAGES["plain.html"]: f(t))
    calls("template: numbers", lambda m: lambda t=m.Template("{% for n in range(50) %}{{ n }} {% end %}"): t.generate())
    calls("template: filter_whitespace", lambda m: lambda f=m.filter_whitespace: f("single", "a\n   b \n\n c" * 20))
    calls("template: Loader, from files", _from_files)


def _from_files(template: Any) -> Callable[[], object]:
    directory = tempfile.mkdtemp()
    for name, text in _PAGES.items():
        Path(directory, name).write_text(text)

    return lambda: template.Loader(directory).load("page.html").generate(title="a", items=["b"])


def _routing(work: Any, calls: Any) -> None:
    def found(count: int, path: str, pattern: str) -> Callable[[Any], Callable[[], object]]:
        def make(routing: Any) -> Callable[[], object]:
            web, httputil = _sibling(routing, "web"), _sibling(routing, "httputil")
            rules: list[Any] = [(pattern % number, web.RequestHandler) for number in range(count)]
            application = web.Application(rules)
            headers = httputil.HTTPHeaders({"Host": "a"})

            def once() -> None:
                request = httputil.HTTPServerRequest(method="GET", uri=path, headers=headers)
                assert application.find_handler(request) is not None

            return once

        return make

    calls("routing: the last of 200 that are names", found(200, "/section199", "/section%d"))
    calls("routing: the last of 200 that are patterns", found(200, "/section199/a", "/section%d/([a-z]+)"))
    calls("routing: the first of ten", found(10, "/section0/a", "/section%d/([a-z]+)"))
    calls("routing: no rule", found(10, "/none", "/section%d/([a-z]+)"))
    calls("routing: named groups", found(3, "/section2/a", "/section%d/(?P<name>[a-z]+)"))
    calls("routing: by host", _hosts)
    calls("routing: nested", _nested)
    calls("routing: reverse", _reverse)
    calls("routing: RuleRouter, made", _rules_made)
    calls("routing: Application, made", _application_made)


def _find(routing: Any, router: Any, path: str) -> Callable[[], object]:
    httputil = _sibling(routing, "httputil")
    headers = httputil.HTTPHeaders({"Host": "example.com"})
    return lambda: router.find_handler(httputil.HTTPServerRequest(method="GET", uri=path, headers=headers))


def _hosts(routing: Any) -> Callable[[], object]:
    web = _sibling(routing, "web")
    application = web.Application()
    application.add_handlers(r"a\.com", [("/(.*)", web.RequestHandler)])
    application.add_handlers(r"example\.com", [("/(.*)", web.RequestHandler)])
    return _find(routing, application, "/x")


def _nested(routing: Any) -> Callable[[], object]:
    web = _sibling(routing, "web")
    inner = web.Application([("/inner/(.*)", web.RequestHandler)])
    return _find(routing, routing.RuleRouter([routing.Rule(routing.PathMatches("/inner.*"), inner)]), "/inner/x")


def _reverse(routing: Any) -> Callable[[], object]:
    web = _sibling(routing, "web")
    application = web.Application(
        [web.url("/a/([0-9]+)/([^/]+)", web.RequestHandler, name="x"), web.url("/b", web.RequestHandler, name="y")]
    )
    return lambda: (application.reverse_url("x", 1, "a b"), application.reverse_url("y"))


def _rules_made(routing: Any) -> Callable[[], object]:
    return lambda: routing.ReversibleRuleRouter([routing.URLSpec(f"/made{number}/(.*)", int, name=str(number)) for number in range(10)])


def _application_made(routing: Any) -> Callable[[], object]:
    web = _sibling(routing, "web")
    return lambda: web.Application([(f"/made{number}/(.*)", web.RequestHandler) for number in range(10)], debug=False)


class _Connection:
    """Stands for the connection of a request: takes what is written."""

    no_keep_alive = False
    context = None

    def set_close_callback(self, callback: Any) -> None:
        pass

    def write_headers(self, start_line: Any, headers: Any, chunk: bytes = b"") -> Any:
        return _done(asyncio.get_running_loop().create_future)

    def write(self, chunk: bytes) -> Any:
        return _done(asyncio.get_running_loop().create_future)

    def finish(self) -> None:
        pass


_SETTINGS: dict[str, Any] = {"cookie_secret": "secret", "xsrf_cookies": False}


def _handled(web: Any, kind: Any, uri: str = "/a?b=c&d=1&d=2", *, cookies: str = _COOKIES, headers: "dict[str, str] | None" = None) -> Any:
    httputil = _sibling(web, "httputil")
    fields = httputil.HTTPHeaders({"Host": "example.com", "Cookie": cookies, **(headers or {})})
    request = httputil.HTTPServerRequest(method="GET", uri=uri, headers=fields, connection=_Connection(), version="HTTP/1.1")
    made = kind(_application(web), request)
    made._transforms = []
    return made


_applications: dict[str, Any] = {}


def _application(web: Any) -> Any:
    if web.__name__ not in _applications:
        template = _sibling(web, "template")
        _applications[web.__name__] = web.Application(
            [web.url("/named/(.*)", web.RequestHandler, name="named")],
            template_loader=template.DictLoader({"a.html": "<p>{{ word }} {{ reverse_url('named', word) }}</p>"}),
            **_SETTINGS,
        )
    return _applications[web.__name__]


def _web(work: Any, calls: Any) -> None:
    def handler(name: str, use: Callable[[Any], object], **how: Any) -> None:
        """What one handler does while it answers."""

        @work(f"web: {name}")
        def make(web: Any) -> Coroutine:
            async def run(n: int) -> None:
                for _ in range(n):
                    use(_handled(web, web.RequestHandler, **how))

            return run

    handler("a handler, made", id)
    handler("get_argument", lambda h: (h.get_argument("b"), h.get_argument("x", None), h.get_query_argument("d")))
    handler("get_arguments", lambda h: (h.get_arguments("d"), h.get_body_arguments("d")))
    handler("get_cookie", lambda h: (h.get_cookie("theme"), h.get_cookie("none")))
    handler("set_cookie", lambda h: h.set_cookie("a", "b", httponly=True, secure=True, samesite="Lax", expires_days=30))
    handler("clear_cookie", lambda h: h.clear_cookie("a"))
    handler("set_signed_cookie", lambda h: h.set_signed_cookie("user", "ada"))
    handler("get_signed_cookie, none", lambda h: h.get_signed_cookie("user"))
    handler("set_header, five", lambda h: [h.set_header(f"X-{n}", "value") for n in range(5)])
    handler(
        "set_header, a number and a date",
        lambda h: (h.set_header("Content-Length", 5), h.set_header("Expires", dt.datetime(2024, 1, 2))),
    )
    handler("add_header and clear_header", lambda h: (h.add_header("X-A", "b"), h.add_header("X-A", "c"), h.clear_header("X-A")))
    handler("set_status", lambda h: (h.set_status(404), h.get_status()))
    handler("write and finish, text", lambda h: (h.write("text"), h.finish()))
    handler("write and finish, a dict", lambda h: h.finish({"a": 1}))
    handler("write ten and finish", lambda h: ([h.write("text") for _ in range(10)], h.finish()))
    handler("redirect", lambda h: h.redirect("/other"))
    handler("render_string", lambda h: h.render_string("a.html", word="w"))
    handler("render", lambda h: h.render("a.html", word="w"))
    handler("reverse_url and static_url", lambda h: h.reverse_url("named", "a"))
    handler("xsrf_token", lambda h: h.xsrf_token)
    handler("xsrf_form_html", lambda h: h.xsrf_form_html())
    handler("locale", lambda h: h.locale, headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
    handler("current_user", lambda h: h.current_user)
    handler("send_error", lambda h: h.send_error(404))
    handler("flush three times", lambda h: ([(h.write("x"), h.flush()) for _ in range(3)], h.finish()))
    handler(
        "check_etag_header", lambda h: (h.write("x"), h.finish()), headers={"If-None-Match": '"11f6ad8ec52a2984abaafd7c3b516503785c2072"'}
    )
    handler("request_time", lambda h: h.request.request_time())
    handler("path_args and decode_argument", lambda h: h.decode_argument(b"abc"))

    @work("web: signed value, version 1")
    def version_1(web: Any) -> Run:
        def run(n: int) -> None:
            for _ in range(n):
                value = web.create_signed_value("secret", "user", "ada", version=1)
                assert web.decode_signed_value("secret", "user", value, min_version=1) == b"ada"

        return run

    @work("web: signed value with key versions")
    def keys(web: Any) -> Run:
        secrets = {1: "a", 2: "b"}

        def run(n: int) -> None:
            for _ in range(n):
                value = web.create_signed_value(secrets, "user", "ada", key_version=2)
                assert web.decode_signed_value(secrets, "user", value) == b"ada"

        return run

    @work("web: signed value that is false")
    def forged(web: Any) -> Run:
        value = web.create_signed_value("other", "user", "ada")
        return lambda n: [web.decode_signed_value("secret", "user", value) for _ in range(n)]

    calls("web: HTTPError", lambda m: lambda f=m.HTTPError: str(f(404, "not %s", "here")))

    @work("web: GZipContentEncoding, 2 KB")
    def transform(web: Any) -> Run:
        httputil = _sibling(web, "httputil")
        request = httputil.HTTPServerRequest(method="GET", uri="/", headers=httputil.HTTPHeaders({"Accept-Encoding": "gzip"}))
        body = (_TEXT * 16).encode()

        def run(n: int) -> None:
            for _ in range(n):
                fields = httputil.HTTPHeaders({"Content-Type": "text/html; charset=UTF-8"})
                web.GZipContentEncoding(request).transform_first_chunk(200, fields, body, True)

        return run


def _streams(work: Any, calls: Any) -> None:
    def over_a_pair(name: str, once: Callable[[Any, Any], Awaitable[object]]) -> None:
        @work(f"iostream: {name}")
        def make(iostream: Any) -> Coroutine:
            async def run(n: int) -> None:
                left, right = map(iostream.IOStream, socket.socketpair())
                for _ in range(n):
                    await once(left, right)
                left.close()
                right.close()

            return run

    async def regex(left: Any, right: Any) -> None:
        left.write(b"some head\r\n\r\n")
        await right.read_until_regex(b"\r?\n\r?\n")

    async def exact(left: Any, right: Any) -> None:
        left.write(b"x" * 100)
        await right.read_bytes(100)

    async def partial(left: Any, right: Any) -> None:
        left.write(b"x" * 100)
        await right.read_bytes(1000, partial=True)

    async def ten_lines(left: Any, right: Any) -> None:
        left.write(b"a line\r\n" * 10)
        for _ in range(10):
            await right.read_until(b"\r\n")

    async def ping_pong(left: Any, right: Any) -> None:
        left.write(b"x")
        await right.read_bytes(1)
        right.write(b"y")
        await left.read_bytes(1)

    async def small_writes(left: Any, right: Any) -> None:
        for _ in range(10):
            left.write(b"0123456789")
        await right.read_bytes(100)

    async def large(left: Any, right: Any) -> None:
        left.write(b"x" * 100_000)
        await right.read_bytes(100_000)

    async def large_partial(left: Any, right: Any) -> None:
        left.write(b"x" * 100_000)
        seen = 0
        while seen < 100_000:
            seen += len(await right.read_bytes(65536, partial=True))

    async def into_partial(left: Any, right: Any) -> None:
        left.write(b"x" * 1000)
        seen, buffer = 0, bytearray(1000)
        while seen < 1000:
            seen += await right.read_into(buffer, partial=True)

    async def fixed_and_line(left: Any, right: Any) -> None:
        left.write(b"0004abcd\r\n")
        assert await right.read_bytes(await _length(right)) == b"abcd"
        await right.read_until(b"\n", max_bytes=10)

    async def _length(stream: Any) -> int:
        return int(await stream.read_bytes(4))

    over_a_pair("read_until_regex", regex)
    over_a_pair("read_bytes, 100", exact)
    over_a_pair("read_bytes, partial", partial)
    over_a_pair("ten lines that came together", ten_lines)
    over_a_pair("ping-pong of a byte", ping_pong)
    over_a_pair("ten small writes", small_writes)
    over_a_pair("100 KB", large)
    over_a_pair("100 KB, in parts", large_partial)
    over_a_pair("read_into, partial", into_partial)
    over_a_pair("frames of a length", fixed_and_line)

    @work("iostream: read_until_close")
    def until_close(iostream: Any) -> Coroutine:
        async def once() -> None:
            left, right = map(iostream.IOStream, socket.socketpair())
            await left.write(b"x" * 1000)
            left.close()
            assert len(await right.read_until_close()) == 1000

        return _awaiting(once)

    @work("iostream: made and closed")
    def made(iostream: Any) -> Coroutine:
        async def once() -> None:
            left, right = map(iostream.IOStream, socket.socketpair())
            left.close()
            right.close()

        return _awaiting(once)


async def _canned(answer: bytes) -> tuple[Any, int]:
    """A server that answers each piece it is sent with the same bytes, as cheaply as asyncio has it."""

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(answer)

    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


class _Asking(asyncio.Protocol):
    """A client that sends the same bytes and waits for an answer of so many, as cheaply as asyncio has it."""

    transport: Any
    missing = 0
    answered: "asyncio.Future[None]"

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing <= 0 and not self.answered.done():
            self.answered.set_result(None)

    def ask(self, data: bytes, size: int) -> "asyncio.Future[None]":
        self.missing, self.answered = size, asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.answered


def _servers(work: Any, calls: Any) -> None:
    @work("tcpserver, tcpclient: connect and echo")
    def echo(tcpserver: Any) -> Coroutine:
        tcpclient = _sibling(tcpserver, "tcpclient")

        class Echo(tcpserver.TCPServer):
            async def handle_stream(self, stream: Any, address: Any) -> None:
                await stream.write(await stream.read_until(b"\n"))
                stream.close()

        async def run(n: int) -> None:
            server, client = Echo(), tcpclient.TCPClient()
            server.listen(0, "127.0.0.1")
            port = next(iter(server._sockets.values())).getsockname()[1]
            for _ in range(n):
                stream = await client.connect("127.0.0.1", port)
                await stream.write(b"hello\n")
                assert await stream.read_until(b"\n") == b"hello\n"
                stream.close()
            server.stop()

        return run

    def fetched(name: str, head: bytes, content: bytes, together: int = 1, **how: Any) -> None:
        @work(f"simple_httpclient: {name}")
        def make(module: Any) -> Coroutine:
            client = module.SimpleAsyncHTTPClient(force_instance=True, max_clients=100)
            answer = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(content) + content

            async def run(n: int) -> None:
                server, port = await _canned(answer)
                for _ in range((n + together - 1) // together):
                    if "streaming_callback" in how:
                        how["streaming_callback"] = [].append
                    fetches = [client.fetch(f"http://127.0.0.1:{port}/", **how) for _ in range(together)]
                    for one in fetches:
                        assert (await one).code == 200
                server.close()

            return run

    text = b"x" * 1000
    fetched("GET", b"", text)
    fetched("GET, 20 at once", b"", text, 20)
    fetched("POST", b"", text, method="POST", body=b"y" * 500)
    fetched("GET, gzip", b"Content-Encoding: gzip\r\n", gzip.compress(text * 20))
    fetched("GET, streamed", b"", text * 100, streaming_callback=id)
    fetched(
        "GET, with fields",
        b"Set-Cookie: a=b\r\nX-A: b\r\n",
        text,
        headers={"Accept": "text/html", "X-B": "c"},
        auth_username="a",
        auth_password="b",
    )
    calls("httpclient: HTTPRequest", lambda m: lambda f=m.HTTPRequest: f("http://a/", headers={"A": "b"}, body=None, request_timeout=5))
    calls("httpclient: HTTPResponse", _response)

    def answered(name: str, request: bytes, make_handler: Callable[[Any], Any], **settings: Any) -> None:
        """One request after the other on a connection that stays; what the client takes is part of it, and the same for both."""

        @work(f"httpserver: {name}")
        def make(httpserver: Any) -> Coroutine:
            web = _sibling(httpserver, "web")
            logging.getLogger(f"{web.__name__.partition('.')[0]}.access").disabled = True
            logging.getLogger("tornado.access").disabled = True
            application = web.Application([("/.*", make_handler(web))], **settings)
            server = httpserver.HTTPServer(application)

            async def run(n: int) -> None:
                loop = asyncio.get_running_loop()
                listener = socket.create_server(("127.0.0.1", 0))
                listener.setblocking(False)
                server.add_sockets([listener])
                _, client = await loop.create_connection(_Asking, *listener.getsockname())
                size = await _size(client, request)
                for _ in range(n):
                    await client.ask(request, size)
                client.transport.close()
                server.stop()
                await server.close_all_connections()

            return run

    async def _size(client: Any, request: bytes) -> int:
        """How long an answer is: asked for twice, in pieces of the loop's choice, until nothing more comes."""
        asked = client.ask(request, 1 << 60)
        before = -1
        while client.missing != before:
            before = client.missing
            await asyncio.sleep(0.02)
        asked.cancel()
        return (1 << 60) - client.missing

    def plain(web: Any) -> Any:
        class Plain(web.RequestHandler):
            def get(self) -> None:
                self.write("hello")

            post = get

        return Plain

    def with_prepare(web: Any) -> Any:
        class Hooked(web.RequestHandler):
            def set_default_headers(self) -> None:
                for number in range(5):
                    self.set_header(f"X-{number}", "value")

            async def prepare(self) -> None:
                self.user = self.get_cookie("session")

            async def get(self) -> None:
                self.finish({"user": self.user})

            def on_finish(self) -> None:
                self.user = None

        return Hooked

    def streaming(web: Any) -> Any:
        @web.stream_request_body
        class Streaming(web.RequestHandler):
            def prepare(self) -> None:
                self.seen = 0

            def data_received(self, chunk: bytes) -> None:
                self.seen += len(chunk)

            def post(self) -> None:
                self.write(str(self.seen))

        return Streaming

    def events(web: Any) -> Any:
        class Events(web.RequestHandler):
            async def get(self) -> None:
                self.set_header("Content-Type", "text/event-stream")
                for number in range(20):
                    self.write(f"data: {number}\n\n")
                    await self.flush()
                    await asyncio.sleep(0)

        return Events

    def generator(web: Any) -> Any:
        gen = _sibling(web, "gen")

        class Generator(web.RequestHandler):
            @gen.coroutine
            def get(self) -> Any:
                yield gen.sleep(0)
                self.write("hello")

        return Generator

    def failing(web: Any) -> Any:
        class Failing(web.RequestHandler):
            def get(self) -> None:
                raise web.HTTPError(404)

        return Failing

    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    answered("GET", _GET, plain)
    answered("GET, hooks and five headers", _GET, with_prepare)
    answered("GET, a generator", _GET, generator)
    answered("GET, an error", _GET, failing)
    answered("GET, compressed", _GET.replace(b"Cookie", b"Accept-Encoding: gzip\r\nCookie"), _long, compress_response=True)
    answered("POST, 1 KB", post % 1000 + b"x" * 1000, plain)
    answered("POST, 100 KB", post % 100_000 + b"x" * 100_000, plain)
    answered("POST, streamed 100 KB", post % 100_000 + b"x" * 100_000, streaming)
    answered(
        "POST, chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 10 + b"0\r\n\r\n", plain
    )
    answered("20 events", _GET, events)
    answered("16 pipelined", _GET * 16, plain)

    def echoed(name: str, message: "str | bytes", **how: Any) -> None:
        @work(f"websocket: {name}")
        def make(websocket: Any) -> Coroutine:
            web, httpserver = _sibling(websocket, "web"), _sibling(websocket, "httpserver")
            logging.getLogger("tornado.access").disabled = True

            class Echo(websocket.WebSocketHandler):
                def get_compression_options(self) -> Any:
                    return how.get("compression_options")

                def on_message(self, message: Any) -> None:
                    self.write_message(message, binary=isinstance(message, bytes))

            async def run(n: int) -> None:
                server = httpserver.HTTPServer(web.Application([("/", Echo)]))
                listener = socket.create_server(("127.0.0.1", 0))
                listener.setblocking(False)
                server.add_sockets([listener])
                client = await websocket.websocket_connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", **how)
                for _ in range(n):
                    client.write_message(message, binary=isinstance(message, bytes))
                    assert len(await client.read_message()) == len(message)
                client.close()
                await client.read_message()
                server.stop()

            return run

    echoed("echo of a text", "hello")
    echoed("echo of 1 KB", "x" * 1000)
    echoed("echo of 100 KB of bytes", b"x" * 100_000)
    echoed("echo of 1 KB, deflated", "x" * 1000, compression_options={})

    @work("websocket: connect and close")
    def connect(websocket: Any) -> Coroutine:
        web, httpserver = _sibling(websocket, "web"), _sibling(websocket, "httpserver")
        logging.getLogger("tornado.access").disabled = True

        class Silent(websocket.WebSocketHandler):
            def on_message(self, message: Any) -> None:
                pass

        async def run(n: int) -> None:
            server = httpserver.HTTPServer(web.Application([("/", Silent)]))
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            server.add_sockets([listener])
            for _ in range(n):
                client = await websocket.websocket_connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
                client.close()
                assert await client.read_message() is None
            server.stop()

        return run

    @work("testing: AsyncHTTPTestCase, a test of one fetch")
    def tested(testing: Any) -> Run:
        web = _sibling(testing, "web")
        logging.getLogger("tornado.access").disabled = True

        class Case(testing.AsyncHTTPTestCase):
            def get_app(self) -> Any:
                return web.Application([("/", web.RedirectHandler, {"url": "/x"}), ("/x", web.ErrorHandler, {"status_code": 200})])

            def test_one(self) -> None:
                assert self.fetch("/", follow_redirects=False).code == 301

        def run(n: int) -> None:
            for _ in range(n):
                result = Case("test_one").run()
                assert result is not None
                assert result.wasSuccessful(), result

        return run


def _long(web: Any) -> Any:
    body = '{"id": 12, "name": "some name", "price": 12.5}, ' * 100

    class Long(web.RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", "application/json")
            self.write(body)

    return Long


def _response(httpclient: Any) -> Callable[[], object]:
    httputil = _sibling(httpclient, "httputil")
    request = httpclient.HTTPRequest("http://a/")
    headers = httputil.HTTPHeaders({"A": "b"})

    def once() -> object:
        return httpclient.HTTPResponse(request, 200, headers=headers, buffer=io.BytesIO(b"x")).body

    return once
