import pytest

from tornadolike._http import forwarded


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("[2001:db8::10]", "2001:db8::10"),
        ("[2001:db8::10]:443", "2001:db8::10"),
        ("2001:db8::10", "2001:db8::10"),
        ("[2001:db8::10", "[2001:db8::10"),
        ("192.0.2.1:port", "192.0.2.1:port"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_addresses(hop, address):
    assert forwarded.address(hop) == address
