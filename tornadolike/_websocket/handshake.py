"""What the two heads of the opening handshake must say (RFC 6455 §4, RFC 7692 §7.1), as strings to strings."""

import base64
import binascii
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tornadolike._http.header_values import format_parameters, split_parameters
from tornadolike._websocket.deflate import DeflateSettings, check_window_bits
from tornadolike._websocket.errors import NotNegotiable

DEFLATE = "permessage-deflate"
DEFLATE_OFFER = "permessage-deflate; client_max_window_bits"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")
# Raw deflate with a window of 2**8 is more than zlib can do.
_MIN_SEND_BITS = 9
# As many offers as a sender likes would take dozens of times their bytes.
_MAX_ITEMS = 100

Parameters = dict[str, str | None]

_PROXY_HINT = (
    'a proxy in front of this server has to pass the headers "Upgrade" and "Connection" on '
    "(nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade)"
)


class Refusal(NamedTuple):
    """Why a request must not become a WebSocket: the answer's ``status`` and ``text``, and the ``reason`` for the log."""

    status: int
    text: str
    reason: str


class Agreement(NamedTuple):
    """What a server agrees to: subprotocol, compression (None: none), and the header ``fields`` that tell the client."""

    subprotocol: str | None
    deflate: DeflateSettings | None
    fields: list[tuple[str, str]]


def check_upgrade(version: str, upgrade: str | None, connection: str | None) -> Refusal | None:
    """Whether a request with these fields asks for a WebSocket at all (RFC 6455 §4.2.1, RFC 9110 §7.8)."""
    if (upgrade or "").lower() != "websocket":
        came = "no Upgrade header came" if upgrade is None else f"the Upgrade header is {upgrade!r}"
        return Refusal(400, 'Can "Upgrade" only to "WebSocket".', f"{came}; {_PROXY_HINT}")
    if "upgrade" not in (option.lower() for option in split_list(connection)):
        came = "no Connection header came" if connection is None else f"the Connection header is {connection!r}"
        return Refusal(400, '"Connection" must be "Upgrade".', f"{came}; {_PROXY_HINT}")
    if version == "HTTP/1.0":
        return Refusal(400, "WebSocket needs HTTP/1.1.", f"the request is HTTP/1.0; {_PROXY_HINT}")
    return None


def check_offer(headers: Mapping[str, str]) -> Refusal | None:
    """Whether a request for a WebSocket has what every one has (RFC 6455 §4.2.1)."""
    if headers.get("Host") and headers.get("Sec-WebSocket-Version") and is_key(headers.get("Sec-WebSocket-Key", "")):
        return None
    return Refusal(400, "Missing/Invalid WebSocket headers", "(Host, Sec-WebSocket-Key or -Version)")


def negotiate(offer: Mapping[str, str], select_subprotocol: Callable[[list[str]], str | None], compresses: bool) -> Agreement:
    """What a server agrees to of a client's ``offer``, the request headers. Raises `NotNegotiable` where it selects what nobody offered."""
    offered = split_list(offer.get("Sec-WebSocket-Protocol"))
    selected = select_subprotocol(offered)
    fields, deflate = [], None
    if selected:
        if selected not in offered:
            raise NotNegotiable(f"select_subprotocol returned {selected!r}, which is none of {offered!r}")
        fields.append(("Sec-WebSocket-Protocol", selected))
    if compresses:
        chosen = choose_deflate(parse_extensions(offer.get("Sec-WebSocket-Extensions")))
        if chosen is not None:
            deflate, answer = chosen
            fields.append(("Sec-WebSocket-Extensions", format_parameters(DEFLATE, answer)))
    return Agreement(selected, deflate, fields)


def http_url(url: str) -> str:
    """Where the request goes that asks for a WebSocket at ``url``. Raises KeyError for a scheme other than ``ws`` and ``wss``."""
    scheme, colon, rest = url.partition(":")
    return {"ws": "http", "wss": "https"}[scheme] + colon + rest


def offer(key: str, subprotocols: Iterable[str] | None, compresses: bool) -> dict[str, str]:
    """The fields with which a client asks for a WebSocket (RFC 6455 §4.1)."""
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
    if subprotocols:  # without any there is no such field
        fields["Sec-WebSocket-Protocol"] = ",".join(subprotocols)
    if compresses:
        fields["Sec-WebSocket-Extensions"] = DEFLATE_OFFER
    return fields


def check_answer(upgrade: str | None, connection: str | None) -> None:
    """Whether a server that answers 101 with these fields has switched to WebSocket. Raises `NotNegotiable`."""
    if (upgrade or "").lower() != "websocket" or "upgrade" not in (option.lower() for option in split_list(connection)):
        raise NotNegotiable("the server did not upgrade to WebSocket")


def check_selected(selected: str | None, offered: str | None) -> None:
    """A client's reading of the server's choice. Raises `NotNegotiable` for what was not offered (RFC 6455 §4.1)."""
    if selected is not None and selected not in split_list(offered):
        raise NotNegotiable(f"the server chose the subprotocol {selected!r}, which was not offered")


def accept_value(key: bytes) -> str:
    """``Sec-WebSocket-Accept`` for a ``Sec-WebSocket-Key`` (RFC 6455 §4.2.2)."""
    import hashlib  # for handshakes alone: it loads a library

    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode("ascii")


def is_key(key: str) -> bool:
    """Whether ``key`` is sixteen bytes in base64, which is what a client has to send (RFC 6455 §4.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def split_list(value: str | None) -> list[str]:
    """The items of a comma-separated field value, stripped; [] for none. Of more than a hundred the first hundred."""
    return [item.strip() for item in value.split(",", _MAX_ITEMS)[:_MAX_ITEMS]] if value else []


def parse_extensions(value: str | None) -> list[tuple[str, Parameters]]:
    """Extensions and their parameters, in order; None is the value of a parameter without one."""
    return [_parse_extension(item) for item in split_list(value)]


def _parse_extension(item: str) -> tuple[str, Parameters]:
    name, *pieces = split_parameters(item)
    parameters: Parameters = {}
    for piece in pieces:
        key, equals, content = piece.partition("=")
        key = key.strip().lower()
        if key in parameters:
            key = f"{key} (repeated)"  # which nobody knows, so that this extension will not do
        parameters[key] = content.strip().strip('"') if equals else None
    return name, parameters


def settle_deflate(parameters: Mapping[str, str | None], is_client: bool) -> DeflateSettings:
    """What the parameters of an offer (on a server) or of its answer (on a client) come to. Raises `NotNegotiable`."""
    for name, content in parameters.items():
        if name in _FLAGS:
            if content is not None:
                raise NotNegotiable(f"compression parameter {name!r} has no value")
        elif name not in _WINDOWS:
            raise NotNegotiable(f"unsupported compression parameter {name!r}")
    own, other = ("client", "server") if is_client else ("server", "client")
    if is_client and any(name in parameters and parameters[name] is None for name in _WINDOWS):
        raise NotNegotiable("an answer says how large the window is")
    send_bits = _window_bits(parameters, own)
    if send_bits < _MIN_SEND_BITS:
        raise NotNegotiable(f"a window of {send_bits} bits is not supported")
    return DeflateSettings(
        f"{own}_no_context_takeover" not in parameters,
        send_bits,
        f"{other}_no_context_takeover" not in parameters,
        _window_bits(parameters, other),
    )


def _window_bits(parameters: Mapping[str, str | None], side: str) -> int:
    content = parameters.get(f"{side}_max_window_bits")
    if content is None:
        if side == "server" and "server_max_window_bits" in parameters:
            raise NotNegotiable("server_max_window_bits needs a value")
        return zlib.MAX_WBITS
    if not (content.isascii() and content.isdigit() and len(content) <= 2):
        raise NotNegotiable(f"not a number of window bits: {content!r}")
    try:
        return check_window_bits(int(content))
    except ValueError as error:
        raise NotNegotiable(str(error)) from None


def choose_deflate(offers: list[tuple[str, Parameters]]) -> tuple[DeflateSettings, Parameters] | None:
    """A server's choice: the first offer of permessage-deflate that it can fulfil, and the parameters to answer with."""
    for name, parameters in offers:
        if name != DEFLATE:
            continue
        try:
            settings = settle_deflate(parameters, is_client=False)
        except NotNegotiable:
            continue
        # Without a value the client only says that it would understand one.
        answer = {key: content for key, content in parameters.items() if key in _FLAGS or content is not None}
        return settings, answer
    return None


def accept_deflate(extensions: list[tuple[str, Parameters]], offered: bool) -> DeflateSettings | None:
    """A client's reading of the server's answer. Raises `NotNegotiable` for what was not offered."""
    settings = None
    for name, parameters in extensions:
        if name != DEFLATE or not offered or settings is not None:
            raise NotNegotiable(f"unsupported extension {(name, parameters)!r}")
        settings = settle_deflate(parameters, is_client=True)
    return settings
