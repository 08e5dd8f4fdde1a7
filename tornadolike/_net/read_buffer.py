"""What a pending read waits for, and how it is found in the bytes that have arrived."""

import re
from typing import Protocol

from tornadolike._net import kept_buffers


class Unsatisfiable(Exception):
    """The read can never succeed: its limit is reached and what it looks for has not come."""


class ReadRequest(Protocol):
    """One pending read."""

    def find(self, buffer: bytearray, /) -> int | None:
        """How many bytes of ``buffer`` are the answer, or None when more are needed. Raises :class:`Unsatisfiable`."""

    def enough(self, size: int, /) -> bool:
        """Whether ``size`` buffered bytes decide it, so that reading further ahead would be in vain."""

    def answer(self, buffer: bytearray, size: int, /) -> bytes | int:
        """The result, after `find` gave ``size``."""


class _Buffered:
    """What is answered from the buffer."""

    __slots__ = ()

    def answer(self, buffer: bytearray, size: int) -> bytes | int:
        return consume(buffer, size)


class Count(_Buffered):
    """``count`` bytes, or with ``partial`` any number of them but none."""

    __slots__ = ("count", "partial")

    def __init__(self, count: int, partial: bool) -> None:
        self.count = count
        self.partial = partial

    def find(self, buffer: bytearray) -> int | None:
        size = len(buffer)
        if size >= self.count:
            return self.count
        return size if self.partial and size else None

    find_quietly = find

    def enough(self, size: int) -> bool:
        return size >= self.count


class _Limited(_Buffered):
    __slots__ = ("max_bytes",)

    def __init__(self, max_bytes: int | None) -> None:
        self.max_bytes = max_bytes

    def enough(self, size: int) -> bool:
        return self.max_bytes is not None and size >= self.max_bytes

    def check(self, size: int, wanted: bytes | re.Pattern[bytes]) -> None:
        if self.max_bytes is not None and size > self.max_bytes:
            raise Unsatisfiable(f"delimiter {wanted!r} not found within {self.max_bytes} bytes")


class Delimiter(_Limited):
    """Everything up to and with ``delimiter``."""

    __slots__ = ("_delimiter", "_searched")

    def __init__(self, delimiter: bytes, max_bytes: int | None) -> None:
        self.max_bytes = max_bytes
        self._delimiter = delimiter
        self._searched = 0  # up to here it cannot begin: keeps the search linear however small the chunks

    def find(self, buffer: bytearray) -> int | None:
        delimiter = self._delimiter
        if not buffer:
            return None
        start = buffer.find(delimiter, self._searched)
        if start < 0:
            self.check(len(buffer), delimiter)
            self._searched = max(0, len(buffer) - len(delimiter) + 1)
            return None
        end = start + len(delimiter)
        if self.max_bytes is not None:
            self.check(end, delimiter)
        return end

    def find_quietly(self, buffer: bytearray) -> int | None:
        """As `find`, but None also where it raises; may be asked first."""
        start = buffer.find(self._delimiter)
        end = start + len(self._delimiter)
        return None if start < 0 or (self.max_bytes is not None and end > self.max_bytes) else end


class Pattern(_Limited):
    """Everything up to and with the first match of ``regex``."""

    __slots__ = ("_regex",)

    def __init__(self, regex: bytes, max_bytes: int | None) -> None:
        super().__init__(max_bytes)
        self._regex = re.compile(regex)

    def find(self, buffer: bytearray) -> int | None:
        if not buffer:
            return None
        match = self._regex.search(buffer)
        end = len(buffer) if match is None else match.end()
        self.check(end, self._regex)
        return None if match is None else end


class UntilClose(_Buffered):
    """Everything up to the end."""

    __slots__ = ()

    def find(self, buffer: bytearray) -> int | None:
        return None

    def enough(self, size: int) -> bool:
        return False


class Into:
    """Fill the caller's ``target``, or with ``partial`` put at least one byte into it."""

    __slots__ = ("filled", "partial", "size", "target")

    def __init__(self, target: bytearray, partial: bool) -> None:
        self.target = target
        self.size = len(target)
        self.partial = partial
        self.filled = 0

    def room(self) -> memoryview:
        """A view of what is still to be filled. Release it at once: the caller may want to resize the target."""
        with memoryview(self.target) as whole:
            return whole[self.filled : self.size]

    def take(self, data: bytes | bytearray) -> int:
        """Copy as much of ``data`` as fits and return how much that was."""
        with self.room() as room, memoryview(data) as source:
            size = min(len(room), len(source))
            room[:size] = source[:size]
        self.filled += size
        return size

    def done(self) -> bool:
        return self.filled >= self.size or (self.partial and self.filled > 0)

    def find(self, buffer: bytearray) -> int | None:
        if buffer and not self.done():
            del buffer[: self.take(buffer)]
        return self.filled if self.done() else None

    def enough(self, size: int) -> bool:
        return self.done()

    def answer(self, buffer: bytearray, size: int) -> bytes | int:
        return size

    def taken(self) -> bytes:
        """What has come so far."""
        with memoryview(self.target) as whole:
            return bytes(whole[: self.filled])


class Many(Into):
    """As `Count`, for so many bytes that they are read straight to where the answer is made from, not by way of the buffer."""

    __slots__ = ()

    def __init__(self, count: int) -> None:
        super().__init__(kept_buffers.borrow(count), partial=False)
        self.size = count

    def answer(self, buffer: bytearray, size: int) -> bytes:
        taken = self.taken()
        kept_buffers.give_back(self.target)
        return taken


def consume(buffer: bytearray, size: int) -> bytes:
    """Remove the first ``size`` bytes of ``buffer`` and return them."""
    if size == len(buffer):
        taken = bytes(buffer)
        buffer.clear()
        return taken
    with memoryview(buffer) as whole:
        taken = bytes(whole[:size])
    del buffer[:size]
    return taken
