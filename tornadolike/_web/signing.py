"""Values signed with a secret: what `web.create_signed_value` writes and `web.decode_signed_value` reads.

Two formats. The first, kept for old cookies::

    base64(value) "|" seconds "|" hex(HMAC-SHA1(secret, name + base64(value) + seconds))

The second says the length of each field, so that no boundary can be moved, and signs the name as a field too::

    "2|" len ":" key version "|" len ":" seconds "|" len ":" name "|" len ":" base64(value) "|" hex(HMAC-SHA256(secret, all before))

Verdicts are a value, or None; `Refused` carries what the log shall say of a value that is signed, but too old or tampered with. ``now``
is in seconds.
"""

import base64
import binascii
import hmac
import re
from functools import lru_cache
from typing import NamedTuple

_SECONDS_A_DAY = 86400
# The first format does not say where its name ends and its value begins: digits could wander between value and
# timestamp. A timestamp further ahead than this has been tampered with.
_AHEAD_SECONDS = 31 * _SECONDS_A_DAY
_VERSION = re.compile(rb"([1-9][0-9]{0,2})\|")
# The second format as it nearly always is: no field has a separator in it. Whether the lengths fit is another matter.
_PLAIN_V2 = re.compile(rb"2\|([0-9]{1,9}):([0-9]{1,20})\|([0-9]{1,9}):([0-9]+)\|([0-9]{1,9}):([^|]*)\|([0-9]{1,9}):([^|]*)\|([^|]*)")


Secrets = str | bytes | dict[int, str] | dict[int, bytes]
"""A key, or several by their versions."""


class Refused(ValueError):
    """The signed value is not accepted, and ``log``, a format for the value, says why."""

    def __init__(self, log: str) -> None:
        super().__init__(log)
        self.log = log


class Fields(NamedTuple):
    """The second format, taken apart; nothing is verified yet."""

    key_version: int
    seconds: bytes
    name: bytes
    value: bytes
    signature: bytes


def _octets(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def signature_v1(secret: str | bytes, *parts: str | bytes) -> bytes:
    """Return the lower-case hex HMAC-SHA1 of all ``parts``, one after the other."""
    joined = b"".join([_octets(part) for part in parts])
    return hmac.digest(_octets(secret), joined, "sha1").hex().encode()


@lru_cache(maxsize=16)
def _keyed(secret: bytes) -> hmac.HMAC:
    return hmac.new(secret, digestmod="sha256")


def signature_v2(secret: str | bytes, signed: bytes) -> bytes:
    """Return the lower-case hex HMAC-SHA256 of ``signed``."""
    # Looking the hash up and preparing the key would cost as much as the hashing.
    mac = _keyed(_octets(secret)).copy()
    mac.update(signed)
    return mac.hexdigest().encode()


def sign_v1(secret: str | bytes, name: str, value: bytes, now: float) -> bytes:
    """Return ``value`` signed under ``name`` in the first format."""
    encoded, seconds = base64.b64encode(value), b"%d" % int(now)
    return b"%b|%b|%b" % (encoded, seconds, signature_v1(secret, name, encoded, seconds))


def sign_v2(secret: str | bytes, name: str, value: bytes, now: float, key_version: int) -> bytes:
    """Return ``value`` signed under ``name`` in the second format, telling which key was used."""
    fields = (b"%d" % key_version, b"%d" % int(now), _octets(name), base64.b64encode(value))
    signed = b"2|" + b"".join([b"%d:%b|" % (len(field), field) for field in fields])
    return signed + signature_v2(secret, signed)


def version(signed: bytes) -> int:
    """Return the format that ``signed`` claims: a number below 1000 before the first ``|``, else 1."""
    found = _VERSION.match(signed)
    return int(found[1]) if found else 1


def key_version(signed: bytes) -> int | None:
    """The version of the key that a value says it was signed with; None where it says none. Nothing is verified."""
    if version(signed) < 2:
        return None
    fields = fields_v2(signed)
    return None if fields is None else fields.key_version


def _number(digits: bytes) -> int | None:
    try:
        return int(digits)
    except ValueError:
        return None


def _decoded(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded)
    except binascii.Error:
        return None


def verify_v1(secret: str | bytes, name: str, signed: bytes, max_age_days: float, now: float) -> bytes | None:
    """Return the value in ``signed``, which is in the first format; None for what is not. Raises `Refused`."""
    parts = signed.split(b"|")
    if len(parts) != 3:
        return None
    encoded, seconds, signature = parts
    if not hmac.compare_digest(signature, signature_v1(secret, name, encoded, seconds)):
        raise Refused("Invalid cookie signature %r")
    written = _number(seconds)
    if written is None:
        return None
    if written < now - max_age_days * _SECONDS_A_DAY:
        raise Refused("Expired cookie %r")
    if written > now + _AHEAD_SECONDS:
        raise Refused("Cookie timestamp in future; possible tampering %r")
    if seconds.startswith(b"0"):
        raise Refused("Tampered cookie %r")
    return _decoded(encoded)


def fields_v2(signed: bytes) -> Fields | None:
    """Take apart a value in the second format; None where a length does not fit."""
    plain = _PLAIN_V2.fullmatch(signed)
    if plain is not None:
        key_size, key, seconds_size, seconds, name_size, name, value_size, value, signature = plain.groups()
        sizes = int(key_size), int(seconds_size), int(name_size), int(value_size)
        if sizes == (len(key), len(seconds), len(name), len(value)):
            return Fields(int(key), seconds, name, value, signature)
    return _fields_by_length(signed)


def _fields_by_length(signed: bytes) -> Fields | None:
    rest = signed[2:]
    fields = []
    for _ in range(4):
        length, _, rest = rest.partition(b":")
        size = _number(length)
        if size is None or rest[size : size + 1] != b"|":
            return None
        fields.append(rest[:size])
        rest = rest[size + 1 :]
    key = _number(fields[0])
    return None if key is None else Fields(key, fields[1], fields[2], fields[3], rest)


def verify_v2(secrets: Secrets, name: str, signed: bytes, max_age_days: float, now: float) -> bytes | None:
    """Return the value in ``signed``, which is in the second format; None for all else, of which nothing is logged."""
    fields = fields_v2(signed)
    if fields is None:
        return None
    if isinstance(secrets, (str, bytes)):
        secret: str | bytes | None = secrets
    else:
        secret = secrets.get(fields.key_version)
    if secret is None:
        return None
    covered = signed[: len(signed) - len(fields.signature)]
    genuine = hmac.compare_digest(fields.signature, signature_v2(secret, covered))
    if not genuine or fields.name != _octets(name):
        return None
    written = _number(fields.seconds)
    if written is None or written < now - max_age_days * _SECONDS_A_DAY:
        return None
    return _decoded(fields.value)


def sign(form: int, secrets: Secrets, name: str, value: bytes, now: float, key_version: int | None) -> bytes:
    """Return ``value`` signed in the format number ``form``, with the key of that version where there are several.

    Raises ValueError for a format that is not known.
    """
    if form == 1:
        assert not isinstance(secrets, dict), "Version must be at least 2 for key version support"
        return sign_v1(secrets, name, value, now)
    if form != 2:
        raise ValueError(f"Unsupported version {form}")
    if isinstance(secrets, dict):
        assert key_version is not None, "Key version must be set when sign key dict is used"
        secrets = secrets[key_version]
    return sign_v2(secrets, name, value, now, key_version or 0)


def verify(secrets: Secrets, name: str, signed: bytes, max_age_days: float, now: float, least_form: int) -> bytes | None:
    """Return the value in ``signed``, whichever format it is in, from ``least_form`` on; None for what is not. Raises `Refused`."""
    form = version(signed)
    if form < least_form or form > 2:
        return None
    if form == 2:
        return verify_v2(secrets, name, signed, max_age_days, now)
    if isinstance(secrets, dict):
        return None  # somebody else's: nothing is signed like that with several keys
    return verify_v1(secrets, name, signed, max_age_days, now)
