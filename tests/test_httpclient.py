"""httpclient: requests, responses and errors as values, the clients with an implementation that answers by itself."""

import asyncio
import copy
import io
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tornadolike import httpclient, options
from tornadolike._http import deadline
from tornadolike.httpclient import AsyncHTTPClient, HTTPClient, HTTPClientError, HTTPError, HTTPRequest, HTTPResponse, _RequestProxy
from tornadolike.httputil import HTTPHeaders
from tornadolike.ioloop import IOLoop
from tornadolike.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

URL = "http://example.org/"


class Canned(AsyncHTTPClient):
    """Answers every request with what `answer` makes of it."""

    answer: Callable[[HTTPRequest], HTTPResponse] = staticmethod(lambda request: HTTPResponse(request, 200, buffer=io.BytesIO(b"ok")))

    def initialize(self, defaults: dict[str, Any] | None = None, extra: int = 0) -> None:
        super().initialize(defaults=defaults)
        self.extra = extra
        self.seen: list[HTTPRequest] = []

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        self.seen.append(request)
        callback(self.answer(request))


@pytest.fixture(autouse=True)
def _configuration() -> Iterator[None]:
    saved = AsyncHTTPClient._save_configuration()
    yield
    AsyncHTTPClient._restore_configuration(saved)


@pytest.fixture
async def client() -> Any:
    client = Canned(force_instance=True)
    yield client
    client.close()


# Values


def test_request_keeps_its_options() -> None:
    request = HTTPRequest(URL, "PUT", {"A": "b"}, "büro", connect_timeout=1, use_gzip=False, proxy_port=3)
    assert (request.url, request.method, request.headers, request.body) == (URL, "PUT", {"A": "b"}, "büro".encode())
    assert (request.connect_timeout, request.decompress_response, request.proxy_port) == (1, False, 3)
    assert request.request_timeout is None


def test_decompress_response_wins_over_its_old_name() -> None:
    assert HTTPRequest(URL, use_gzip=False, decompress_response=True).decompress_response is True


def test_request_without_headers_gets_empty_ones() -> None:
    request = HTTPRequest(URL)
    assert isinstance(request.headers, HTTPHeaders)
    request.headers = {"A": "b"}  # type: ignore[assignment]  # the setter takes more than the getter gives
    assert request.headers == {"A": "b"}
    request.headers = None  # type: ignore[assignment]
    assert dict(request.headers) == {}


def test_body_is_bytes_or_nothing() -> None:
    request = HTTPRequest(URL)
    assert request.body is None
    request.body = "text"  # type: ignore[assignment]
    assert request.body == b"text"
    request.body = None
    assert request.body is None


def test_if_modified_since() -> None:
    request = HTTPRequest(URL, if_modified_since=datetime(2024, 2, 29, 12, 0, tzinfo=UTC))
    assert request.headers["If-Modified-Since"] == "Thu, 29 Feb 2024 12:00:00 GMT"


def test_good_response() -> None:
    request = HTTPRequest(URL)
    response = HTTPResponse(request, 204, buffer=io.BytesIO(b"body"))
    assert (response.reason, response.error, response.effective_url) == ("No Content", None, URL)
    assert response.body == b"body"
    assert response.time_info == {}
    response.rethrow()


@pytest.mark.parametrize("code", [100, 199, 300, 404, 500])
def test_any_other_status_is_an_error(code: int) -> None:
    response = HTTPResponse(HTTPRequest(URL), code)
    with pytest.raises(HTTPError) as caught:
        response.rethrow()
    assert caught.value.response is response
    assert caught.value.code == code


def test_response_without_buffer_has_no_body() -> None:
    assert HTTPResponse(HTTPRequest(URL), 200).body == b""


def test_response_of_a_proxy_shows_the_request() -> None:
    request = HTTPRequest(URL)
    assert HTTPResponse(_RequestProxy(request, None), 200).request is request  # type: ignore[arg-type]


def test_repr_of_response_and_its_error() -> None:
    response = HTTPResponse(HTTPRequest(URL), 404, reason="Gone fishing")
    assert repr(response).startswith("HTTPResponse(_body=None,")
    assert "code=404" in repr(response)
    assert repr(response.error) == str(response.error) == "HTTP 404: Gone fishing"


def test_error_names_the_status() -> None:
    assert str(HTTPClientError(403)) == "HTTP 403: Forbidden"
    assert str(HTTPClientError(799)) == "HTTP 799: Unknown"
    assert HTTPError is HTTPClientError


def test_error_can_be_copied() -> None:
    for twin in (copy.copy(HTTPError(418, "teapot")), pickle.loads(pickle.dumps(HTTPError(418, "teapot")))):
        assert (twin.code, twin.message, twin.response) == (418, "teapot", None)


class TwoArguments(HTTPError):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(418, f"{first} {second}")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "error",
    [
        HTTPClientError(404),
        HTTPError(500, "Oh"),
        HTTPTimeoutError("Timeout during request"),
        HTTPStreamClosedError("Connection closed"),
        TwoArguments("a", "b"),
    ],
)
def test_errors_survive_pickling(error: HTTPError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert (type(again), again.args, vars(again), str(again)) == (type(error), error.args, vars(error), str(error))


def test_an_error_with_its_response_survives_pickling() -> None:
    request = HTTPRequest(URL, headers=HTTPHeaders({"A": "b"}))
    response = HTTPResponse(request, 404, HTTPHeaders({"C": "d"}), io.BytesIO(b"gone"), reason="Lost")
    again = pickle.loads(pickle.dumps(response.error))
    assert (again.code, again.message, again.response.error, again.args) == (404, "Lost", again, (404, "Lost", again.response))
    assert (again.response.body, again.response.headers, again.response.request.url) == (b"gone", {"C": "d"}, URL)
    assert pickle.loads(pickle.dumps(response)).error.response.code == 404


class Unshowable:
    def __repr__(self) -> str:
        raise LookupError


def test_repr_never_raises() -> None:
    response = HTTPResponse(HTTPRequest(URL), 200, headers=Unshowable(), request_time=Unshowable())  # type: ignore[arg-type]
    assert "headers=<Unshowable, whose repr raises LookupError>" in repr(response)
    for error in (HTTPTimeoutError(response), HTTPStreamClosedError(3), HTTPTimeoutError(None), HTTPStreamClosedError(None)):  # type: ignore[arg-type]
        assert str(error)
        assert repr(error)


def test_proxy_prefers_the_request() -> None:
    proxy = _RequestProxy(
        HTTPRequest(URL, user_agent="mine", max_redirects=0), {"user_agent": "theirs", "ca_certs": "file", "max_redirects": 5}
    )
    assert (proxy.user_agent, proxy.ca_certs, proxy.max_redirects, proxy.proxy_host) == ("mine", "file", 0, None)


def test_proxy_without_defaults() -> None:
    proxy = _RequestProxy(HTTPRequest(URL, body=b"x"), None)
    assert (proxy.user_agent, proxy.body, proxy.url) == (None, b"x", URL)
    with pytest.raises(AttributeError):
        proxy.colour  # noqa: B018 - looking it up is the test


def test_proxy_of_a_request_class_with_properties() -> None:
    class Signed(HTTPRequest):
        signature = property(lambda self: self.method + self.url)
        hint = None

    proxy = _RequestProxy(Signed(URL), {"hint": "default"})
    assert (proxy.signature, proxy.hint) == ("GET" + URL, "default")


# Clients


async def test_one_client_for_a_loop() -> None:
    first, second = AsyncHTTPClient(), AsyncHTTPClient()
    assert first is second
    assert isinstance(first, SimpleAsyncHTTPClient)
    first.close()
    third = AsyncHTTPClient()
    assert third is not first
    third.close()


async def test_classes_do_not_share_clients() -> None:
    shared, own = AsyncHTTPClient(), Canned()
    assert shared is not own
    assert Canned() is own
    shared.close()
    own.close()


async def test_forced_instances_are_separate() -> None:
    shared = Canned()
    forced = Canned(force_instance=True, extra=3)
    assert forced is not shared
    assert (forced.extra, shared.extra) == (3, 0)  # type: ignore[attr-defined]
    forced.close()
    assert Canned() is shared
    shared.close()


async def test_configured_class_and_arguments() -> None:
    AsyncHTTPClient.configure(Canned, extra=7, defaults={"user_agent": "robot"})
    client = AsyncHTTPClient()
    assert isinstance(client, Canned)
    assert client.extra == 7
    assert client.defaults["user_agent"] == "robot"
    assert client.defaults["max_redirects"] == 5
    client.close()


async def test_closing_a_client_that_is_not_the_cached_one() -> None:
    client = Canned()
    Canned._async_clients()[client.io_loop] = Canned(force_instance=True)
    with pytest.raises(RuntimeError, match="inconsistent AsyncHTTPClient cache"):
        client.close()
    Canned._async_clients().clear()


async def test_closed_client_refuses(client: Canned) -> None:
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed AsyncHTTPClient"):
        client.fetch(URL)


async def test_fetch_by_url(client: Canned) -> None:
    response = await client.fetch(URL, method="DELETE", headers={"a": "b"})
    assert response.body == b"ok"
    assert response.request.method == "DELETE"
    assert response.request.headers["A"] == "b"


async def test_options_belong_into_the_request(client: Canned) -> None:
    with pytest.raises(ValueError, match="kwargs can't be used"):
        client.fetch(HTTPRequest(URL), method="POST")


async def test_headers_of_the_caller_are_not_touched(client: Canned) -> None:
    headers = HTTPHeaders({"A": "b"})
    await client.fetch(HTTPRequest(URL, headers=headers))
    client.seen[0].headers["X"] = "y"
    assert list(headers.get_all()) == [("A", "b")]


async def test_defaults_reach_the_implementation(client: Canned) -> None:
    await client.fetch(URL)
    assert (client.seen[0].max_redirects, client.seen[0].request_timeout, client.seen[0].proxy_password) == (5, 20.0, "")


async def test_raise_error(client: Canned) -> None:
    client.answer = lambda request: HTTPResponse(request, 503)  # type: ignore[method-assign]
    with pytest.raises(HTTPError, match="503"):
        await client.fetch(URL)
    assert (await client.fetch(URL, raise_error=False)).code == 503


async def test_other_failures_are_always_raised(client: Canned) -> None:
    client.answer = lambda request: HTTPResponse(request, 599, error=OSError("no route"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no route"):
        await client.fetch(URL, raise_error=False)


async def test_cancelled_fetch(client: Canned, logs: Any) -> None:
    callbacks: list[Callable[[HTTPResponse], None]] = []
    client.fetch_impl = lambda request, callback: callbacks.append(callback)  # type: ignore[method-assign]
    for code in (200, 404):
        client.fetch(URL).cancel()
        callbacks.pop()(HTTPResponse(HTTPRequest(URL), code))
    logs.take("tornado.application", "Exception after Future was cancelled")


@pytest.mark.parametrize(
    ("seconds", "own", "wanted"), [(9, None, 9), (9, 5, 5), (9, 0, 9), (-1, None, 0.001), (-1, 0, 0.001), (None, 5, 5)]
)
async def test_the_deadline_of_a_handler_is_handed_on(client: Canned, seconds: float | None, own: float | None, wanted: float) -> None:
    async def handler() -> None:
        deadline.current.set(None if seconds is None else time.monotonic() + seconds)
        await client.fetch(URL, request_timeout=own)

    await asyncio.create_task(handler())
    assert client.seen[0].request_timeout == pytest.approx(wanted, abs=0.5 if wanted > 1 else 1e-6)


async def test_cancelling_tells_the_implementation() -> None:
    abandoned: list[str] = []

    class Slow(AsyncHTTPClient):
        def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
            httpclient._when_cancelled(callback, lambda: abandoned.append(request.url))
            if request.url != URL:
                callback(HTTPResponse(request, 200))

    client = Slow(force_instance=True)
    future, task = client.fetch(URL), asyncio.ensure_future(asyncio.wait_for(client.fetch(URL), 10))
    await asyncio.sleep(0)
    assert future.cancel()
    assert abandoned == [URL]
    task.cancel()
    await asyncio.wait([task])
    assert abandoned == [URL, URL]
    assert not client.fetch(URL + "done").cancel()
    assert not future.cancel()
    assert abandoned == [URL, URL]
    client.close()


async def test_an_implementation_that_fails_to_abandon(logs: Any) -> None:
    class Failing(AsyncHTTPClient):
        def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
            httpclient._when_cancelled(callback, lambda: {}["x"])

    client = Failing(force_instance=True)
    assert client.fetch(URL).cancel()
    logs.take("tornado.application", "Exception in callback")
    client.close()


async def test_base_class_fetches_nothing() -> None:
    class Nothing(AsyncHTTPClient):
        pass

    client = Nothing(force_instance=True)
    with pytest.raises(NotImplementedError):
        client.fetch(URL)
    client.close()


def test_blocking_client() -> None:
    client = HTTPClient(Canned, extra=2)
    assert client.fetch(URL).body == b"ok"
    with pytest.raises(ValueError, match="kwargs"):
        client.fetch(HTTPRequest(URL), method="GET")
    client.close()
    client.close()


def test_blocking_client_that_could_not_be_made() -> None:
    with pytest.raises(TypeError):
        HTTPClient(Canned, unknown=1)


async def test_blocking_client_refuses_a_running_loop() -> None:
    with pytest.raises(RuntimeError):
        HTTPClient(Canned)
    assert IOLoop.current().asyncio_loop is asyncio.get_running_loop()  # type: ignore[attr-defined]


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    parser = options.OptionParser()
    monkeypatch.setattr(options, "options", parser)
    monkeypatch.setattr(options, "define", parser.define)
    monkeypatch.setattr(options, "parse_command_line", parser.parse_command_line)
    monkeypatch.setattr(sys, "argv", ["httpclient", *arguments])
    AsyncHTTPClient.configure(Canned)
    httpclient.main()


def test_command_line_prints_bodies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_main(monkeypatch, URL, URL)
    assert capsys.readouterr().out == "ok\nok\n"


def test_command_line_prints_headers_of_errors_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Canned, "answer", lambda self, request: HTTPResponse(request, 404, headers=HTTPHeaders({"X-Why": "lost"})))
    run_main(monkeypatch, "--print_headers", "--print_body=false", URL)
    assert capsys.readouterr().out.strip() == "X-Why: lost"
