"""Header values of the opening handshake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._websocket import handshake
from tornadolike._websocket.deflate import DeflateSettings
from tornadolike._websocket.errors import NotNegotiable


def test_accept_value() -> None:
    # The example of RFC 6455 §1.3.
    assert handshake.accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("key", "good"), [("dGhlIHNhbXBsZSBub25jZQ==", True), ("", False), ("dGhl", False), ("*" * 24, False), ("ä" * 24, False)]
)
def test_keys(key: str, good: bool) -> None:
    assert handshake.is_key(key) is good


def test_lists() -> None:
    assert handshake.split_list(None) == handshake.split_list("") == []
    assert handshake.split_list("a, b ,c") == ["a", "b", "c"]
    assert handshake.split_list("," * 1000) == [""] * 100


def test_extensions() -> None:
    parsed = handshake.parse_extensions('permessage-deflate; Client_Max_Window_Bits; server_max_window_bits="10", x; a=1; a=2')
    assert parsed[0] == ("permessage-deflate", {"client_max_window_bits": None, "server_max_window_bits": "10"})
    assert parsed[1] == ("x", {"a": "1", "a (repeated)": "2"})


@given(st.text(max_size=60))
def test_any_header_can_be_read(value: str) -> None:
    chosen = handshake.choose_deflate(handshake.parse_extensions("permessage-deflate; " + value))
    assert chosen is None or isinstance(chosen[0], DeflateSettings)


OFFERS = [
    ("", DeflateSettings(), {}),
    ("; client_max_window_bits", DeflateSettings(), {}),
    ("; client_max_window_bits=10", DeflateSettings(receive_window_bits=10), {"client_max_window_bits": "10"}),
    ("; server_max_window_bits=9", DeflateSettings(send_window_bits=9), {"server_max_window_bits": "9"}),
    ("; server_no_context_takeover", DeflateSettings(send_takeover=False), {"server_no_context_takeover": None}),
    ("; client_no_context_takeover", DeflateSettings(receive_takeover=False), {"client_no_context_takeover": None}),
]


@pytest.mark.parametrize(("offer", "settings", "answer"), OFFERS)
def test_a_server_agrees(offer: str, settings: DeflateSettings, answer: dict[str, str | None]) -> None:
    offers = handshake.parse_extensions("x-webkit-deflate-frame, permessage-deflate" + offer)
    assert handshake.choose_deflate(offers) == (settings, answer)


REFUSED = [
    "; unknown",
    "; server_no_context_takeover=1",
    "; server_max_window_bits",
    "; server_max_window_bits=8",  # zlib has no such window
    "; server_max_window_bits=7",
    "; client_max_window_bits=16",
    "; client_max_window_bits=+9",
    "; client_max_window_bits=٩",
    "; client_max_window_bits=10; client_max_window_bits=10",
]


@pytest.mark.parametrize("offer", REFUSED)
def test_a_server_passes_over_what_it_cannot_do(offer: str) -> None:
    assert handshake.choose_deflate(handshake.parse_extensions("permessage-deflate" + offer)) is None
    second = handshake.parse_extensions(f"permessage-deflate{offer}, permessage-deflate")
    assert handshake.choose_deflate(second) == (DeflateSettings(), {})


def test_a_client_agrees() -> None:
    answer = handshake.parse_extensions("permessage-deflate; client_max_window_bits=10; server_no_context_takeover")
    assert handshake.accept_deflate(answer, offered=True) == DeflateSettings(send_window_bits=10, receive_takeover=False)
    assert handshake.accept_deflate([], offered=True) is None


@pytest.mark.parametrize(
    "answer", ["x", "permessage-deflate; client_max_window_bits", "permessage-deflate; y", "permessage-deflate, permessage-deflate"]
)
def test_a_client_refuses(answer: str) -> None:
    with pytest.raises(NotNegotiable):
        handshake.accept_deflate(handshake.parse_extensions(answer), offered=True)


def test_a_client_refuses_what_it_did_not_offer() -> None:
    with pytest.raises(NotNegotiable):
        handshake.accept_deflate(handshake.parse_extensions("permessage-deflate"), offered=False)


def test_what_a_client_asks_for() -> None:
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "k", "Sec-WebSocket-Version": "13"}
    assert handshake.offer("k", None, compresses=False) == handshake.offer("k", [], compresses=False) == fields
    assert handshake.offer("k", ["a", "b"], compresses=True) == {
        **fields,
        "Sec-WebSocket-Protocol": "a,b",
        "Sec-WebSocket-Extensions": handshake.DEFLATE_OFFER,
    }


def test_a_server_has_what_its_own_client_asks_for() -> None:
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    offer = {"Host": "a", **handshake.offer(key, None, compresses=False)}
    assert handshake.check_offer(offer) is None
    assert handshake.check_upgrade("HTTP/1.1", offer["Upgrade"], offer["Connection"]) is None


@pytest.mark.parametrize("name", ["Host", "Sec-WebSocket-Version", "Sec-WebSocket-Key"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_offer_that_lacks_a_field(name: str, value: str | None) -> None:
    offer = {"Host": "a", **handshake.offer("dGhlIHNhbXBsZSBub25jZQ==", None, compresses=False)}
    if value is None:
        del offer[name]
    else:
        offer[name] = value
    refusal = handshake.check_offer(offer)
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize(("upgrade", "connection"), [("websocket", "Upgrade"), ("WebSocket", "keep-alive, upgrade")])
def test_a_server_that_switched(upgrade: str, connection: str) -> None:
    handshake.check_answer(upgrade, connection)


@pytest.mark.parametrize(
    ("upgrade", "connection"),
    [(None, "Upgrade"), ("h2c", "Upgrade"), ("websocket", None), ("websocket", "close"), ("websocket, h2c", "Upgrade")],
)
def test_a_server_that_switched_to_something_else(upgrade: str | None, connection: str | None) -> None:
    with pytest.raises(NotNegotiable):
        handshake.check_answer(upgrade, connection)


def test_where_the_request_goes() -> None:
    assert handshake.http_url("ws://a:80/b?c=d") == "http://a:80/b?c=d"
    assert handshake.http_url("wss://a") == "https://a"
    with pytest.raises(KeyError):
        handshake.http_url("http://a")
