"""Heads as bytes. Serialising is ours in both directions, whatever parses."""

from collections.abc import Iterable

from tornadolike._http1.errors import IllegalHeader


def head(start_line: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A whole head, Latin-1 (RFC 9110 §5.5), from a start line with its CRLF and its fields in order.

    Raises `IllegalHeader` where CR, LF or NUL would break out of a line, or where a character is not Latin-1.
    """
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    block = f"{start_line}{''.join(lines)}\r\n"
    ends = len(lines) + 2
    # As many line ends as lines: no value smuggles one in. Cheaper than looking at each value.
    if block.count("\n") != ends or block.count("\r") != ends or "\0" in block:
        raise IllegalHeader(_offender(start_line, lines))
    try:
        return block.encode("latin-1")
    except UnicodeEncodeError as error:
        raise IllegalHeader(_unencodable(start_line, lines)) from error


def _offender(start_line: str, lines: list[str]) -> str:
    for line in (start_line, *lines):
        text = line[:-2]
        if "\r" in text or "\n" in text or "\0" in text:
            return f"Illegal characters (CR, LF or NUL) in header: {text!r}"
    return "Illegal characters in header"


def _unencodable(start_line: str, lines: list[str]) -> str:
    for line in (start_line, *lines):
        if any(ord(char) > 0xFF for char in line):
            return f"Character outside Latin-1 in header: {line[:-2]!r}"
    return "Character outside Latin-1 in header"
