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
