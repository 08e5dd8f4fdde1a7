"""What handlers write, and what becomes of it."""

import asyncio
import datetime as dt
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike import httputil, web
from tornadolike._web import entity_tags


class Greeting(web.RequestHandler):
    def get(self):
        self.write("Grüße")

    head = get


async def test_a_small_response_goes_out_complete(ask):
    answer = await ask(Greeting)
    body = "Grüße".encode()
    assert (answer.status, answer.reason, answer.body) == (200, "OK", body)
    assert dict(answer.headers) | {"Date": ""} == {
        "Server": "TornadoServer/6.6.1",
        "Content-Type": "text/html; charset=UTF-8",
        "Date": "",
        "Etag": f'"{hashlib.sha1(body).hexdigest()}"',
        "Content-Length": str(len(body)),
    }
    assert answer.close_callback is None


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_tags_are_hashes_of_the_body_whether_it_is_known_or_not(pieces):
    handler = object.__new__(web.RequestHandler)
    for form in (bytes, bytes, bytearray):
        handler._write_buffer = [form(piece) for piece in pieces]
        assert handler.compute_etag() == f'"{hashlib.sha1(b"".join(pieces)).hexdigest()}"'
    assert len(entity_tags.known) <= entity_tags.MAX_KNOWN


async def test_head_has_the_headers_of_get_and_no_body(ask):
    got, head = await ask(Greeting), await ask(Greeting, method="HEAD")
    assert head.body == b""
    assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}


async def test_the_status_line_is_plain_numbers(ask):
    answer = await ask(Greeting)
    assert type(answer.start_line.code) is int


@pytest.mark.parametrize("touch", [lambda h: None, lambda h: h.set_header("X-More", "1"), lambda h: h._headers.get("Server")])
async def test_untouched_and_touched_headers_are_completed_alike(ask, touch):
    class Page(web.RequestHandler):
        def get(self):
            touch(self)
            self.write("a")
            self.write("b")

    answer = await ask(Page)
    assert answer.body == b"ab"
    assert answer.headers["Content-Length"] == "2"
    assert answer.headers["Etag"] == f'"{hashlib.sha1(b"ab").hexdigest()}"'


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("status", [200, 201, 204, 302, 304, 404, 500, 599])
@pytest.mark.parametrize("body", [b"", b"body"])
async def test_lines_made_beforehand_are_those_of_the_long_way(ask, method, status, body):
    class Page(web.RequestHandler):
        def get(self):
            if self.request.path == "/touched":
                self.set_header("Server", "TornadoServer/6.6.1")
            self.set_status(status)
            if status not in (204, 304):
                self.write(body)

        head = post = options = get

    short, long = [await ask(Page, path, method=method, log_function=lambda handler: None) for path in ("/", "/touched")]
    assert long.headers._pairs is None
    assert short.headers._pairs is None or status not in (204, 304, 599)
    assert {**short.headers, "Date": ""} == {**long.headers, "Date": ""}
    assert list(short.headers) == list(long.headers)
    assert (short.start_line, short.body) == (long.start_line, long.body)


async def test_headers_deleted_and_assigned_directly(ask):
    class Page(web.RequestHandler):
        def get(self):
            del self._headers["Server"]
            self.write("x")

        def post(self):
            self._headers = httputil.HTTPHeaders({"X-Only": "this"})
            self.write("x")

    assert "Server" not in (await ask(Page)).headers
    assert dict((await ask(Page, method="POST")).headers) == {"X-Only": "this", "Content-Length": "1"}


async def test_one_response_does_not_show_in_the_next(ask):
    class Page(web.RequestHandler):
        def get(self):
            if self.get_argument("mark", ""):
                self._headers["X-Mark"] = "1"
                self.clear_header("Server")
            self.write("x")

    await ask(Page, "/?mark=1")
    answer = await ask(Page)
    assert "X-Mark" not in answer.headers
    assert "Server" in answer.headers


async def test_the_date_is_that_of_the_moment(ask):
    date = httputil.format_timestamp
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    answer = await ask(Greeting)
    moments = {date(before + dt.timedelta(seconds=s)) for s in range(3)}
    assert answer.headers["Date"] in moments


async def test_date_follows_the_clock(ask, monkeypatch):
    for now in (1_000_000_000.9, 1_000_000_001.1, 1_000_000_000.2):
        monkeypatch.setattr("time.time", lambda now=now: now)
        answer = await ask(Greeting)
        assert answer.headers["Date"] == httputil.format_timestamp(int(now))


async def test_dictionaries_are_sent_as_json(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.write({"a": "</script>"})

    answer = await ask(Page)
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.text == '{"a": "<\\/script>"}'


@pytest.mark.parametrize(("value", "hint"), [([1], "Lists not accepted"), (3, "only accepts"), (None, "only accepts")])
async def test_other_types_are_refused(ask, logs, value, hint):
    class Page(web.RequestHandler):
        def get(self):
            self.write(value)

    answer = await ask(Page)
    assert answer.status == 500
    record = logs.take("tornado.application", "Uncaught exception GET / ")
    logs.take("tornado.access", "500 GET /")
    assert record.exc_info[0] is TypeError
    assert hint in str(record.exc_info[1])


async def test_nothing_may_follow_finish(ask):
    errors = []

    class Page(web.RequestHandler):
        def get(self):
            self.finish("done")
            for late in (lambda: self.write("x"), self.finish, lambda: self.render("x.html")):
                with pytest.raises(RuntimeError) as caught:
                    late()
                errors.append(str(caught.value))

    answer = await ask(Page)
    assert answer.body == b"done"
    assert errors == ["Cannot write() after finish()", "finish() called twice", "Cannot render() after finish()"]


async def test_flush_sends_head_and_pieces(ask):
    class Page(web.RequestHandler):
        async def get(self):
            for piece in ("a", "b"):
                self.write(piece)
                await self.flush()
            self.write("c")

    answer = await ask(Page)
    assert answer.pieces == [b"a", b"b", b"c"]
    assert "Content-Length" not in answer.headers
    assert "Etag" not in answer.headers


@pytest.mark.parametrize("status", [204, 304, 101])
async def test_statuses_without_content(ask, logs, status):
    class Page(web.RequestHandler):
        def get(self):
            self.set_status(status)
            self.set_header("Content-Language", "de")
            if self.get_argument("body", ""):
                self.write("no")

    answer = await ask(Page)
    assert answer.status == status
    assert not {"Content-Type", "Content-Language", "Content-Length", "Etag"} & set(answer.headers)
    assert (await ask(Page, "/?body=1")).status == 500
    assert "Cannot send body with status code" in str(logs.take("tornado.application", "Uncaught").exc_info[1])
    logs.take("tornado.access", "500")


class Redirected(web.RequestHandler):
    def get(self):
        options = {"permanent": {"permanent": True}, "307": {"status": 307}}.get(self.get_argument("how", ""), {})
        self.redirect(self.get_argument("to", "/elsewhere"), **options)


@pytest.mark.parametrize(("how", "status"), [("", 302), ("permanent", 301), ("307", 307)])
async def test_redirects(ask, how, status):
    answer = await ask(Redirected, f"/?how={how}")
    assert (answer.status, answer.headers["Location"], answer.body) == (status, "/elsewhere", b"")


async def test_cve_2012_2374_header_values_with_line_ends_are_refused(ask, logs):
    """CVE-2012-2374 / PYSEC-2012-5: response splitting by way of a redirect or a header."""
    tried = []

    class Page(web.RequestHandler):
        def get(self):
            for value in ("a\r\nSet-Cookie: x=1", b"a\nb", "a\x00b", "a\x7fb", "a\x01", "\u0100"):
                for setter in (self.set_header, self.add_header):
                    with pytest.raises(ValueError, match="Unsafe header value"):
                        setter("X-Part", value)
                    tried.append(value)

    assert (await ask(Page)).status == 200
    assert len(tried) == 12
    assert (await ask(Redirected, "/?to=/x%0D%0ASet-Cookie:%20a=b")).status in (302, 500)
    logs.records.clear()


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\nb", "a\x00b", "a\x7f", "caf\xe9", "a/b", " a", "a;"])
async def test_header_names_are_tokens(ask, name):
    """RFC 9110 §5.1."""
    tried = []

    class Page(web.RequestHandler):
        def get(self):
            with pytest.raises(ValueError, match="Unsafe header name"):
                self.set_header(name, "x")
            with pytest.raises(httputil.HTTPInputError, match="Invalid header name"):
                self.add_header(name, "x")
            tried.append(name)

    assert (await ask(Page)).status == 200
    assert tried == [name]


async def test_header_values_of_all_kinds(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.set_header("X-Int", 7)
            self.set_header("X-Bytes", b"caf\xe9")
            self.set_header("X-Tab", "a\tb")
            self.set_header("X-Date", dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
            self.add_header("X-Twice", "1")
            self.add_header("X-Twice", "2")
            self.set_header("X-Gone", "1")
            self.clear_header("x-gone")
            self.clear_header("X-Never")
            with pytest.raises(TypeError):
                self.set_header("X-List", [])

    headers = (await ask(Page)).headers
    assert [headers[name] for name in ("X-Int", "X-Bytes", "X-Tab")] == ["7", "café", "a\tb"]
    assert headers["X-Date"] == "Thu, 02 Jan 2020 03:04:05 GMT"
    assert headers.get_list("X-Twice") == ["1", "2"]
    assert "X-Gone" not in headers


@pytest.mark.parametrize("reason", ["bad\r\nX-Evil: 1", "<script>", "", "caf\u0100", "a\x00"])
async def test_ghsa_pr2v_jx2c_wg9f_reasons_cannot_inject(ask, logs, reason):
    """CVE-2025-67724 / GHSA-pr2v-jx2c-wg9f: header injection and XSS by the reason, by whichever door it comes."""

    class Page(web.RequestHandler):
        def get(self):
            self.set_status(400, reason)

        def post(self):
            raise web.HTTPError(400, reason=reason or "<>")

        def put(self):
            self.send_error(400, reason=reason or "<>")

    for method in ("GET", "POST", "PUT"):
        answer = await ask(Page, method=method)
        assert answer.reason == "Unknown"
        assert "<script" not in answer.text
        logs.take("tornado.access", "400")


async def test_harmless_reasons_stay(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            raise web.HTTPError(499, reason='It\'s "full" & closed')

    answer = await ask(Page)
    assert answer.reason == 'It\'s "full" & closed'
    assert "It&#x27;s &quot;full&quot; &amp; closed" in answer.text
    logs.take("tornado.access", "499")


async def test_unknown_status_has_a_reason(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.set_status(299)
            assert self.get_status() == 299

    assert (await ask(Page)).reason == "Unknown"


async def test_default_headers_are_on_error_pages_too(ask, logs):
    class Page(web.RequestHandler):
        def set_default_headers(self):
            self.set_header("X-Everywhere", "yes")

        def get(self):
            self.set_header("X-Lost", "1")
            self.write("lost")
            raise web.HTTPError(418)

    answer = await ask(Page)
    assert answer.headers["X-Everywhere"] == "yes"
    assert "X-Lost" not in answer.headers
    assert "lost" not in answer.text
    logs.take("tornado.access", "418")


async def test_on_finish_and_detach(ask, begin):
    seen = []

    class Page(web.RequestHandler):
        def get(self):
            self.write("x")

        def put(self):
            seen.append(self.detach())

        def on_finish(self):
            seen.append(self.get_status())

    await ask(Page)
    assert seen == [200]
    detached = begin(Page, method="PUT")
    await asyncio.sleep(0)  # the handler's turn
    assert seen == [200, "the stream"]
    assert detached.start_line is None


@pytest.mark.parametrize("kind", ["image/png", "text/plain; charset=latin-1", "x/caf\xe9"])
@pytest.mark.parametrize("look", [False, True])
async def test_content_types_are_set_alike_before_and_after_a_look_at_the_headers(ask, kind, look):
    class Page(web.RequestHandler):
        def get(self):
            if look:
                assert self._headers["Content-Type"] == "text/html; charset=UTF-8"
            self.set_header("Content-Type", kind)
            assert self._headers["content-type"] == kind
            self.set_header("Content-Type", kind + "2")
            self.write("x")

    answer = await ask(Page)
    assert answer.headers["Content-Type"] == kind + "2"
    assert list(answer.headers) == ["Server", "Content-Type", "Date", "Etag", "Content-Length"]
    assert (await ask(Greeting)).headers["Content-Type"] == "text/html; charset=UTF-8"


async def test_lines_made_beforehand_say_what_the_headers_say(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.set_header("Content-Type", self.get_argument("type"))
            self.write("body")

    for number in range(40):
        headers = (await ask(Page, f"/?type=x/{number}")).headers
        head = headers._head
        assert head.lines.decode("latin-1") == "".join(f"{name}: {value}\r\n" for name, value in head.values.items())
        assert [*head.values.items(), *headers._joined.items()] == list(headers.get_all())
        assert headers["Content-Type"] == f"x/{number}"


async def test_a_response_with_a_cookie_has_no_lines_made_beforehand(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.set_cookie("a", "1")

    headers = (await ask(Page)).headers
    assert headers._pairs is None
    assert headers["Set-Cookie"] == "a=1; Path=/"


@pytest.mark.parametrize("hook", ["compute_etag", "set_etag_header", "check_etag_header"])
async def test_overridden_etag_hooks_are_asked(ask, hook):
    asked = []

    class Page(web.RequestHandler):
        def get(self):
            self.write("x")

    inner = getattr(web.RequestHandler, hook)
    setattr(Page, hook, lambda self: asked.append(hook) or inner(self))
    assert (await ask(Page)).status == 200
    assert hook in asked


async def test_no_etag_where_none_is_wanted(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.write("x")

        def compute_etag(self):
            return None

    assert "Etag" not in (await ask(Page)).headers


@pytest.mark.parametrize("touch", [False, True])
async def test_what_the_client_has_is_304(ask, touch):
    class Page(web.RequestHandler):
        def get(self):
            if touch:
                self.set_header("X-More", "1")
            self.write("x")

    etag = (await ask(Page)).headers["Etag"]
    answer = await ask(Page, headers={"If-None-Match": etag})
    assert (answer.status, answer.body, answer.headers["Etag"]) == (304, b"", etag)
    assert not {"Content-Type", "Content-Length"} & set(answer.headers)
    assert (await ask(Page, headers={"If-None-Match": '"other"'})).body == b"x"
