"""The engine: wsproto's frame protocol, and beside it a short way for plain frames.

A frame is *plain* when it carries a whole data message, is as large as it may be, has the right mask bit and its shortest length
field. Nearly all are; reading one here costs a tenth of what it costs in wsproto. So are pings, pongs and the close frames that say
nothing, where they come whole and not within a message. Every other frame, so also everything that is
wrong, goes to wsproto byte by byte as it comes.

wsproto inflates without a limit, cannot read a control frame between compressed fragments, and keeps no account of sizes. So it
never sees an extension: the first frame of a compressed message is presented to it as uncompressed and binary, and what it
gathers is inflated, within the limit, at the message's end.
"""

import io
from typing import Any

from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from tornadolike._websocket import frames, masking
from tornadolike._websocket.deflate import Deflater, Inflater
from tornadolike._websocket.engine import MAX_BYTES, MAX_EVENTS
from tornadolike._websocket.errors import InflatedTooLarge, InvalidDeflate, PeerError
from tornadolike._websocket.events import CLOSE, PING, PONG, Close, Event, Ping, Pong
from tornadolike._websocket.latest_frame import latest

_TOO_BIG = "message too big"
_TOO_BIG_INFLATED = "message too big after decompression"
_NOT_PLAIN: frozenset[int] = frozenset()
_PLAIN = frozenset({0x81, 0x82})
_PLAIN_COMPRESSED = frozenset({0x81, 0x82, 0xC1, 0xC2})
_PLAIN_CONTROLS = frozenset({0x89, 0x8A})
_CLOSES = 0x88
_NO_REASON = (CloseReason.NO_STATUS_RCVD, "")


class WsprotoEngine:
    """`engine.Engine`. ``plain_lane=False`` sends all frames through wsproto."""

    __slots__ = (
        "_closed",
        "_compressed",
        "_deflater",
        "_failure",
        "_gathered",
        "_gathered_bytes",
        "_inflater",
        "_is_client",
        "_mask_bit",
        "_max_bytes",
        "_plain_kinds",
        "_protocol",
        "_shares",
        "_tail",
        "_unpassed",
        "_wanted",
        "has_more",
        "message_bytes_in",
        "message_bytes_out",
    )

    def __init__(self, is_client: bool, max_message_bytes: int, plain_lane: bool = True) -> None:
        self._is_client = is_client
        self._mask_bit = 0 if is_client else frames.MASKED
        self._shares = not is_client  # frames with other connections
        self._max_bytes = max_message_bytes
        # First bytes of frames that may be plain.
        self._plain_kinds = _PLAIN if plain_lane else _NOT_PLAIN
        self._deflater: Deflater | None = None
        self._inflater: Inflater | None = None
        self.has_more = self._closed = False
        self.message_bytes_in = self.message_bytes_out = 0
        self._failure: PeerError | None = None
        # Bytes that are not used yet, and how many there must be before it is worth looking at them.
        self._tail: bytes | bytearray = b""
        self._wanted = 0
        # There is a FrameProtocol only from the first byte of a frame that is not plain to the end of its message.
        self._protocol: FrameProtocol | None = None
        self._unpassed = 0  # payload bytes of the frame under way which wsproto has not got yet
        self._compressed = 0  # opcode of the compressed message under way
        self._gathered: io.StringIO | bytearray | None = None
        self._gathered_bytes = 0

    def use_deflate(self, deflater: Deflater, inflater: Inflater) -> None:
        """Messages are compressed from now on, and may come compressed."""
        self._deflater = deflater
        self._inflater = inflater
        self._shares = False
        if self._plain_kinds:
            self._plain_kinds = _PLAIN_COMPRESSED

    # Receiving

    def feed(self, data: bytes = b"") -> list[Event]:
        if self._tail:
            data = self._joined(data)
        events: list[Event] = []
        if self._failure is not None:
            self._raise_failure()
        if data and not self._closed:
            try:
                self._read(data, events)
            except PeerError as failure:
                # Behind other events it waits for the next call.
                self._failure = failure
                self._closed = self.has_more = True
                if not events:
                    self._raise_failure()
        return events

    def feed_eof(self) -> list[Event]:
        self._closed = True
        self.has_more = False
        self._tail = b""
        self._failure = self._protocol = self._gathered = None
        return []

    def _raise_failure(self) -> None:
        failure = self._failure
        assert failure is not None
        self.feed_eof()
        raise failure

    def _joined(self, data: bytes) -> bytes:
        """What is stored and ``data`` behind it, or b"" while that is still too little; then it is stored."""
        tail = self._tail
        if data:
            if not isinstance(tail, bytearray):
                tail = bytearray(tail)
            tail += data
        elif not self.has_more:
            return b""
        if len(tail) < self._wanted:
            self._tail = tail
            return b""
        self._tail = b""
        return bytes(tail)

    def _read(self, data: bytes, events: list[Event]) -> None:
        """Turn ``data`` into events and keep what is left."""
        position, size = 0, len(data)
        rounds, enough = MAX_EVENTS, self.message_bytes_in + MAX_BYTES
        self.has_more = False
        self._wanted = 0
        while position < size and not self._closed:
            before = position
            if self._protocol is None:
                position = self._read_plain(data, position, events)
                if position == size:
                    return
            if position == before and not self._wanted:
                position = self._read_through(data, position, events)
            if position == before:
                break
            rounds -= 1  # empty fragments are no events, but work
            if not rounds or len(events) >= MAX_EVENTS or self.message_bytes_in > enough:
                self.has_more = position < size and not self._closed and not self._wanted
                break
        if position < size and not self._closed:
            self._tail = data[position:]

    def _read_plain(self, data: bytes, position: int, events: list[Event]) -> int:
        """Read plain frames from ``position`` on, as far as they are complete. ``_wanted`` is set when the next one is not."""
        size, mask_bit, kinds = len(data), self._mask_bit, self._plain_kinds
        header = 6 if mask_bit else 2
        while size - position >= header and len(events) < MAX_EVENTS:
            first, begin, length = data[position], position + header, data[position + 1] ^ mask_bit
            if length > 125:
                begin, length = frames.long_extent(data, begin, position, length)
            if first not in kinds or not 0 <= length <= self._max_bytes:
                break
            end = begin + length
            if end > size:
                self._wanted = end - position
                break
            payload = data[begin:end]
            if mask_bit:
                payload = masking.apply(payload, data[begin - 4 : begin])
            position = end
            if first & frames.RSV1:
                self._emit(self._inflate(payload), first & 0x0F, events)
                break  # it may have become very large
            if first & frames.TEXT:
                self._emit(payload, frames.TEXT, events)
            else:
                self.message_bytes_in += length
                events.append(payload)
        return position

    def _emit(self, payload: bytes, opcode: int, events: list[Event]) -> None:
        self.message_bytes_in += len(payload)
        if opcode == frames.TEXT:
            try:
                events.append(payload.decode())
            except UnicodeDecodeError as error:
                raise PeerError(CloseReason.INVALID_FRAME_PAYLOAD_DATA, str(error)) from None
        else:
            events.append(payload)

    def _inflate(self, payload: bytes) -> bytes:
        assert self._inflater is not None
        try:
            return self._inflater.decompress(payload)
        except InflatedTooLarge:
            raise PeerError(CloseReason.MESSAGE_TOO_BIG, _TOO_BIG_INFLATED) from None
        except InvalidDeflate as error:
            raise PeerError(CloseReason.INVALID_FRAME_PAYLOAD_DATA, str(error)) from None

    # Receiving, the thorough way.

    def _read_through(self, data: bytes, position: int, events: list[Event]) -> int:
        """Have wsproto read one frame, or what there is of it; the position behind, or the same one while the header is incomplete."""
        if not self._unpassed:
            extent = frames.extent(data, position)
            if extent is None:
                return position
            begin, length = extent
            if self._protocol is None and self._read_plain_control(data[position:begin], data[begin : begin + length], length, events):
                return begin + length
            self._begin_frame(data[position:begin], length, events)
            position = begin
        piece = data[position : position + self._unpassed]
        if piece:
            self._unpassed -= len(piece)
            self._pass(piece, events)
        return position + len(piece)

    def _read_plain_control(self, header: bytes, payload: bytes, length: int, events: list[Event]) -> bool:
        """Read a ping, a pong or a close frame that says nothing, if there is nothing odd about it and it has come whole."""
        first, second = header[:2]
        if not self._plain_kinds or second != self._mask_bit | length or length > 125 or len(payload) < length:
            return False
        if first not in _PLAIN_CONTROLS and (first != _CLOSES or length):
            return False
        if length and self._mask_bit:
            payload = masking.apply(payload, header[-4:])
        events.append(self._control_event(first & 0x0F, _NO_REASON if first == _CLOSES else payload))
        return True

    def _begin_frame(self, header: bytes, length: int, events: list[Event]) -> None:
        if self._protocol is None:
            self._protocol = FrameProtocol(client=self._is_client, extensions=[])
        first = header[0]
        begins_compressed = bool(first & frames.RSV1) and self._inflater is not None and not self._under_way()
        if begins_compressed and first & 0x0F in (frames.TEXT, frames.BINARY):
            self._compressed = first & 0x0F
            header = bytes((first & 0xB0 | frames.BINARY,)) + header[1:]
        self._unpassed = length
        self._pass(header, events)
        if first & 0x08 == 0:
            self._gathered_bytes += length
            if self._gathered_bytes > self._max_bytes:
                raise PeerError(CloseReason.MESSAGE_TOO_BIG, _TOO_BIG)

    def _under_way(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._gathered is not None

    def _pass(self, data: bytes, events: list[Event]) -> None:
        protocol = self._protocol
        assert protocol is not None
        protocol.receive_bytes(data)
        try:
            for frame in protocol.received_frames():
                self._on_frame(frame, events)
        except ParseFailed as error:
            raise PeerError(error.code, str(error)) from None

    def _on_frame(self, frame: Frame, events: list[Event]) -> None:
        opcode: int = frame.opcode
        if opcode in (PING, PONG, CLOSE):
            events.append(self._control_event(opcode, frame.payload))
        else:
            self._gather(frame, events)
        if frame.frame_finished and not self._under_way():
            self._protocol = None

    def _control_event(self, opcode: int, payload: Any) -> Event:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        self._closed = True
        code, reason = payload
        return Close(None, None) if code == CloseReason.NO_STATUS_RCVD else Close(int(code), reason or None)

    def _gather(self, frame: Frame, events: list[Event]) -> None:
        payload: Any = frame.payload
        gathered = self._gathered
        if gathered is None:
            gathered = self._gathered = io.StringIO() if frame.opcode is Opcode.TEXT else bytearray()
        if isinstance(gathered, io.StringIO):
            gathered.write(payload)
        else:
            gathered += payload
        if not (frame.frame_finished and frame.message_finished):
            return
        compressed, received = self._compressed, self._gathered_bytes
        self._gathered = None
        self._gathered_bytes = self._compressed = 0
        if compressed:
            assert isinstance(gathered, bytearray)
            self._emit(self._inflate(bytes(gathered)), compressed, events)
        else:
            self.message_bytes_in += received
            events.append(gathered.getvalue() if isinstance(gathered, io.StringIO) else bytes(gathered))

    # Sending

    def send_message(self, message: str | bytes, binary: bool) -> bytes:
        if self._shares:
            entry = latest.entry
            if message is not entry[0] or binary is not entry[1]:
                entry = latest.replace(message, binary)
            self.message_bytes_out += entry[2]
            return entry[3]
        payload = message.encode() if isinstance(message, str) else message
        self.message_bytes_out += len(payload)
        first = 0x82 if binary else 0x81
        if self._deflater is not None:
            payload = self._deflater.compress(payload)
            first |= frames.RSV1
        return frames.frame(first, payload, self._is_client)

    def send_frame(self, first: int, payload: bytes) -> bytes:
        return frames.frame(first, frames.checked(first, payload), self._is_client)
