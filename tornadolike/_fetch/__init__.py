"""One request of the HTTP client: what is sent, over which connection, for how long, and where a redirect leads.

A module is imported when it is first looked up: most programs that define handlers fetch nothing. A client gets them all with `load`.
"""

import functools
from typing import TYPE_CHECKING

import tornadolike._client as _client  # from the package, the alias would look it up under a second name
from tornadolike import _http

_LATE = ("links", "plans", "redirects", "timeouts")

if TYPE_CHECKING:
    from tornadolike._fetch import links as links
    from tornadolike._fetch import plans as plans
    from tornadolike._fetch import redirects as redirects
    from tornadolike._fetch import timeouts as timeouts
else:
    __getattr__ = _http.late(__name__, _LATE)


@functools.cache
def load() -> None:
    """Import what is looked up later: the look-ups are quicker then."""
    _client.load()
    _http.import_all(__name__, _LATE)
