"""OAuth 1.0 and 1.0a (RFC 5849): signing requests with HMAC-SHA1, and reading tokens."""

import base64
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping
from typing import Any


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def percent_encode(value: Any) -> str:
    """All but letters, digits and ``-._~`` as %XX (RFC 5849 §3.6)."""
    return urllib.parse.quote(_text(value), safe="~")


def base_string(method: str, url: str, parameters: Mapping[str, Any]) -> str:
    """What is signed (RFC 5849 §3.4.1)."""
    scheme, netloc, path, *_ = urllib.parse.urlparse(url)
    encoded = sorted((percent_encode(name), percent_encode(value)) for name, value in parameters.items())
    pairs = "&".join(f"{name}={value}" for name, value in encoded)
    return "&".join(map(percent_encode, (method.upper(), f"{scheme.lower()}://{netloc.lower()}{path}", pairs)))


def signature(text: str, consumer_secret: Any, token_secret: Any, encode_secrets: bool) -> str:
    """The signature of a base string. 1.0a has the secrets percent-encoded in the key (RFC 5849 §3.4.2), 1.0 as they are."""
    key = "&".join((percent_encode if encode_secrets else _text)(secret) for secret in (consumer_secret, token_secret))
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha1)).decode()


def parse_token(body: bytes) -> dict[str, Any]:
    """The answer to a token request: ``key``, ``secret``, and what else it holds under its own name. KeyError: no token."""
    fields = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
    return {"key": fields.pop("oauth_token"), "secret": fields.pop("oauth_token_secret"), **fields}
