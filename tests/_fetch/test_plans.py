"""What a plan holds is what the long way says."""

from typing import Any

import pytest

from tornadolike._client.request_head import parse_target
from tornadolike._fetch.plans import Plan, Plans, complete_headers, head_of, options_of, ordinary_plan, start_line
from tornadolike.httpclient import HTTPRequest, _RequestProxy


def proxy(url: str = "http://example.com:8080/a?b=c", **options: Any) -> Any:
    return _RequestProxy(HTTPRequest(url, **options), HTTPRequest._DEFAULTS)


ORDINARY = [
    {},
    {"method": "HEAD"},
    {"method": "DELETE"},
    {"user_agent": "mine"},
    {"user_agent": b"bytes"},
    {"decompress_response": False},
    {"url": "http://localhost"},
    {"url": "http://[::1]:80/ä"},
    {"method": "OPTIONS", "allow_nonstandard_methods": True},
]


@pytest.mark.parametrize("options", ORDINARY)
@pytest.mark.parametrize("key", [None, "kept"])
def test_the_head_is_that_of_the_long_way(options: dict[str, Any], key: str | None) -> None:
    request = proxy(**options)
    target = parse_target(request.url)
    plan = ordinary_plan(request, target, key)
    assert plan is not None
    assert (plan.target, plan.key) == (target, key)
    complete_headers(request, target, None if key else "close")
    assert plan.head == head_of(start_line(request.method, target), request.headers)
    assert list(plan.fields.values.items()) == list(request.headers.get_all())


@pytest.mark.parametrize(
    "options",
    [
        {"method": "POST", "allow_nonstandard_methods": True},
        {"body_producer": print, "allow_nonstandard_methods": True},
        {"expect_100_continue": True},
        {"auth_username": "ada"},
        {"url": "http://ada:secret@example.com/"},
        {"url": "https://example.com/"},
    ],
)
def test_what_needs_more_has_no_plan(options: dict[str, Any]) -> None:
    request = proxy(**options)
    assert ordinary_plan(request, parse_target(request.url), None) is None


def test_requests_that_say_the_same_have_the_same_options() -> None:
    assert options_of(proxy()) == options_of(proxy()) is not None
    assert options_of(proxy(streaming_callback=print, request_timeout=3)) == options_of(proxy())


@pytest.mark.parametrize("options", [one for one in ORDINARY[1:] if one])
def test_others_have_others(options: dict[str, Any]) -> None:
    assert options_of(proxy(**options)) != options_of(proxy())


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X": "y"}},
        {"body": b"", "allow_nonstandard_methods": True},
        {"method": "POST", "body": b"x"},
        {"if_modified_since": 1},
    ],
)
def test_a_body_or_fields_of_its_own(options: dict[str, Any]) -> None:
    assert options_of(proxy(**options)) is None


def test_fields_that_somebody_adds_on_the_way() -> None:
    """As a client of a program's does in its ``fetch_impl``."""
    request = proxy()
    request.headers["X"] = "y"
    assert options_of(request) is None
    request = proxy()
    request.request.headers["X"] = "y"
    assert options_of(request) is None
    request = proxy()
    request.headers = {"X": "y"}
    assert options_of(request) is None


def test_requests_of_other_kinds() -> None:
    class Own(HTTPRequest):
        pass

    assert options_of(HTTPRequest("http://x/")) is None
    assert options_of(_RequestProxy(Own("http://x/"), HTTPRequest._DEFAULTS)) is None  # type: ignore[arg-type]
    bare = HTTPRequest.__new__(HTTPRequest)
    bare._headers = bare._body = None
    assert options_of(_RequestProxy(bare, None)) is None  # type: ignore[arg-type]


def test_plans_have_a_limit() -> None:
    plans = Plans()
    plan = ordinary_plan(proxy(), parse_target("http://x/"), None)
    assert isinstance(plan, Plan)
    for number in range(1000):
        plans.add(number, plan)
        assert plans[number] is plan
        assert len(plans) <= 256


@pytest.mark.parametrize("user_agent", ["a\r\nb", "a\0b", "\u20ac"])
def test_what_must_not_go_into_a_head(user_agent: str) -> None:
    request = proxy(user_agent=user_agent)
    with pytest.raises(ValueError, match="header"):
        ordinary_plan(request, parse_target(request.url), None)
