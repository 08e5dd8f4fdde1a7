"""Names of headers: tokens, and remembered in a bounded number."""

import pytest

from tornadolike._web import header_names


@pytest.fixture(autouse=True)
def none_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_names, "checked", {})


def test_a_name_is_remembered_as_it_is_spelled() -> None:
    header_names.check("x-own-NAME")
    assert header_names.checked == {"x-own-NAME": "X-Own-Name"}


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é"])
def test_what_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Unsafe header name"):
        header_names.check(name)
    assert not header_names.checked


def test_made_up_names_do_not_fill_the_memory() -> None:
    for number in range(1500):
        header_names.check(f"X-{number}")
    assert len(header_names.checked) == 1000
