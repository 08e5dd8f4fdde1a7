"""What a recording means, without what belongs to the server's own way of writing HTTP/1.1 or WebSocket frames."""

import re
import zlib
from typing import Any

# The server's: how a body is framed, who served it and when, what becomes of the connection.
_SERVERS_FIELDS = {
    "server",
    "date",
    "connection",
    "transfer-encoding",
    "keep-alive",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-version",
    "sec-websocket-extensions",
}
_GZIP_HEAD = re.compile(rb"\x1f\x8b\x08\x00.{6}", re.DOTALL)  # holds the time and who compressed
_STATUS_LINE = re.compile(r"HTTP/1\.\d (-?\d+)")
# Logged by our own server about connections.
_SERVERS_LINES = re.compile(
    r"^(asyncio|uvicorn\.?\w*|hypercorn\.?\w*|daphne\.?[\w.]*|_granian\.?\w*|granian\.?\w*|twisted\.?\w*|django\.?\w*) "
)


def of(recording: Any) -> Any:
    """Responses, WebSocket messages, notes and log lines of a conversation; None for a recording of another kind."""
    if isinstance(recording, dict) and "received" in recording:
        answers = responses("\n".join(recording["received"]).encode("latin-1"))
        return {"answers": answers, "notes": recording.get("notes"), "log": lines(recording["log"])}
    if isinstance(recording, list) and len(recording) == 5 and isinstance(recording[1], str):
        head, frames, _, notes, log = recording
        answer = responses("\r\n".join([*head, "", ""]).encode("latin-1"))
        if not answer or answer[0]["status"] != 101:
            return {"answers": [one["status"] for one in answer], "notes": notes, "log": lines(log)}
        return {"answers": answer, "messages": messages(bytes.fromhex(frames)), "notes": notes, "log": lines(log)}
    return None


def lines(log: list[str]) -> list[str]:
    return sorted(line for line in log if not _SERVERS_LINES.match(line))


def responses(data: bytes) -> list[dict[str, Any]]:
    """The responses that came over one connection."""
    found = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        if not separator:
            break
        first, *rest = head.decode("latin-1").split("\r\n")
        line = _STATUS_LINE.match(first)
        if line is None:
            found.append({"status": 0, "garbage": first[:100]})
            break
        status = int(line[1])
        if 100 <= status < 200 and status != 101:
            continue
        pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        fields = dict(pairs)
        body, complete, data = _body(status, fields, data)
        shown = sorted(pair for pair in pairs if pair[0] not in _SERVERS_FIELDS and (pair[0] != "content-length" or body))
        body = _GZIP_HEAD.sub(b"<gzip>", body)
        found.append({"status": status, "fields": shown, "body": body.decode("latin-1"), "complete": complete})
    return found


def _body(status: int, fields: dict[str, str], data: bytes) -> tuple[bytes, bool, bytes]:
    if status in (101, 204, 304):
        return b"", True, data
    if not data:
        return b"", fields.get("content-length", "0") == "0" or "content-length" in fields, data
    if "chunked" in fields.get("transfer-encoding", ""):
        body = b""
        while True:
            size, separator, rest = data.partition(b"\r\n")
            if not separator:
                return body, False, b""
            length = int(size, 16)
            if length == 0:
                return body, True, rest[2:]
            if len(rest) < length + 2:
                return body + rest[:length], False, b""
            body, data = body + rest[:length], rest[length + 2 :]
    length = int(fields.get("content-length", len(data)))
    if length and data.startswith(b"HTTP/1.1 "):  # an answer to HEAD
        return b"", True, data
    return data[:length], len(data) >= length or not data, data[length:]


def messages(data: bytes) -> list[Any]:
    """Messages and close frames that a server sent; pings, pongs and fragments are its own affair."""
    found: list[Any] = []
    pieces, kind, inflater, compressed = b"", 0, zlib.decompressobj(-15), False
    while len(data) >= 2:
        data_0 = data[0]
        opcode, size, at = data_0 & 15, data[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        payload, last, data = data[at : at + size], bool(data_0 & 128), data[at + size :]
        if opcode == 8:
            found.append(["close", int.from_bytes(payload[:2], "big") if payload else None])
        elif opcode < 3:
            kind, compressed = (opcode, bool(data_0 & 64)) if opcode else (kind, compressed)
            pieces += payload
            if last:
                if compressed:
                    pieces = inflater.decompress(pieces + b"\0\0\xff\xff")
                found.append(["text" if kind == 1 else "binary", pieces.hex()[:200]])
                pieces = b""
    return found
