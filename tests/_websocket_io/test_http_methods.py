"""HTTP's methods of a handler, before and behind the upgrade."""

from typing import Any

import pytest

from tornadolike._websocket_io.http_methods import end_with_upgrade


class Base:
    _headers: Any = None

    def __init__(self) -> None:
        self.is_long = False

    def finish(self, chunk: str = "") -> str:
        """Of HTTP."""
        return f"finished{chunk}"

    flush = redirect = set_cookie = set_header = set_status = write = finish

    def _RequestHandler__will_be_long(self) -> None:
        self.is_long = True


def refuse(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("over")


class Upgraded(Base):
    pass


leave_http = end_with_upgrade(Upgraded, refuse)


class Own(Upgraded):
    def finish(self, chunk: str = "") -> str:
        return "own" + super().finish(chunk)


@pytest.mark.parametrize(("kind", "expected"), [(Upgraded, "finished."), (Own, "ownfinished.")])
def test_methods_work_until_the_upgrade(kind: type[Any], expected: str) -> None:
    handler, other = kind(), kind()
    assert handler.finish(".") == expected
    leave_http(handler)
    assert handler.is_long
    for name in ("finish", "flush", "redirect", "set_cookie", "set_header", "set_status", "write"):
        with pytest.raises(RuntimeError, match="over"):
            getattr(handler, name)()
    assert other.finish(".") == expected


def test_only_a_method_of_ones_own_is_replaced_on_the_handler() -> None:
    handler, own = Upgraded(), Own()
    leave_http(handler)
    leave_http(own)
    assert "finish" not in vars(handler)
    assert [name for name in vars(own) if not name.startswith("_") and name != "is_long"] == ["finish"]
    assert Upgraded.finish.__doc__ == "Of HTTP."
