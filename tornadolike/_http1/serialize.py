"""Heads as bytes. Serialising is ours in both directions, whatever parses."""

from collections.abc import Iterable

from tornadolike._http1.errors import IllegalHeader


def head(line: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A whole head from a start line with its CRLF and its fields in order. Raises `IllegalHeader`."""
    return b"%b%b\r\n" % (start_line(line), lines(fields))


def start_line(line: str) -> bytes:
    """A start line with its CRLF (UTF-8, as Tornado sends a reason). Raises `IllegalHeader` for another line end, or NUL, in it."""
    if line.count("\n") != 1 or line.count("\r") != 1 or "\0" in line:
        raise IllegalHeader(_offender([line]))
    return line.encode()


def lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """Header fields in order, each with its CRLF (Latin-1, RFC 9110 §5.5).

    Raises `IllegalHeader` where CR, LF or NUL would break out of a line, or where a field's character is not Latin-1.
    """
    return b"".join([known.get(field) or line(field) for field in fields])


# Applications send the same fields again and again.
known: dict[tuple[str, str], bytes] = {}
_MAX_KNOWN = 512
_MAX_KNOWN_CHARS = 100
# Another one for each response: they would push all others out.
_NEVER_THE_SAME = frozenset(("X-Request-Id", "Set-Cookie"))


def line(field: tuple[str, str]) -> bytes:
    """One field, which is then `known`. Raises `IllegalHeader` as `lines` does."""
    name, value = field
    text = f"{name}: {value}\r\n"
    if name in _NEVER_THE_SAME and value.isascii() and value.isprintable():
        return text.encode()
    if text.count("\n") != 1 or text.count("\r") != 1 or "\0" in text:
        raise IllegalHeader(_offender([text]))
    try:
        encoded = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise IllegalHeader(_unencodable([text])) from error
    if len(encoded) <= _MAX_KNOWN_CHARS and name not in _NEVER_THE_SAME:
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known[field] = encoded
    return encoded


def _offender(lines: list[str]) -> str:
    for line in lines:
        text = line[:-2]
        if "\r" in text or "\n" in text or "\0" in text:
            return f"Illegal characters (CR or LF) in header: {text.encode()!r}"
    return "Illegal characters in header"


def _unencodable(lines: list[str]) -> str:
    for line in lines:
        if any(ord(char) > 0xFF for char in line):
            return f"Character outside Latin-1 in header: {line[:-2]!r}"
    return "Character outside Latin-1 in header"
