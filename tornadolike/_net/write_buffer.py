"""Bytes that wait to be written: small pieces are joined, large ones kept by reference."""

from collections import deque


class WriteBuffer:
    """A queue of bytes for a writer that takes as much as the kernel does.

    Pieces above ``_large_buf_threshold`` bytes are not copied; their owner cannot resize them (if they are bytearrays) until
    they have been consumed with :meth:`advance` or dropped with :meth:`clear`.
    """

    __slots__ = ("_buffers", "_first_pos", "_large_buf_threshold", "_size")

    def __init__(self) -> None:
        # bytearray: ours, small pieces joined; memoryview: somebody's large piece.
        self._buffers: deque[bytearray | memoryview] = deque()
        self._first_pos = 0  # how much of the first piece is consumed
        self._size = 0
        self._large_buf_threshold = 2048

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Add ``data``; a memoryview must have items of one byte."""
        size = len(data)
        if not size:
            return
        pieces, threshold = self._buffers, self._large_buf_threshold
        self._size += size
        if size > threshold:
            pieces.append(memoryview(data))
            return
        last = pieces[-1] if pieces else None
        if isinstance(last, bytearray) and len(last) < threshold:
            last += data
        else:
            pieces.append(bytearray(data))

    def peek(self, size: int) -> memoryview:
        """A view of the next bytes: at least one (unless empty), at most ``size``. Release it before the buffer changes."""
        if not self._buffers:
            return memoryview(b"")
        with memoryview(self._buffers[0]) as whole:
            return whole[self._first_pos : self._first_pos + size]

    def advance(self, size: int) -> None:
        """Forget the next ``size`` bytes, 0 < size <= len(self)."""
        if not 0 < size <= self._size:
            raise AssertionError(f"cannot advance by {size}, {self._size} bytes are buffered")
        self._size -= size
        position = self._first_pos + size
        while self._buffers and position >= len(self._buffers[0]):
            piece = self._buffers.popleft()
            position -= len(piece)
            if isinstance(piece, memoryview):
                piece.release()
        self._first_pos = position

    def clear(self) -> None:
        """Forget everything and let go of the large pieces."""
        for piece in self._buffers:
            if isinstance(piece, memoryview):
                piece.release()
        self._buffers.clear()
        self._first_pos = self._size = 0
