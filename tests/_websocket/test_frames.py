"""`close_payload`; what frames look like is held by the contract tests of the engine."""

import pytest

from tornadolike._websocket.frames import close_payload


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (None, None, b""),
        (None, b"", b"\x03\xe8"),
        (None, b"bye", b"\x03\xe8bye"),
        (1001, None, b"\x03\xe9"),
        (4999, "é".encode(), b"\x13\x87\xc3\xa9"),
    ],
)
def test_close_payload(code: int | None, reason: bytes | None, payload: bytes) -> None:
    assert close_payload(code, reason) == payload
