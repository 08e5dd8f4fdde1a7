"""OpenID queries, and users read from what comes back."""

import pytest

from tornadolike._web import openid


def test_login_query() -> None:
    query = openid.login_query("https://a.example/login?x=1", ["name", "email"])
    assert query["openid.return_to"] == "https://a.example/login?x=1"
    assert query["openid.realm"] == "https://a.example/"
    assert query["openid.ax.required"] == "firstname,fullname,lastname,email"
    assert query["openid.ax.type.email"] == "http://axschema.org/contact/email"
    assert not any(".ax." in name for name in openid.login_query("https://a.example/", []))
    with pytest.raises(KeyError, match="shoe"):
        openid.login_query("https://a.example/", ["shoe"])


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        (b"ns:x\nis_valid:true\n", True),
        (b"is_valid:true", True),
        (b"is_valid:false\n", False),
        (b"note:is_valid:true\n", False),
        (b"is_valid:true or not\n", False),
        (b"", False),
    ],
)
def test_verdict(answer: bytes, valid: bool) -> None:
    assert openid.is_valid(answer) is valid


def arguments(**attributes: str) -> dict[str, str]:
    types = {"first": "namePerson/first", "last": "namePerson/last", "full": "namePerson", "mail": "contact/email", "lang": "pref/language"}
    found = {"openid.ns.ext1": "http://openid.net/srv/ax/1.0", "openid.claimed_id": "https://id.example/u"}
    for name, value in attributes.items():
        found[f"openid.ext1.type.{name}"] = f"http://axschema.org/{types[name]}"
        found[f"openid.ext1.value.{name}"] = value
    return found


@pytest.mark.parametrize(
    ("given", "user"),
    [
        ({"first": "Ada", "last": "L"}, {"first_name": "Ada", "last_name": "L", "name": "Ada L"}),
        ({"full": "Ada K. L", "first": "Ada"}, {"first_name": "Ada", "name": "Ada K. L"}),
        ({"mail": "ada@a.example", "lang": "EN"}, {"name": "ada", "email": "ada@a.example", "locale": "en"}),
        ({}, {}),
    ],
)
def test_user(given: dict[str, str], user: dict[str, str]) -> None:
    assert openid.user_from(arguments(**given)) == {**user, "claimed_id": "https://id.example/u"}


def test_attributes_need_their_namespace() -> None:
    given = arguments(mail="ada@a.example")
    del given["openid.ns.ext1"]
    del given["openid.claimed_id"]
    assert openid.user_from(given) == {}


def test_scope() -> None:
    assert openid.scope_query("a.example", "s")["openid.oauth.consumer"] == "a.example"
