"""Arguments as text."""

from hypothesis import given
from hypothesis import strategies as st

from tornadolike._web import arguments


def test_arguments():
    assert arguments.texts([b" a\x00 ", b"\x1fb\t"], bytes.decode, strip=True) == ["a", "b"]
    assert arguments.texts([b" a\x00 "], bytes.decode, strip=False) == [" a  "]
    assert arguments.texts([b" a"], lambda value: value, strip=False) == [b" a"]


@given(
    st.lists(st.one_of(st.binary(max_size=20), st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))), st.booleans()
)
def test_utf8_texts_are_what_decoding_one_by_one_gives(values, strip):
    try:
        expected = arguments.texts(values, bytes.decode, strip)
    except UnicodeDecodeError:
        expected = None
    try:
        found = arguments.utf8_texts(values, strip)
    except UnicodeDecodeError:
        found = None
    assert found == expected
