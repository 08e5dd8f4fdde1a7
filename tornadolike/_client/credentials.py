"""Credentials of a client request: how they are written, and which header fields carry them."""

import base64
import unicodedata

BOUND_TO_ORIGIN = ("Authorization", "Cookie", "Proxy-Authorization")
"""Header fields that must not follow a redirect to another origin."""

OPTIONS_BOUND_TO_ORIGIN = ("auth_username", "auth_password")
"""Request options (and client-wide defaults) that end up in one of those fields."""


def basic_authorization(username: str | bytes, password: str | bytes) -> str:
    """Value of an ``Authorization`` field of the Basic scheme: UTF-8, text normalised to NFC (RFC 7617 §2.1)."""
    return "Basic " + base64.b64encode(_encoded(username) + b":" + _encoded(password)).decode("ascii")


def _encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else unicodedata.normalize("NFC", text).encode("utf-8")
