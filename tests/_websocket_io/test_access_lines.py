"""What the access log says of a WebSocket."""

from tornadolike._websocket_io import access_lines


class Connection:
    close_code: int | None = 1001
    _messages_in, _messages_out, _opened = 2, 3, 10.0


def test_a_line_for_each_end() -> None:
    texts = []
    for event in ("open", "close"):
        format_, *arguments = access_lines.line(event, "GET / (192.0.2.1)", Connection(), 12.5)
        texts.append(format_ % tuple(arguments))
    assert texts == ["WebSocket opened GET / (192.0.2.1)", "WebSocket closed GET / (192.0.2.1) code=1001 2.500s, 2 messages in, 3 out"]
