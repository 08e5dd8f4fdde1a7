"""Signed values and the cookies that carry them."""

import base64

import pytest

from tornadolike import web

DAY = 86400
NOW = 1_700_000_000.0


def clock():
    return NOW


def sign(value="value", name="name", secret="secret", **kwargs):
    return web.create_signed_value(secret, name, value, clock=clock, **kwargs)


def read(signed, name="name", secret="secret", at=NOW, **kwargs):
    return web.decode_signed_value(secret, name, signed, clock=lambda: at, **kwargs)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("value", ["value", "", "Grüße", b"\x00\xff|:"])
def test_round_trip(version, value):
    assert read(sign(value, version=version)) == (value.encode() if isinstance(value, str) else value)


def test_the_formats_are_tornados():
    assert sign(version=1).startswith(b"dmFsdWU=|1700000000|")
    assert sign().startswith(b"2|1:0|10:1700000000|4:name|8:dmFsdWU=|")
    assert len(sign().rsplit(b"|", 1)[1]) == 64
    assert len(sign(version=1).rsplit(b"|", 1)[1]) == 40


@pytest.mark.parametrize("version", [1, 2])
def test_only_the_right_name_secret_and_age(version, logs):
    signed = sign(version=version)
    assert read(signed, name="other") is None
    assert read(signed, secret="other") is None
    assert read(signed, at=NOW + 31 * DAY) == b"value"
    assert read(signed, at=NOW + 31 * DAY + 1) is None
    assert read(signed, at=NOW + 2 * DAY, max_age_days=1) is None
    if version == 1:
        for _ in range(2):
            logs.take("tornado.general", "Invalid cookie signature")
        for _ in range(2):
            logs.take("tornado.general", "Expired cookie")


@pytest.mark.parametrize("version", [1, 2])
def test_every_changed_byte_is_noticed(version, logs):
    signed = sign(version=version)
    for at in range(len(signed)):
        changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        assert read(changed) is None, changed
    logs.records.clear()


def test_v1_boundary_between_value_and_time_stands_1_0_1(logs):
    """Fixed in 1.0.1: digits moved from the value to the timestamp would verify all the same."""
    signed = sign(base64.b64decode("YWI5"), version=1)
    value, seconds, signature = signed.split(b"|")
    assert value == b"YWI5"
    assert read(b"|".join([b"YWI", b"5" + seconds, signature])) is None
    logs.take("tornado.general", "Cookie timestamp in future; possible tampering")


def test_v1_timestamps_from_the_future_and_with_leading_zeros(logs):
    future = web.create_signed_value("secret", "name", "value", version=1, clock=lambda: NOW + 40 * DAY)
    assert read(future) is None
    logs.take("tornado.general", "Cookie timestamp in future; possible tampering")
    seconds = b"0%d" % NOW
    signed = b"dmFsdWU=|%b|%b" % (seconds, web._create_signature_v1("secret", "name", "dmFsdWU=", seconds))
    assert read(signed) is None
    logs.take("tornado.general", "Tampered cookie")


def test_names_that_are_prefixes_are_not_interchangeable_3_2_1():
    """Fixed in 3.2.1: the name is a field of its own in version 2."""
    assert read(sign("value", name="ab"), name="a") is None
    assert read(sign("value", name="a"), name="ab") is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        b"",
        "x",
        "1|2",
        "a|b|c|d",
        "2|",
        "2|1:0",
        "2|x:0|",
        "2|1:0|10:1700000000|4:name|99999:x|sig",
        "2|-1:0|",
        "3|1:0|",
        "1000|a|b",
        "2|9" + "9" * 5000 + ":",
    ],
)
def test_garbage_is_none(value, logs):
    assert read(value) is None
    logs.records.clear()


def test_v2_fields_that_are_no_numbers():
    for key_version, seconds in ((b"x", b"1"), (b"0", b"x")):
        covered = b"2|%d:%b|%d:%b|4:name|8:dmFsdWU=|" % (len(key_version), key_version, len(seconds), seconds)
        assert read(covered + web._create_signature_v2("secret", covered)) is None


def test_what_is_no_base64_is_none():
    covered = b"2|1:0|10:1700000000|4:name|1:x|"
    assert read(covered + web._create_signature_v2("secret", covered)) is None
    signed = b"x|1700000000|" + web._create_signature_v1("secret", "name", "x", "1700000000")
    assert read(signed) is None


def test_key_versions():
    keys = {0: "old", 1: "new"}
    signed = sign(secret=keys, key_version=1)
    assert web.get_signature_key_version(signed) == 1
    assert read(signed, secret=keys) == b"value"
    assert read(signed, secret={0: "old"}) is None
    assert read(signed, secret={1: "other"}) is None
    assert read(sign(), secret={0: "secret"}) == b"value"
    with pytest.raises(AssertionError):
        sign(secret=keys)
    assert web.get_signature_key_version(sign(version=1)) is None
    assert web.get_signature_key_version("2|x") is None


def test_versions_that_do_not_exist():
    with pytest.raises(ValueError, match="Unsupported version 3"):
        sign(version=3)
    with pytest.raises(ValueError, match="Unsupported min_version 3"):
        read(sign(), min_version=3)
    assert read(sign(version=1), min_version=2) is None
    with pytest.raises(AssertionError):
        sign(secret={1: "x"}, version=1)
    assert read(sign(version=1), secret={1: "x"}) is None


async def test_signed_cookies_in_a_handler(ask):
    class Page(web.RequestHandler):
        def get(self):
            value = self.get_signed_cookie("c")
            version = self.get_signed_cookie_key_version("c")
            given = self.get_secure_cookie("c", value=self.create_signed_value("c", "given").decode())
            self.set_secure_cookie("c", "value", expires_days=None, path=None)
            self.write(repr((value, version, given)))

    settings = {"cookie_secret": {1: "x", 2: "y"}, "key_version": 2}
    first = await ask(Page, **settings)
    assert first.text == repr((None, None, b"given"))
    cookie = first.headers["Set-Cookie"]
    second = await ask(Page, headers={"Cookie": cookie}, **settings)
    assert second.text == repr((b"value", 2, b"given"))


async def test_signed_cookies_need_settings(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.create_signed_value("a", "b")

    for settings, hint in (({}, "cookie_secret"), ({"cookie_secret": {1: "x"}}, "key_version")):
        assert (await ask(Page, **settings)).status == 500
        assert hint in str(logs.take("tornado.application", "Uncaught").exc_info[1])
        logs.take("tornado.access", "500")
