"""The frame of the message that was sent last, for servers that send the same message to many.

Servers mask nothing (RFC 6455 §5.1), so that without compression the same bytes serve every connection. Who sends one and the same
object again gets the frame that is there: str and bytes do not change. In a broadcast to 10,000 that saves a third of what a
message costs beside the transport and the kernel.
"""

from tornadolike._websocket import frames

# A larger message is not kept. Until the next one it would take up memory, and the next one would find no warm memory in its place:
# with 16 KiB that made an echo an eighth dearer.
MAX_KEPT_BYTES = 4096

Entry = tuple[str | bytes, bool, int, bytes]


class LatestFrame:
    """``entry`` holds a message, whether it is binary, its bytes in UTF-8, and its frame; one tuple, so that threads see all or nothing."""

    __slots__ = ("entry",)

    def __init__(self) -> None:
        self.entry: Entry = self.replace("", False)

    def replace(self, message: str | bytes, binary: bool) -> Entry:
        """The entry of this message, to be found by others if it is not too large."""
        payload = message.encode() if isinstance(message, str) else message
        size, first = len(payload), 0x82 if binary else 0x81
        frame = frames.SHORT_HEADS[first][size] + payload if size < 126 else frames.frame(first, payload)
        entry = message, binary, size, frame
        if size <= MAX_KEPT_BYTES:
            self.entry = entry
        return entry


latest = LatestFrame()
