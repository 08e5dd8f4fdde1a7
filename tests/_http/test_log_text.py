"""What a peer said, in a line of the log."""

from hypothesis import given
from hypothesis import strategies as st

from tornadolike._http.log_text import one_line


def test_control_characters_are_spelled_out() -> None:
    assert one_line("/a?b=c") == "/a?b=c"
    assert one_line("/\x85\x9b31m\x7f\r\n\t\0") == "/\\x85\\x9b31m\\x7f\\x0d\\x0a\\x09\\x00"
    assert one_line("caf\xe9\xa0\u2028") == "caf\xe9\xa0\\u2028"


@given(st.text())
def test_no_text_makes_two_lines(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert len(one_line(text)) >= len(text)
