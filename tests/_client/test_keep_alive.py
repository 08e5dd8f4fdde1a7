"""The switch, and the server's word on how long it keeps a connection."""

import math

import pytest

from tornadolike._client.keep_alive import idle_seconds_allowed, switched_on


@pytest.mark.parametrize(
    ("value", "on"),
    [("1", True), ("true", True), (" Yes", True), ("ON", True), ("", False), ("0", False), ("False", False), ("no", False), ("off", False)],
)
def test_switch(value: str, on: bool) -> None:
    assert switched_on("X", value) is on


@pytest.mark.parametrize("value", ["2", "maybe", "-1", "15"])
def test_other_values_are_an_error(value: str) -> None:
    with pytest.raises(ValueError, match=rf"^X must be 1 .* not '{value}'$"):
        switched_on("X", value)


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("timeout=10", 9),
        ("timeout=10, max=2", 9),
        ("max=100", math.inf),
        ('Timeout = "10"', 9),
        ("timeout=10, max=1", 0),
        ("max=0", 0),
        ("timeout=0", 0),
        ("", math.inf),
        ("timeout", math.inf),
        ("timeout=x, timeout=-5, 7", math.inf),
    ],
)
def test_idle_seconds(field: str, seconds: float) -> None:
    assert idle_seconds_allowed(field) == pytest.approx(seconds)
