"""Arguments as text."""

from tornadolike._web import arguments


def test_arguments():
    assert arguments.texts([b" a\x00 ", b"\x1fb\t"], bytes.decode, strip=True) == ["a", "b"]
    assert arguments.texts([b" a\x00 "], bytes.decode, strip=False) == [" a  "]
    assert arguments.texts([b" a"], lambda value: value, strip=False) == [b" a"]
