"""What a peer said, as text for one line of a log."""

# C0, DEL, C1, and the two characters that are line ends to some readers alone. U+009B begins a command to terminals, U+0085 a line:
# bytes above ASCII, which a request line may hold, stand for them.
_CONTROLS = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


def one_line(text: str) -> str:
    """``text`` with its control characters spelled out."""
    return text if text.isprintable() else text.translate(_CONTROLS)
