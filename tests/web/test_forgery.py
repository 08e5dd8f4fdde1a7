"""Requests that other sites make a browser send."""

import re

import pytest

from tornadolike import web

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Form(web.RequestHandler):
    def get(self):
        self.write(self.xsrf_token)

    def post(self):
        self.write("changed")

    put = post


async def token_and_cookie(ask, **settings):
    answer = await ask(Form, xsrf_cookies=True, **settings)
    return answer.text, answer.headers["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize("version", [1, 2])
async def test_the_token_opens_the_door(ask, version):
    settings = {"xsrf_cookie_version": version}
    token, cookie = await token_and_cookie(ask, **settings)
    assert cookie == f"_xsrf={token}"
    pattern = r"[0-9a-f]{32}" if version == 1 else r"2\|[0-9a-f]{8}\|[0-9a-f]{32}\|[0-9]{10}"
    assert re.fullmatch(pattern, token)
    for headers, query in (({"X-Xsrftoken": token}, ""), ({"X-Csrftoken": token}, ""), ({}, "?_xsrf=" + token)):
        answer = await ask(Form, "/" + query, method="POST", headers={"Cookie": cookie, **headers}, xsrf_cookies=True, **settings)
        assert answer.text == "changed"
    body = b"_xsrf=" + token.encode()
    answer = await ask(Form, method="POST", headers={"Cookie": cookie, **FORM}, body=body, xsrf_cookies=True, **settings)
    assert answer.text == "changed"


@pytest.mark.parametrize("other_version", [1, 2])
async def test_tokens_survive_a_change_of_version(ask, other_version):
    token, cookie = await token_and_cookie(ask, xsrf_cookie_version=3 - other_version)
    answer = await ask(Form, headers={"Cookie": cookie}, xsrf_cookie_version=other_version)
    assert "Set-Cookie" not in answer.headers
    headers = {"Cookie": cookie, "X-Xsrftoken": answer.text}
    assert (await ask(Form, method="POST", headers=headers, xsrf_cookies=True)).text == "changed"
    assert token != answer.text


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("", "missing from POST"),
        ("2|", "invalid format"),
        ("9|a", "invalid format"),
        ("2|00|00|1", "invalid format"),
        ("ab" * 16, "does not match"),
        ("plain", "does not match"),
    ],
)
async def test_other_tokens_do_not(ask, logs, sent, message):
    _, cookie = await token_and_cookie(ask)
    for method in ("POST", "PUT"):
        answer = await ask(Form, method=method, headers={"Cookie": cookie, "X-Xsrftoken": sent}, xsrf_cookies=True)
        assert answer.status == 403
        logs.take("tornado.general", message)
        logs.take("tornado.access", "403")


async def test_ajax_is_not_exempt_1_1_1(ask, logs):
    """Fixed in 1.1.1: a header that scripts can set proves nothing."""
    answer = await ask(Form, method="POST", headers={"X-Requested-With": "XMLHttpRequest"}, xsrf_cookies=True)
    assert answer.status == 403
    logs.take("tornado.general", "missing")
    logs.take("tornado.access", "403")


async def test_cve_2014_9720_the_token_looks_new_each_time(ask):
    """CVE-2014-9720 (BREACH): no two pages show the same token, and each of them is good."""
    _, cookie = await token_and_cookie(ask)
    tokens = {(await ask(Form, headers={"Cookie": cookie})).text for _ in range(5)}
    assert len(tokens) == 5
    for token in tokens:
        assert (await ask(Form, method="POST", headers={"Cookie": cookie, "X-Xsrftoken": token}, xsrf_cookies=True)).status == 200


async def test_cookie_name_and_attributes(ask):
    kwargs = {"httponly": True}
    settings = {"xsrf_cookie_name": "__Host-x", "xsrf_cookie_kwargs": kwargs}

    class Page(Form):
        def get_current_user(self):
            return "me"

    cookie = (await ask(Page, **settings)).headers["Set-Cookie"]
    assert cookie.startswith("__Host-x=2|")
    assert "HttpOnly" in cookie
    assert "expires=" in cookie
    # The next user, who is not logged in, does not inherit that.
    assert kwargs == {"httponly": True}
    assert "expires=" not in (await ask(Form, **settings)).headers["Set-Cookie"]


async def test_form_html_and_unknown_version(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.write(self.xsrf_form_html() + self.xsrf_token.decode())

    text = (await ask(Page)).text
    found = re.fullmatch(r'<input type="hidden" name="_xsrf" value="(.*)"/>(.*)', text)
    assert found[1] == found[2]
    assert (await ask(Page, xsrf_cookie_version=3)).status == 500
    assert "unknown xsrf cookie version 3" in str(logs.take("tornado.application", "Uncaught").exc_info[1])
    logs.take("tornado.access", "500")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_safe_methods_need_nothing(ask, method):
    class Page(web.RequestHandler):
        def get(self):
            pass

        head = options = get

    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
    assert (await ask(Page, method=method, headers=headers, xsrf_cookies=True, cross_origin_protection=True)).status == 200


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://example.test"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://good.test"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "https://good.test"}, True),
        ({"Sec-Fetch-Site": "made-up", "Origin": "https://good.test:1"}, False),
        ({"Sec-Fetch-Site": "Same-Origin"}, False),
        ({"Origin": "http://example.test"}, True),
        ({"Origin": "https://EXAMPLE.test"}, True),
        ({"Origin": "http://example.test:81"}, False),
        ({"Origin": "https://good.test"}, True),
        ({"Origin": "https://evil.test"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
    ],
)
async def test_cross_origin_protection_matrix_6_6_0(ask, logs, headers, allowed):
    """New in 6.6.0: Sec-Fetch-Site decides, Origin where it is missing, trusted_origins in both cases."""
    answer = await ask(Form, method="POST", headers=headers, cross_origin_protection=True, trusted_origins=["https://good.test"])
    assert answer.status == (200 if allowed else 403)
    if not allowed:
        logs.take("tornado.general", "not allowed")
        logs.take("tornado.access", "403")
    assert (await ask(Form, method="POST", headers=headers)).status == 200


async def test_trust_can_be_computed(ask):
    asked = []

    class Page(Form):
        def check_trusted_origin(self, origin):
            asked.append(origin)
            return True

    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://any.test"}
    assert (await ask(Page, method="POST", headers=headers, cross_origin_protection=True)).status == 200
    assert asked == ["https://any.test"]


async def test_posts_to_nowhere_are_404(ask, logs):
    app = web.Application([], xsrf_cookies=True, cross_origin_protection=True)
    assert (await ask(app, method="POST", headers={"Origin": "https://evil.test"})).status == 404
    logs.take("tornado.access", "404 POST /")
