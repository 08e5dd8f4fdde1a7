"""Arguments as text."""

from tornadolike._web import arguments


def test_arguments():
    def decode(value: bytes, name: str) -> str:
        assert name == "n"
        return value.decode()

    assert arguments.texts([b" a\x00 ", b"\x1fb\t"], decode, "n", strip=True) == ["a", "b"]
    assert arguments.texts([b" a\x00 "], decode, "n", strip=False) == [" a  "]
    assert arguments.texts([b" a"], lambda value, name: value, "n", strip=False) == [b" a"]
