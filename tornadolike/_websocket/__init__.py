"""WebSocket (RFC 6455, RFC 7692) without I/O: the handshake, then bytes in, messages out, and back.

What only the first connection needs is imported when it is first looked up.
"""

from typing import TYPE_CHECKING

from tornadolike import _http

if TYPE_CHECKING:
    from tornadolike._websocket import handshake as handshake
    from tornadolike._websocket import keepalive as keepalive
else:
    __getattr__ = _http.late(__name__, ("handshake", "keepalive"))
