"""Signed values and XSRF tokens: each side also has to understand what the other made."""

# ruff: noqa: E501, B023 - rows of tables; names are looked up when the call is made

from typing import Any

from tornado import web
from tornado.escape import utf8

from compat_suite.differential.applications import answering, application
from compat_suite.differential.conversation import talk
from compat_suite.differential.scenario import add, calls, outcome

_NOW = 1_300_000_000.0
_KEYS = {0: "zero", 1: "one"}


def _sign(secret: Any, name: str, value: Any, version: int | None = None, key_version: int | None = None, now: float = _NOW) -> bytes:
    return web.create_signed_value(secret, name, value, version=version, clock=lambda: now, key_version=key_version)


def _exchanged(name: str, value: Any, version: int | None, secret: Any = "secret", key_version: int | None = None) -> None:
    async def run() -> Any:
        return _sign(secret, "n", value, version, key_version).decode()

    def receive(text: str) -> Any:
        return [
            repr(web.decode_signed_value(secret, "n", text, clock=lambda: _NOW + days * 86400, min_version=minimum))
            for days in (0, 30, 32)
            for minimum in (None, 1, 2)
        ]

    add(f"secrets/{name}", run, receive=receive)


for _version in (1, 2, None):
    for _value in ("value", b"\x00\xff", "", "\u00e9|:1", "a" * 500):
        _exchanged(f"signed {_value[:9]!r}, version {_version}", _value, _version)
_exchanged("signed with key versions", "v", 2, _KEYS, 1)
calls(
    "secrets.create",
    _sign,
    [
        ("s", "n", "v", 3),
        ("s", "n", "v", 0),
        (_KEYS, "n", "v", 1),
        (_KEYS, "n", "v", 2),
        (_KEYS, "n", "v", 2, 7),
        (_KEYS, "n", "v", 2, 0),
        ("s", "n", "v", 1, 1),
        ("s", "", "v"),
        ("s", "n", None),
        ("s", "n", "v", 2, None, 0.0),
        ("s", "a|b", "v"),
        (b"s", "n", "v"),
        (None, "n", "v"),
        ("", "n", "v"),
    ],
)
_GOOD = _sign("secret", "n", "value", 2)
_OLD = _sign("secret", "n", "value", 1)
_FUTURE = _sign("secret", "n", "value", 1, None, _NOW + 40 * 86400)
_TAMPERED = [
    _GOOD, _OLD, _FUTURE, _GOOD[:-1], _GOOD + b"0", _GOOD.upper(), _GOOD.replace(b"10:", b"9:"), _GOOD.replace(b"2|", b"3|", 1), _GOOD.replace(b"2|", b"02|", 1), _GOOD.replace(b"1:0", b"1:1"), _GOOD.replace(b"1:n", b"1:m"),
    b"2|", b"2|1:0", b"2|1:0|", b"2|1:0|10:1300000000|1:n|8:dmFsdWU=|", b"", b"|", b"||", b"|||||||", b"1|x", b"abc", b"2|-1:|", b"2|99999999999999999999:0|", b"2|1_0:0|", b"\xff\xff", _OLD[:-1], _OLD.replace(b"1300000000", b"01300000000"),
    _OLD.replace(b"|", b"||"), b"dmFsdWU=|13|00" + _OLD, b"2|1:0|0:|0:|0:|" + b"0" * 64, b"999|x", b"1000|x", b"a2|x", b" " + _GOOD, _GOOD + b"\n", _OLD.replace(b"=", b""),
]  # fmt: skip
calls("secrets.decode", lambda value: web.decode_signed_value("secret", "n", value, clock=lambda: _NOW), [(one,) for one in _TAMPERED])
calls(
    "secrets.decode min 2",
    lambda value: web.decode_signed_value("secret", "n", value, clock=lambda: _NOW, min_version=2),
    [(one,) for one in _TAMPERED[:3]],
)
calls("secrets.decode min 3", lambda value: web.decode_signed_value("secret", "n", value, clock=lambda: _NOW, min_version=3), [(_GOOD,)])
calls(
    "secrets.decode with keys",
    lambda value: web.decode_signed_value(_KEYS, "n", value, clock=lambda: _NOW),
    [(_sign(_KEYS, "n", "v", 2, key),) for key in (0, 1)] + [(_GOOD,), (_OLD,), (None,)],
)
calls("secrets.decode of None", lambda value: web.decode_signed_value("secret", "n", value), [(None,), ("",)])
calls("secrets.key version", web.get_signature_key_version, [(one,) for one in _TAMPERED] + [(_sign(_KEYS, "n", "v", 2, 1),)])
calls("secrets.as text", lambda value: web.decode_signed_value("secret", "n", value.decode(), clock=lambda: _NOW), [(_GOOD,), (_OLD,)])


async def _with_cookie(body: Any, cookie: bytes, **settings: Any) -> Any:
    app = application((r"/.*", answering(body)), cookie_secret="secret", **settings)
    return await talk(app, [b"GET / HTTP/1.1\r\nHost: h\r\nCookie: n=%s\r\n\r\n" % cookie])


def _read(self: Any) -> None:
    self.write(
        repr(
            [
                self.get_signed_cookie("n"),
                self.get_signed_cookie("n", max_age_days=1),
                self.get_signed_cookie_key_version("n"),
                self.get_secure_cookie("m"),
            ]
        )
    )


async def _fresh_run() -> Any:
    return [len(web.create_signed_value("secret", "n", "fresh", version=version)) for version in (1, 2)]


add("secrets/fresh value", _fresh_run)
for _cookie in (_GOOD, b"x", b""):
    add(f"secrets/cookie {_cookie[:20]!r}", lambda cookie=_cookie: _with_cookie(_read, cookie))


def _post(cookie: bytes, sent: bytes, where: str) -> bytes:
    body, headers = b"", [b"Host: h", b"Cookie: _xsrf=" + cookie]
    if where == "form":
        body = b"_xsrf=" + sent.replace(b"|", b"%7C")
        headers += [b"Content-Type: application/x-www-form-urlencoded"]
    elif where:
        headers += [where.encode() + b": " + sent]
    return b"\r\n".join([b"POST / HTTP/1.1", *headers, b"Content-Length: %d" % len(body), b"", b""]) + body


_V1 = b"0123456789abcdef0123456789abcdef"
_V2 = b"2|89abcdef|88a8ca8a012245668820888989aa99988|1300000000"
_V2_GOOD = b"2|00000000|" + _V1 + b"|1300000000"
_MASKED = b"2|ffffffff|fedcba9876543210fedcba9876543210|1300000000"
for _cookie, _sent in ((_V1, _V1), (_V2_GOOD, _V2_GOOD), (_V2_GOOD, _MASKED), (_V1, _MASKED), (_MASKED, _V1), (_V1, b"ff" * 16), (_V2, _V2), (_V1, b""), (b"", _V1), (b"x", b"x"), (b"2|x", b"2|x"), (_V1, b"2|zz|zz|zz"), (_V1, _V1.upper()), (b"", b""), (_V1, b"3|00|00|0"), (_V1, b"\xff")):  # fmt: skip
    for _where in ("form", "X-Xsrftoken", "X-CSRFToken", ""):
        add(
            f"secrets/xsrf {_where} {_cookie[:16]!r} {_sent[:16]!r}",
            lambda cookie=_cookie, sent=_sent, where=_where: talk(
                application((r"/.*", answering(lambda self: self.write("fine"))), xsrf_cookies=True), [_post(cookie, sent, where)]
            ),
        )


def _shape(text: str) -> list[Any]:
    parts = text.split("|")
    return [len(parts), *(len(part) for part in parts)]


def _show_token(self: Any) -> None:
    token = self.xsrf_token.decode()
    self.clear_cookie("_xsrf")
    self._new_cookie.clear()
    self.write(repr([_shape(token), self.xsrf_token == utf8(token), "_xsrf" in self.xsrf_form_html(), len(self.xsrf_form_html())]))


for _settings in ({}, {"xsrf_cookie_version": 1}, {"xsrf_cookie_kwargs": {"httponly": True}}, {"xsrf_cookie_name": "other"}):
    add(
        f"secrets/xsrf token {_settings!r}",
        lambda settings=_settings: talk(
            application((r"/.*", answering(_show_token, compute_etag=lambda self: None)), **settings),
            [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"],
        ),
    )

for _site in (b"same-origin", b"same-site", b"cross-site", b"none", b"x", b""):
    for _origin in (b"http://h", b"http://other", b"null", b"https://h", b""):
        for _settings in (
            {"cross_origin_protection": True},
            {"cross_origin_protection": True, "trusted_origins": ["http://other"]},
            {"xsrf_cookies": "fetch_metadata"},
        ):
            add(
                f"secrets/cross origin {_site!r} {_origin!r} {_settings!r}",
                lambda site=_site, origin=_origin, settings=_settings: talk(
                    application((r"/.*", answering(lambda self: self.write("fine"))), **settings),
                    [
                        b"POST / HTTP/1.1\r\nHost: h\r\n"
                        + (b"Sec-Fetch-Site: %s\r\n" % site if site else b"")
                        + (b"Origin: %s\r\n" % origin if origin else b"")
                        + b"Content-Length: 0\r\n\r\n"
                    ],
                ),
            )


async def _errors() -> Any:
    return [
        outcome(web.decode_signed_value, "s", "n", 3),
        outcome(web.create_signed_value, "s", "n", 3),
        outcome(web.get_signature_key_version, None),
    ]


add("secrets/errors", _errors)
