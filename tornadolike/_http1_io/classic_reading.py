"""Reading bodies as Tornado does, from the stream and piece by piece: for classes that override how."""

import asyncio
from typing import TYPE_CHECKING, cast

from tornadolike import httputil, iostream
from tornadolike._http1.engine import DONE, IDLE
from tornadolike._http1.events import BodyStart, RequestHead
from tornadolike._http1_io.receiving import line_of
from tornadolike._http1_io.state import CONTINUE, BodyTooLargeInput, ExchangeState

if TYPE_CHECKING:
    from tornadolike._http1_io.single_exchange import SingleExchange


class ClassicReading(ExchangeState):
    """What `HTTP1Connection.read_response` does for such classes. They are asked where Tornado asks them."""

    async def _read_in_its_own_way(self, owner: "SingleExchange") -> bool:
        """`read_response` for classes with a way of their own to read bodies: they are asked where Tornado asks them.

        Everything is read from the stream by whoever wants it, so that they can do the same. For requests only.
        """
        if self.is_client:
            raise TypeError(f"{type(self).__name__} overrides how bodies are read, which is not supported for responses")
        stream = self.stream
        stream.set_close_callback(self._on_stream_closed)
        owner.watch_header_timeout()
        try:
            head = await stream.read_until_regex(b"\r?\n\r?\n", max_bytes=self.params.max_header_size)
            first, following = self._engine.feed(head)
            await self._read_request_in_its_own_way(cast(RequestHead, first), type(following) is BodyStart)
        except iostream.StreamClosedError:
            self._on_stream_closed()
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)
        return await owner.result

    async def _read_request_in_its_own_way(self, head: RequestHead, has_body: bool) -> None:
        delegate = cast(httputil.HTTPMessageDelegate, self._delegate)
        if self.no_keep_alive:
            self._engine.keep_alive = False
        self._request_start_line = line_of(head)  # OctoPrint's looks at it
        self._request_headers = httputil.HTTPHeaders._from_wire(head.headers, head.bare)
        self._delegate_open = True
        wanted = delegate.headers_received(self._request_start_line, self._request_headers)
        if wanted is not None:
            await wanted
        if self._over:
            return
        if has_body:
            if head.expects_continue and self._engine.own is IDLE:
                await self.stream.write(CONTINUE)
            body = self._read_body(0, self._request_headers, delegate)
            timeout = self._body_timeout if self._body_timeout is not None else self.params.body_timeout
            if timeout is not None:
                self._body_timer = asyncio.get_running_loop().call_later(timeout, self._on_body_timeout)
            if body is not None:
                await body
            self._engine.peer = DONE
        if not self._over:
            self._on_end()

    async def _deliver_body(self, delegate: httputil.HTTPMessageDelegate, data: bytes) -> None:
        if self._engine.own is not DONE:
            wanted = delegate.data_received(data)
            if wanted is not None:
                await wanted

    async def _read_fixed_body(self, content_length: int, delegate: httputil.HTTPMessageDelegate) -> None:
        while content_length > 0:
            data = await self.stream.read_bytes(min(self.params.chunk_size, content_length), partial=True)
            content_length -= len(data)
            await self._deliver_body(delegate, data)

    async def _read_chunked_body(self, delegate: httputil.HTTPMessageDelegate) -> None:
        total, limit = 0, self._body_limit()
        while True:
            line = await self.stream.read_until(b"\r\n", max_bytes=64)
            try:
                size = self._chunk_size(line[:-2].decode("latin-1"))
            except ValueError:
                raise httputil.HTTPInputError("invalid chunk size") from None
            total += size
            if total > limit:
                raise BodyTooLargeInput("chunked body too large")
            await self._read_fixed_body(size, delegate)
            if await self.stream.read_bytes(2) != b"\r\n":
                raise httputil.HTTPInputError("improperly terminated chunk")
            if not size:
                return

    async def _read_body_until_close(self, delegate: httputil.HTTPMessageDelegate) -> None:
        raise httputil.HTTPInputError("a request does not end with its connection")
