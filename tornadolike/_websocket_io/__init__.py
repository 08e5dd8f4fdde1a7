"""What lies between a WebSocket's engine and its handler: messages one at a time, in the handler's own task.

What only the ends of a connection need is imported when it is first looked up.
"""

from typing import TYPE_CHECKING

from tornadolike import _http

if TYPE_CHECKING:
    from tornadolike._websocket_io import access_lines as access_lines
    from tornadolike._websocket_io import farewell as farewell
else:
    __getattr__ = _http.late(__name__, ("access_lines", "farewell"))
