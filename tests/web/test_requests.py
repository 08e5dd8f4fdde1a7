"""What handlers read: arguments, cookies, languages, users."""

import http.cookies
import json

import pytest

from tornadolike import httputil, web

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_arguments_of_query_and_body(ask):
    seen = {}

    class Page(web.RequestHandler):
        def post(self):
            seen["all"] = self.get_arguments("a")
            seen["last"] = self.get_argument("a")
            seen["query"] = (self.get_query_argument("a"), self.get_query_arguments("a"))
            seen["body"] = (self.get_body_argument("a"), self.get_body_arguments("a"))
            seen["default"] = (self.get_argument("no", None), self.get_query_argument("no", "x"), self.get_body_argument("no", "y"))
            seen["none"] = self.get_arguments("no")

    await ask(Page, "/?a=1&a=2", method="POST", headers=FORM, body=b"a=3&a=4")
    assert seen == {
        "all": ["1", "2", "3", "4"],
        "last": "4",
        "query": ("2", ["1", "2"]),
        "body": ("4", ["3", "4"]),
        "default": (None, "x", "y"),
        "none": [],
    }


class Echo(web.RequestHandler):
    def get(self):
        self.write({"value": self.get_argument("a", strip=self.get_argument("keep", "") == "")})


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("a=%20x%20", "x"),
        ("a=%20x%20&keep=1", " x "),
        ("a=x%00y%1f%08z", "x y  z"),
        ("a=x%09%0Ay", "x\t\ny"),
        ("a=%E2%82%AC", "€"),
    ],
)
async def test_arguments_are_tidied(ask, query, value):
    assert json.loads((await ask(Echo, "/?" + query)).text) == {"value": value}


async def test_missing_and_undecodable_arguments_are_400(ask, logs):
    answer = await ask(Echo, "/")
    assert answer.status == 400
    logs.take("tornado.general", r"400 GET / \(192.0.2.7\): Missing argument a")
    answer = await ask(Echo, "/?a=%ff%fe")
    assert answer.status == 400
    logs.take("tornado.general", r"400 .*: Invalid unicode in a: b'\\xff\\xfe'")
    for _ in range(2):
        logs.take("tornado.access", "400")


async def test_get_arguments_takes_no_default(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.get_arguments("a", "default")

    assert (await ask(Page)).status == 500
    assert logs.take("tornado.application", "Uncaught").exc_info[0] is AssertionError
    logs.take("tornado.access", "500")


async def test_decode_argument_may_return_other_things(ask):
    class Page(web.RequestHandler):
        def decode_argument(self, value, name=None):
            return (name, value)

        def get(self, *args, **kwargs):
            self.write(repr((self.path_kwargs, self.get_arguments("a", strip=False))))

    app = web.Application([(r"/(?P<who>.*)", Page)])
    assert (await ask(app, "/me?a=%ff")).text == repr(({"who": ("who", b"me")}, [("a", b"\xff")]))


async def test_path_arguments(ask):
    class Page(web.RequestHandler):
        def get(self, *args, **kwargs):
            self.write(repr((args, kwargs, self.path_args, self.path_kwargs)))

    app = web.Application([(r"/p/([^/]*)/?(.+)?", Page), (r"/k/(?P<a>[^/]*)(?:/(?P<b>.*))?", Page)])
    assert (await ask(app, "/p/x%2Fy%20+")).text == repr((("x/y +", None), {}, ["x/y +", None], {}))
    assert (await ask(app, "/k/1")).text == repr(((), {"a": "1", "b": None}, [], {"a": "1", "b": None}))


async def test_bad_bodies_are_400(ask, logs):
    class Page(web.RequestHandler):
        def post(self):
            raise AssertionError("not reached")

    answer = await ask(Page, method="POST", headers={"Content-Type": "multipart/form-data"}, body=b"x")
    assert answer.status == 400
    logs.take("tornado.general", "400 POST / .*: Invalid body: ")
    logs.take("tornado.access", "400")


async def test_ghsa_7cx3_6m66_7c5m_one_log_line_for_a_malformed_form(ask, logs):
    """CVE-2025-47287 / GHSA-7cx3-6m66-7c5m: a form cannot fill the log."""

    class Page(web.RequestHandler):
        def post(self):
            pass

    body = b"--B\r\nno colon\r\n\r\nx\r\n" * 200 + b"--B--\r\n"
    await ask(Page, method="POST", headers={"Content-Type": "multipart/form-data; boundary=B"}, body=body)
    assert len([record for record in logs.records if record.name == "tornado.general"]) == 1
    logs.records.clear()


# ---- cookies


async def set_cookies(ask, *calls):
    class Page(web.RequestHandler):
        def get(self):
            for args, kwargs in calls:
                self.set_cookie(*args, **kwargs)

    return (await ask(Page)).headers.get_list("Set-Cookie")


async def test_cookies_are_read(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.write(
                repr((self.get_cookie("a"), self.get_cookie("b"), self.get_cookie("no"), self.get_cookie("no", "d"), sorted(self.cookies)))
            )

    answer = await ask(Page, headers={"Cookie": 'a=1; b="x\\073y"; bad[=2'})
    assert answer.text == repr(("1", "x;y", None, "d", ["a", "b"]))


async def test_a_cookie_is_asked_of_a_property_that_was_made_of_ours(ask, monkeypatch):
    ours, asked = httputil.HTTPServerRequest.cookies, []

    def cookies(request):
        asked.append(request.path)
        return ours.fget(request)

    class Page(web.RequestHandler):
        def get(self):
            self.write(self.get_cookie("a"))

    monkeypatch.setattr(httputil.HTTPServerRequest, "cookies", ours.getter(cookies))
    assert (await ask(Page, headers={"Cookie": "a=1"})).text == "1"
    assert asked == ["/"]


async def test_cookies_that_were_changed(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.request.cookies["a"] = "changed"
            self.write(self.get_cookie("a") + self.get_cookie("b"))

    assert (await ask(Page, headers={"Cookie": "a=1; b=2"})).text == "changed2"


async def test_cookies_are_set(ask):
    cookies = await set_cookies(
        ask,
        (("a", "1"), {}),
        (("b", b"2"), {"domain": "example.test", "path": "/x", "max_age": 60, "httponly": True, "secure": True, "samesite": "Lax"}),
        (("c", "first"), {}),
        (("c", "second"), {"path": None}),
        (("d", "3"), {"expires": 0.5}),
    )
    assert cookies == [
        "a=1; Path=/",
        "b=2; Domain=example.test; HttpOnly; Max-Age=60; Path=/x; SameSite=Lax; Secure",
        "c=second",
        "d=3; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
    ]


async def test_expires_days_and_clearing(ask):
    class Page(web.RequestHandler):
        def get(self):
            self.set_cookie("a", "1", expires_days=1)
            self.clear_all_cookies(path="/p")
            for name in ("expires", "max_age"):
                with pytest.raises(TypeError, match="unexpected keyword"):
                    self.clear_cookie("a", **{name: 1})

    cookies = (await ask(Page, headers={"Cookie": "old=1"})).headers.get_list("Set-Cookie")
    assert "expires=" in cookies[0]
    assert cookies[1].startswith('old=""; expires=')
    assert cookies[1].endswith("Path=/p")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("a;b", "1"), {}),
        (("a b", "1"), {}),
        (("a\x7f", "1"), {}),
        (("a", "1"), {"domain": "x; Secure"}),
        (("a", "1"), {"path": "/ x"}),
        (("a", "1"), {"path": "/\x01"}),
        (("a", "1"), {"samesite": "None;"}),
        *((("a", "1"), {place: f"x{break_}y"}) for place in ("domain", "path", "samesite") for break_ in ("\r\n", "\n", "\r", "\0")),
        *(((f"a{break_}b", "1"), {}) for break_ in ("\r\n", "\n", "\r", "\0")),
    ],
)
async def test_ghsa_78cv_mqj4_43f7_attributes_cannot_be_injected(ask, args, kwargs):
    """CVE-2026-35536 / GHSA-78cv-mqj4-43f7: semicolons, spaces and controls in the name and the attributes."""

    class Page(web.RequestHandler):
        def get(self):
            with pytest.raises(http.cookies.CookieError):
                self.set_cookie(*args, **kwargs)
            self.write("refused")

    answer = await ask(Page)
    assert answer.text == "refused"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0"])
async def test_cookie_values_and_redirects_have_no_line_ends(ask, break_):
    class Page(web.RequestHandler):
        def get(self):
            with pytest.raises(ValueError, match="Invalid cookie"):
                self.set_cookie("a", f"1{break_}Set-Cookie: b=2")
            with pytest.raises(ValueError, match="Unsafe header value"):
                self.redirect(f"/x{break_}Set-Cookie: b=2")
            self.set_status(200)
            self.finish("refused")

    answer = await ask(Page)
    assert answer.text == "refused"
    assert not {"Set-Cookie", "Location"} & set(answer.headers)


@pytest.mark.parametrize("name", ["Domain", "Path", "SameSite", "Comment"])
async def test_ghsa_wwv5_g3v4_889x_nor_by_legacy_keywords(ask, name):
    """GHSA-wwv5-g3v4-889x: the same by way of keyword arguments in Morsel's spelling."""

    class Page(web.RequestHandler):
        def get(self):
            with pytest.raises(http.cookies.CookieError):
                self.set_cookie("a", "1", path=None, **{name: "x; Secure"})
            with pytest.warns(DeprecationWarning, match="should be lowercase"):
                self.set_cookie("b", "1", path=None, **{name: "x"})

    assert (await ask(Page)).headers.get_list("Set-Cookie") == [f"b=1; {name}=x"]


async def test_max_age_cannot_inject(ask, logs):
    """Fixed in 6.6.0: max_age goes through int()."""

    class Page(web.RequestHandler):
        def get(self):
            with pytest.raises(ValueError, match="invalid literal"):
                self.set_cookie("a", "1", max_age="1; Secure")

    assert "Set-Cookie" not in (await ask(Page)).headers


async def test_cookie_values_without_spaces_and_controls(ask):
    class Page(web.RequestHandler):
        def get(self):
            for value in ("a b", "a\nb", "a\x00"):
                with pytest.raises(ValueError, match="Invalid cookie"):
                    self.set_cookie("a", value)

    assert "Set-Cookie" not in (await ask(Page)).headers


# ---- users and languages


@pytest.mark.parametrize(
    ("header", "code"), [("", "en_US"), ("xx,de;q=0.5", "en_US"), ("en-us;q=0.1", "en_US"), ("de;q=0", "en_US"), ("*;q=bad", "en_US")]
)
async def test_browser_locale(ask, header, code):
    class Page(web.RequestHandler):
        def get(self):
            self.write(self.locale.code)

    assert (await ask(Page, headers={"Accept-Language": header} if header else {})).text == code


async def test_browser_locale_without_a_header_is_the_one_asked_for(ask, monkeypatch):
    from tornadolike import locale

    monkeypatch.setattr(locale, "_supported_locales", frozenset({"en_US", "de_DE"}))

    class Page(web.RequestHandler):
        def get(self):
            self.write(f"{self.get_browser_locale('de_DE').code} {self.get_browser_locale().code}")

    assert (await ask(Page)).text == "de_DE en_US"
    assert (await ask(Page, headers={"Accept-Language": "xx"})).text == "en_US en_US"


async def test_user_locale_wins_and_can_be_assigned(ask):
    from tornadolike import locale

    class Page(web.RequestHandler):
        def get_user_locale(self):
            return locale.get("en_US")

        def get(self):
            first = self.locale
            self.locale = "mine"
            self.write(repr((first.code, self.locale)))

    assert (await ask(Page)).text == repr(("en_US", "mine"))


class Private(web.RequestHandler):
    asked = 0

    def get_current_user(self):
        type(self).asked += 1
        return self.get_cookie("user")

    @web.authenticated
    def get(self):
        self.write(self.current_user)

    post = get


async def test_authenticated(ask, logs):
    assert (await ask(Private, headers={"Cookie": "user=me"})).text == "me"
    before = Private.asked
    answer = await ask(Private, "/a?b=c", login_url="/login")
    assert (answer.status, answer.headers["Location"]) == (302, "/login?next=%2Fa%3Fb%3Dc")
    assert Private.asked == before + 1
    answer = await ask(Private, "/a", login_url="https://id.test/in")
    assert answer.headers["Location"] == "https://id.test/in?next=http%3A%2F%2Fexample.test%2Fa"
    assert (await ask(Private, "/a", login_url="/login?x=1")).headers["Location"] == "/login?x=1"
    assert (await ask(Private, "/a", method="POST", login_url="/login")).status == 403
    logs.take("tornado.access", "403")
    assert (await ask(Private)).status == 500
    assert "login_url" in str(logs.take("tornado.application", "Uncaught").exc_info[1])
    logs.take("tornado.access", "500")


async def test_current_user_can_be_assigned_in_prepare(ask):
    class Page(web.RequestHandler):
        async def prepare(self):
            self.current_user = "found"

        @web.authenticated
        def get(self):
            self.write(self.current_user)

    assert (await ask(Page)).text == "found"
