"""Names and literals, without a name server."""

import socket

import pytest

from tornadolike._net import resolving


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "2001:db8::17", "127.1", "fe80::1%lo", "::ffff:10.0.0.1"])
def test_literals(text: str) -> None:
    if "%" in text and not any(name == "lo" for _, name in socket.if_nameindex()):
        pytest.skip("no interface lo")
    assert resolving.is_address_literal(text)


@pytest.mark.parametrize(
    "text", ["", " ", "localhost", "10.0.0.1 x", " ::1", "10.0.0.1\0", "\n", "1.2.3.4.5", "h" * 90, "9" * 5000, "¹27.0.0.1", "\u0661.1.1.1"]
)
def test_not_literals(text: str) -> None:
    assert not resolving.is_address_literal(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0:0::1", "::ffff:1.2.3.4"])
@pytest.mark.parametrize("family", [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6])
def test_a_literal_is_answered_as_the_system_would(host: str, family: int) -> None:
    found = resolving.literal_address(host, 80, family)
    assert found is None or [found] == resolving.look_up(host, 80, family)


def test_both_families_have_literals_that_need_no_look_up() -> None:
    assert resolving.literal_address("0:0::1", 80, socket.AF_UNSPEC) == (socket.AF_INET6, ("::1", 80, 0, 0))
    assert resolving.literal_address("10.0.0.1", 80, socket.AF_INET) == (socket.AF_INET, ("10.0.0.1", 80))
    assert resolving.literal_address("10.0.0.1", 80, socket.AF_INET6) is None


@pytest.mark.parametrize(
    ("host", "port"),
    [("localhost", 80), ("127.1", 80), ("::1%lo", 80), ("127.0.0.1", 70000), ("127.0.0.1", "http"), (None, 80), ("a\0b", 1)],
)
def test_everything_else_is_left_to_the_system(host: str, port: int) -> None:
    assert resolving.literal_address(host, port, socket.AF_UNSPEC) is None
