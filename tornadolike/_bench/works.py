"""Work inside one process, as programs do it with Tornado's modules; the same on Tornado and on tornadolike.

Run as a file of its own, ``works.py PACKAGE LOOP``, so that nothing of tornadolike is in the process that measures Tornado. It prints the
names of all works as one line of JSON; then, for each line ``NAME COUNT`` on its input, the CPU seconds of so many.
"""

# mypy: disable-error-code="untyped-decorator, no-any-return, misc, no-untyped-call"
# The package is only known when this runs.

import asyncio
import importlib
import importlib.util
import json
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

Run = Callable[[int], object]
Coroutine = Callable[[int], Awaitable[object]]

_WORKS: "dict[str, tuple[str, Callable[[Any], Run | Coroutine]]]" = {}
_SOON = timedelta(seconds=100)
_TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua."
_HTML = '<a href="/x?a=1&b=2">' + _TEXT + "</a>"
_PAGE = """<html><head><title>{{ title }}</title></head><body>{% include "head.html" %}
<table>{% for item in items %}<tr class="{{ 'odd' if item['id'] % 2 else 'even' }}"><td>{{ item["id"] }}</td><td>{{ item["name"] }}</td>
<td>{% if item["price"] > 10 %}<b>{{ item["price"] }}</b>{% else %}{{ item["price"] }}{% end %}</td></tr>{% end %}</table></body></html>"""
_ITEMS = [{"id": number, "name": f"item <{number}>", "price": number * 1.25} for number in range(20)]
_FIELDS = (
    "Host: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nCookie: a=1; b=2; session=0123456789abcdef\r\nConnection: keep-alive\r\n"
    "Cache-Control: no-cache\r\nX-Request-Id: 1234\r\n"
)
_COOKIES = "session=0123456789abcdef0123456789abcdef; theme=dark; _xsrf=2|aaaa|bbbb|1700000000; lang=en; _ga=GA1.2.3.4"


def work(name: str) -> Callable[[Callable[[Any], "Run | Coroutine"]], None]:
    """Register what makes a work from a module of the package: a function, or a coroutine function, of a number of times."""
    module = name.partition(": ")[0].partition(",")[0]

    def register(make: Callable[[Any], "Run | Coroutine"]) -> None:
        _WORKS[name] = module, make

    return register


def _calls(name: str, call: Callable[[Any], Callable[[], object]]) -> None:
    """A work that is one call, again and again."""

    @work(name)
    def make(module: Any) -> Run:
        once = call(module)

        def run(n: int) -> None:
            for _ in range(n):
                once()

        return run


_calls("escape: xhtml_escape, a word", lambda m: lambda f=m.xhtml_escape: f("some words"))
_calls("escape: xhtml_escape, a sentence", lambda m: lambda f=m.xhtml_escape: f(_TEXT))
_calls("escape: xhtml_escape, markup", lambda m: lambda f=m.xhtml_escape: f(_HTML))
_calls("escape: xhtml_unescape", lambda m: lambda f=m.xhtml_unescape: f("&lt;a&gt; &amp; &quot;b&quot; &#39;"))
_calls("escape: linkify, text without links", lambda m: lambda f=m.linkify: f(_TEXT))
_calls(
    "escape: linkify, three links",
    lambda m: lambda f=m.linkify: f(f"See http://example.com/a?b=c and www.example.org, {_TEXT} (https://x.y/z)."),
)
_calls("escape: linkify, shortened", lambda m: lambda f=m.linkify: f("See http://example.com/a/long/path/to/some/thing.html", shorten=True))
_calls("escape: json_encode", lambda m: lambda f=m.json_encode: f({"a": [1, 2, 3], "b": "text", "c": None}))
_calls("escape: json_decode", lambda m: lambda f=m.json_decode: f('{"a": [1, 2, 3], "b": "text", "c": null}'))
_calls("escape: url_escape", lambda m: lambda f=m.url_escape: f("a b/c?d=é"))
_calls("escape: url_unescape", lambda m: lambda f=m.url_unescape: f("a+b%2Fc%3Fd%3D%C3%A9"))
_calls("escape: squeeze", lambda m: lambda f=m.squeeze: f("  a  b \n c  "))
_calls("escape: parse_qs_bytes", lambda m: lambda f=m.parse_qs_bytes: f("name=Ada+Lovelace&page=3&tag=a&tag=b&q=%C3%A9", True))
_calls("escape: utf8, to_unicode", lambda m: lambda a=m.utf8, b=m.to_unicode: b(a("text")))
_calls("escape: recursive_unicode", lambda m: lambda f=m.recursive_unicode: f({b"a": [b"b", b"c"], b"d": {b"e": b"f"}}))
_calls("httputil: url_concat", lambda m: lambda f=m.url_concat: f("http://example.com/a?b=c", {"d": "e f", "g": "h"}))
_calls("httputil: url_concat, without a query", lambda m: lambda f=m.url_concat: f("http://example.com/a", [("d", "e"), ("d", "f")]))
_calls("httputil: parse_cookie", lambda m: lambda f=m.parse_cookie: f(_COOKIES))
_calls("httputil: parse_cookie, in quotes", lambda m: lambda f=m.parse_cookie: f('a="b c"; d="e f"; g=h'))
_calls("httputil: HTTPHeaders.parse", lambda m: lambda f=m.HTTPHeaders.parse: f(_FIELDS))
_calls("httputil: format_timestamp", lambda m: lambda f=m.format_timestamp: f(1700000000))
_calls("httputil: parse_request_start_line", lambda m: lambda f=m.parse_request_start_line: f("GET /a/b?c=d HTTP/1.1"))
_calls("httputil: parse_response_start_line", lambda m: lambda f=m.parse_response_start_line: f("HTTP/1.1 200 OK"))
_calls("httputil: split_host_and_port", lambda m: lambda f=m.split_host_and_port: f("example.com:8888"))
_calls("httputil: encode_username_password", lambda m: lambda f=m.encode_username_password: f("Ada", "secret"))
_calls("httputil: qs_to_qsl", lambda m: lambda f=m.qs_to_qsl: list(f({"a": [b"1", b"2"], "b": [b"3"]})))


@work("httputil: HTTPHeaders, set and get")
def _headers(httputil: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            headers = httputil.HTTPHeaders()
            headers["content-type"] = "text/html; charset=UTF-8"
            headers["Content-Length"] = "12"
            headers.add("Set-Cookie", "a=b")
            headers.add("set-cookie", "c=d")
            assert headers["Content-Type"]
            assert headers.get("ETag") is None
            assert "content-length" in headers
            assert headers.get_list("Set-Cookie") == ["a=b", "c=d"]

    return run


@work("httputil: HTTPHeaders, get_all")
def _get_all(httputil: Any) -> Run:
    headers = httputil.HTTPHeaders.parse(_FIELDS)
    return lambda n: [list(headers.get_all()) for _ in range(n)]


def _form(parts: int, size: int) -> bytes:
    part = b'--BOUNDARY\r\nContent-Disposition: form-data; name="f%d"; filename="%d.txt"\r\nContent-Type: text/plain\r\n\r\n%b\r\n'
    return b"".join(part % (number, number, b"x" * size) for number in range(parts)) + b"--BOUNDARY--\r\n"


def _multipart(body: bytes) -> Callable[[Any], Run]:
    def make(httputil: Any) -> Run:
        def run(n: int) -> None:
            for _ in range(n):
                arguments: dict[str, Any] = {}
                files: dict[str, Any] = {}
                httputil.parse_body_arguments("multipart/form-data; boundary=BOUNDARY", body, arguments, files)
                assert files

        return run

    return make


work("httputil: multipart of ten small files")(_multipart(_form(10, 100)))
work("httputil: multipart of 100 KB")(_multipart(_form(1, 100_000)))


@work("httputil: urlencoded form")
def _urlencoded(httputil: Any) -> Run:
    body = b"name=Ada+Lovelace&email=ada%40example.com&text=" + b"x" * 200

    def run(n: int) -> None:
        for _ in range(n):
            arguments: dict[str, Any] = {}
            httputil.parse_body_arguments("application/x-www-form-urlencoded", body, arguments, {})

    return run


@work("httputil: HTTPServerRequest with arguments")
def _request(httputil: Any) -> Run:
    headers = httputil.HTTPHeaders({"Host": "example.com", "Cookie": "a=b"})
    line = httputil.RequestStartLine("GET", "/a?b=c&d=e", "HTTP/1.1")

    def run(n: int) -> None:
        for _ in range(n):
            request = httputil.HTTPServerRequest(start_line=line, headers=headers)
            assert request.arguments["b"] == [b"c"]
            assert request.cookies["a"].value == "b"

    return run


@work("template: generate a page")
def _page(template: Any) -> Run:
    loader = template.DictLoader({"page.html": _PAGE, "head.html": "<h1>{{ title }}</h1>"})
    page = loader.load("page.html")
    return lambda n: [page.generate(title="A & B", items=_ITEMS) for _ in range(n)]


@work("template: generate a line")
def _line(template: Any) -> Run:
    page = template.Template("Hello, {{ name }}!")
    return lambda n: [page.generate(name="Ada") for _ in range(n)]


@work("template: compile")
def _compile(template: Any) -> Run:
    return lambda n: [template.Template(_PAGE.replace('{% include "head.html" %}', "")) for _ in range(n)]


@work("locale: translate and format")
def _translate(locale: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            user = locale.get("en_US", "en")
            user.translate("Sign out")
            user.friendly_number(1234567)
            user.list(["a", "b", "c"])

    return run


@work("options: define and parse")
def _options(options: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            parser = options.OptionParser()
            parser.define("port", default=8888, help="where")
            parser.define("names", type=str, multiple=True)
            parser.parse_command_line(["program", "--port=80", "--names=a,b"])
            assert parser.port == 80

    return run


@work("log: format a record")
def _log(log: Any) -> Run:
    formatter = log.LogFormatter(color=False)
    record = logging.LogRecord("tornado.access", logging.INFO, "web.py", 1, "%d %s %.2fms", (200, "GET / (127.0.0.1)", 0.5), None)
    return lambda n: [formatter.format(record) for _ in range(n)]


_calls("util: import_object", lambda m: lambda f=m.import_object: f("os.path.join"))


@work("util: ObjectDict")
def _object_dict(util: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            one = util.ObjectDict(a=1)
            one.b = one.a

    return run


@work("util: GzipDecompressor")
def _gzip(util: Any) -> Run:
    import gzip

    data = gzip.compress(_TEXT.encode() * 10)
    return lambda n: [util.GzipDecompressor().decompress(data, 1 << 16) for _ in range(n)]


@work("routing: find and reverse")
def _routing(routing: Any) -> Run:
    package = routing.__name__.partition(".")[0]
    web, httputil = (importlib.import_module(f"{package}.{name}") for name in ("web", "httputil"))
    names: list[Any] = [(f"/section{number}/([^/]+)/([0-9]+)", web.RequestHandler, {}, f"s{number}") for number in range(10)]
    application = web.Application([web.url(*one) for one in names])
    request = httputil.HTTPServerRequest(method="GET", uri="/section7/a/12", headers=httputil.HTTPHeaders({"Host": "a"}))

    def run(n: int) -> None:
        for _ in range(n):
            assert application.find_handler(request) is not None
            assert application.reverse_url("s7", "a", 12) == "/section7/a/12"

    return run


@work("web: signed value, made and read")
def _signed(web: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            value = web.create_signed_value("secret", "user", "somebody")
            assert web.decode_signed_value("secret", "user", value) == b"somebody"

    return run


_calls("netutil: is_valid_ip", lambda m: lambda f=m.is_valid_ip: f("192.168.1.1"))


@work("concurrent: chain_future")
def _chain(concurrent: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            a, b = concurrent.Future(), concurrent.Future()
            concurrent.chain_future(a, b)
            a.set_result(1)
            await b

    return run


@work("concurrent: run_on_executor, the dummy one")
def _on_executor(concurrent: Any) -> Coroutine:
    class Jobs:
        executor = concurrent.dummy_executor

        @concurrent.run_on_executor
        def job(self, number: int) -> int:
            return number

    async def run(n: int) -> None:
        jobs = Jobs()
        for number in range(n):
            assert await jobs.job(number) == number

    return run


@work("gen: coroutine chain")
def _coroutines(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        yield gen.moment
        return 1

    @gen.coroutine
    def middle() -> Any:
        return (yield leaf())

    @gen.coroutine
    def root(n: int) -> Any:
        for _ in range(n):
            assert (yield middle()) == 1

    return root


@work("gen: coroutine that is done at once")
def _at_once(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        return 1
        yield

    async def run(n: int) -> None:
        for _ in range(n):
            assert await leaf() == 1

    return run


@work("gen: native coroutines, yielded")
def _native(gen: Any) -> Coroutine:
    async def leaf() -> int:
        await asyncio.sleep(0)
        return 1

    @gen.coroutine
    def root(n: int) -> Any:
        for _ in range(n):
            assert (yield leaf()) == 1

    return root


@work("gen: multi of ten")
def _multi(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(n):
            futures = [loop.create_future() for _ in range(10)]
            waiting = gen.multi(futures)
            for future in futures:
                future.set_result(1)
            await waiting

    return run


@work("gen: multi of ten coroutines")
def _multi_of_coroutines(gen: Any) -> Coroutine:
    async def leaf() -> int:
        await asyncio.sleep(0)
        return 1

    async def run(n: int) -> None:
        for _ in range(n):
            assert await gen.multi([leaf() for _ in range(10)]) == [1] * 10

    return run


@work("gen: multi of a dict")
def _multi_dict(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            futures = {"a": gen.Future(), "b": gen.Future()}
            waiting = gen.multi(futures)
            for future in futures.values():
                future.set_result(1)
            await waiting

    return run


@work("gen: WaitIterator")
def _wait_iterator(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            futures = [gen.Future() for _ in range(5)]
            waiting = gen.WaitIterator(*futures)
            for future in futures:
                future.set_result(1)
            async for _ in waiting:
                pass

    return run


@work("gen: with_timeout")
def _with_timeout(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            future = gen.Future()
            waiting = gen.with_timeout(_SOON, future)
            future.set_result(1)
            await waiting

    return run


@work("gen: sleep")
def _sleep(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            await gen.sleep(0)

    return run


@work("ioloop: add_callback")
def _add_callback(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, done = ioloop.IOLoop.current(), asyncio.get_running_loop().create_future()
        for _ in range(n):
            io_loop.add_callback(int, "1")
        io_loop.add_callback(done.set_result, 1)
        await done

    return run


@work("ioloop: timeouts, set and removed")
def _timeouts(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for number in range(n):
            io_loop.remove_timeout(io_loop.call_later(100, int))
            if number % 100 == 99:
                await asyncio.sleep(0)

    return run


@work("ioloop: call_later")
def _call_later(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, loop = ioloop.IOLoop.current(), asyncio.get_running_loop()
        for _ in range(n // 20 + 1):
            done = loop.create_future()
            for _ in range(19):
                io_loop.call_later(0, int)
            io_loop.call_later(0, done.set_result, 1)
            await done

    return run


@work("ioloop: add_future")
def _add_future(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, loop = ioloop.IOLoop.current(), asyncio.get_running_loop()
        for _ in range(n):
            future = loop.create_future()
            io_loop.add_future(future, bool)
            future.set_result(1)
            await future

    return run


@work("ioloop: coroutine callbacks")
def _spawn(ioloop: Any) -> Coroutine:
    async def callback() -> None:
        await asyncio.sleep(0)

    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for _ in range(n):
            io_loop.spawn_callback(callback)
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)

    return run


@work("queues: put and get")
def _put_get(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()
        for number in range(n):
            await queue.put(number)
            assert await queue.get() == number
            queue.task_done()

    return run


@work("queues: put_nowait and get_nowait")
def _nowait(queues: Any) -> Run:
    def run(n: int) -> None:
        queue = queues.Queue()
        for number in range(n):
            queue.put_nowait(number)
            queue.get_nowait()

    return run


@work("queues: PriorityQueue")
def _priority(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.PriorityQueue()
        for number in range(n):
            await queue.put((-number % 7, number))
            if number % 2:
                await queue.get()
                await queue.get()

    return run


@work("queues: hand-over to a waiting consumer")
def _hand_over(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()

        async def consume() -> None:
            for _ in range(n):
                await queue.get()
                queue.task_done()

        consumer = asyncio.ensure_future(consume())
        await asyncio.sleep(0)
        for number in range(n):
            await queue.put(number)
            await asyncio.sleep(0)
        await consumer

    return run


@work("queues: bounded, producer and consumer")
def _bounded(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue(maxsize=2)

        async def consume() -> None:
            async for item in queue:
                queue.task_done()
                if item is None:
                    return

        consumer = asyncio.ensure_future(consume())
        for number in range(n):
            await queue.put(number)
        await queue.put(None)
        await queue.join()
        await consumer

    return run


@work("locks: Lock, free")
def _free_lock(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        lock = locks.Lock()
        for _ in range(n):
            async with lock:
                pass

    return run


def _contended(make: Callable[[Any], Any], *, bare: bool = False) -> Callable[[Any], Coroutine]:
    def made(locks: Any) -> Coroutine:
        async def run(n: int) -> None:
            lock = make(locks)

            async def one() -> None:
                for _ in range(n // 4 + 1):
                    if bare:
                        await lock.acquire()
                        await asyncio.sleep(0)
                        lock.release()
                    else:
                        async with lock:
                            await asyncio.sleep(0)

            await asyncio.gather(*(one() for _ in range(4)))

        return run

    return made


work("locks: Lock, contended")(_contended(lambda locks: locks.Lock()))
work("locks: Lock, contended, acquire and release")(_contended(lambda locks: locks.Lock(), bare=True))
work("locks: Semaphore of two, contended")(_contended(lambda locks: locks.Semaphore(2)))


@work("locks: Event")
def _event(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        event = locks.Event()
        for _ in range(n):
            waiting = event.wait()
            event.set()
            await waiting
            event.clear()

    return run


@work("locks: Event, wait with timeout")
def _event_timeout(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        event = locks.Event()
        for _ in range(n):
            waiting = event.wait(_SOON)
            event.set()
            await waiting
            event.clear()

    return run


@work("locks: Condition, notify_all")
def _condition(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()
        for _ in range(n // 10 + 1):
            waiting = [condition.wait() for _ in range(10)]
            condition.notify_all()
            for one in waiting:
                await one

    return run


@work("locks: Condition, notify_all to tasks")
def _condition_tasks(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()

        async def wait() -> None:
            for _ in range(n // 10 + 1):
                await condition.wait()

        tasks = [asyncio.ensure_future(wait()) for _ in range(10)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            condition.notify_all()

    return run


@work("locks: Condition, wait with timeout")
def _condition_timeout(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()
        for _ in range(n):
            waiting = condition.wait(_SOON)
            condition.notify()
            assert await waiting

    return run


@work("iostream: lines over a pair")
def _lines(iostream: Any) -> Coroutine:
    async def run(n: int) -> None:
        left, right = map(iostream.IOStream, socket.socketpair())
        for _ in range(n):
            await left.write(b"a line of text\r\n")
            assert await right.read_until(b"\r\n")
        left.close()
        right.close()

    return run


def _bytes(read: Callable[[Any, bytearray], Awaitable[Any]]) -> Callable[[Any], Coroutine]:
    """A MiB at a time over a connection; the work of both ends."""

    def made(iostream: Any) -> Coroutine:
        async def run(n: int) -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                client = socket.create_connection(listener.getsockname())
                left, right = iostream.IOStream(client), iostream.IOStream(listener.accept()[0])
            data, buffer = b"x" * (1 << 20), bytearray(1 << 20)
            for _ in range(n):
                written = left.write(data)
                await read(right, buffer)
                await written
            left.close()
            right.close()

        return run

    return made


work("iostream: read_bytes, 1 MiB")(_bytes(lambda stream, _: stream.read_bytes(1 << 20)))
work("iostream: read_into, 1 MiB")(_bytes(lambda stream, buffer: stream.read_into(buffer)))


def _add_more() -> None:
    spec = importlib.util.spec_from_file_location("more_works", Path(__file__).with_name("more_works.py"))
    assert spec is not None
    assert spec.loader is not None
    more = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(more)
    more.register(work)


def main() -> None:
    """Answer on standard output to what is asked on standard input."""
    _add_more()
    package, loop_name = sys.argv[1:3]
    loop = importlib.import_module("uvloop").new_event_loop() if loop_name == "uvloop" else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    made: dict[str, Run | Coroutine] = {}
    print(json.dumps(list(_WORKS)), flush=True)  # noqa: T201 - the protocol with the parent
    for line in sys.stdin:
        name, count = json.loads(line)
        if name not in made:
            module, make = _WORKS[name]
            made[name] = make(importlib.import_module(f"{package}.{module}"))
        begun = time.process_time()
        result = made[name](count)
        if hasattr(result, "__await__"):
            loop.run_until_complete(result)
        print(time.process_time() - begun, flush=True)  # noqa: T201 - the protocol with the parent
        asyncio.set_event_loop(loop)


if __name__ == "__main__":
    main()
