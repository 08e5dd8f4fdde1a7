"""Heads as bytes. Serialising is ours in both directions, whatever parses."""

from collections.abc import Iterable

from tornadolike._http1.errors import IllegalHeader


def head(start_line: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A whole head from a start line with its CRLF (UTF-8, as Tornado sends a reason) and its fields in order (Latin-1, RFC 9110 §5.5).

    Raises `IllegalHeader` where CR, LF or NUL would break out of a line, or where a field's character is not Latin-1.
    """
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    block = f"{''.join(lines)}\r\n"
    ends = len(lines) + 1
    # As many line ends as lines: no value smuggles one in. Cheaper than looking at each value.
    if block.count("\n") != ends or block.count("\r") != ends or "\0" in block:
        raise IllegalHeader(_offender(lines))
    if start_line.count("\n") != 1 or start_line.count("\r") != 1 or "\0" in start_line:
        raise IllegalHeader(_offender([start_line]))
    try:
        return start_line.encode() + block.encode("latin-1")
    except UnicodeEncodeError as error:
        raise IllegalHeader(_unencodable(lines)) from error


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
