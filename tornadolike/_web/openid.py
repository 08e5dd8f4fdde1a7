"""OpenID 2.0 with attribute exchange: the query of a login, and the user that comes back."""

import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping

_SELECT = "http://specs.openid.net/auth/2.0/identifier_select"
_AX = "http://openid.net/srv/ax/1.0"

_NAME_PARTS = {
    "firstname": "http://axschema.org/namePerson/first",
    "fullname": "http://axschema.org/namePerson",
    "lastname": "http://axschema.org/namePerson/last",
}
_ATTRIBUTES = {
    "email": "http://axschema.org/contact/email",
    "language": "http://axschema.org/pref/language",
    "username": "http://axschema.org/namePerson/friendly",
}

_IS_VALID = re.compile(rb"^is_valid:true$", re.MULTILINE)


def login_query(return_to: str, attributes: Iterable[str]) -> dict[str, str]:
    """Asks the provider to log a user in and to tell ``attributes`` (name, email, language, username). KeyError: unknown one."""
    query = {
        "openid.ns": "http://specs.openid.net/auth/2.0",
        "openid.mode": "checkid_setup",
        "openid.claimed_id": _SELECT,
        "openid.identity": _SELECT,
        "openid.realm": urllib.parse.urljoin(return_to, "/"),
        "openid.return_to": return_to,
    }
    wanted = set(attributes)
    if wanted:
        types: dict[str, str] = {}
        if "name" in wanted:
            types |= _NAME_PARTS
            wanted -= {"name", *_NAME_PARTS}
        types |= {name: _ATTRIBUTES[name] for name in sorted(wanted)}
        query |= {"openid.ns.ax": _AX, "openid.ax.mode": "fetch_request", "openid.ax.required": ",".join(types)}
        query |= {f"openid.ax.type.{name}": uri for name, uri in types.items()}
    return query


def scope_query(host: str, scope: str) -> dict[str, str]:
    """Asks for an OAuth token on the way (the hybrid protocol)."""
    return {"openid.ns.oauth": "http://specs.openid.net/extensions/oauth/1.0", "openid.oauth.consumer": host, "openid.oauth.scope": scope}


def is_valid(answer: bytes) -> bool:
    """Whether the provider stands by the assertion that it was asked to check."""
    return _IS_VALID.search(answer) is not None


def _attribute_reader(arguments: Mapping[str, str]) -> Callable[[str], str]:
    """Looks attributes up by their type: the provider chooses the names of the namespace and of the fields."""
    prefixes = [name.removeprefix("openid.ns.") for name, value in arguments.items() if name.startswith("openid.ns.") and value == _AX]
    prefix = f"openid.{prefixes[0]}." if prefixes else ""
    types = f"{prefix}type."
    fields = {value: name[len(types) :] for name, value in reversed(list(arguments.items())) if prefix and name.startswith(types)}
    return lambda uri: arguments.get(f"{prefix}value.{fields[uri]}", "") if uri in fields else ""


def user_from(arguments: Mapping[str, str]) -> dict[str, str]:
    """The user as far as the assertion describes one; see ``OpenIdMixin.get_authenticated_user``."""
    read = _attribute_reader(arguments)
    first, last, email = read(_NAME_PARTS["firstname"]), read(_NAME_PARTS["lastname"]), read(_ATTRIBUTES["email"])
    user = {
        "first_name": first,
        "last_name": last,
        "name": read(_NAME_PARTS["fullname"]) or " ".join(filter(None, (first, last))) or email.partition("@")[0],
        "email": email,
        "locale": read(_ATTRIBUTES["language"]).lower(),
        "username": read(_ATTRIBUTES["username"]),
        "claimed_id": arguments.get("openid.claimed_id", ""),
    }
    return {name: value for name, value in user.items() if value}
