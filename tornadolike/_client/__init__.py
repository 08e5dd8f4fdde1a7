"""Decisions of the HTTP client: what to send, where a redirect leads, which connection to use again.

A module is imported when it is first looked up; a client gets them all with `load`.
"""

from typing import TYPE_CHECKING

from tornadolike import _http

_LATE = ("credentials", "keep_alive", "pool", "redirects", "request_head")

if TYPE_CHECKING:
    from tornadolike._client import credentials as credentials
    from tornadolike._client import keep_alive as keep_alive
    from tornadolike._client import pool as pool
    from tornadolike._client import redirects as redirects
    from tornadolike._client import request_head as request_head
else:
    __getattr__ = _http.late(__name__, _LATE)


def load() -> None:
    """Import what is looked up later: the look-ups are quicker then."""
    _http.import_all(__name__, _LATE)
