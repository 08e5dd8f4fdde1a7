"""The request that a redirect leads to."""

import copy

from tornadolike._client.credentials import BOUND_TO_ORIGIN
from tornadolike._client.redirects import DESCRIBES_BODY, Hop, next_hop
from tornadolike.httpclient import HTTPRequest, _RequestProxy
from tornadolike.httputil import HTTPHeaders


def redirected_request(request: HTTPRequest, code: int, location: str) -> HTTPRequest:
    """What to send after a response with this status and ``Location`` to ``request``. Raises `ValueError` for a location that is none.

    Its ``original_request`` is what the application asked for.
    """
    original = vars(request).get("original_request", request)
    hop = next_hop(code, request.method, request.url, location, original.url)
    redirected = copy.copy(request.request if isinstance(request, _RequestProxy) else request)
    redirected.headers = _headers_for_hop(request.headers, hop)
    redirected.url, redirected.method = hop.url, hop.method
    redirected.max_redirects = (request.max_redirects or 0) - 1
    redirected._fetched_at = request._fetched_at
    if hop.drops_body:
        redirected.body = None
        redirected.body_producer = None
        redirected.expect_100_continue = False
    if not hop.same_origin:
        redirected.auth_username = redirected.auth_password = None
        redirected._withholds_credentials = True
    redirected.original_request = original  # type: ignore[attr-defined]  # read back by the hops to come, and by no one else
    return redirected


def _headers_for_hop(headers: HTTPHeaders, hop: Hop) -> HTTPHeaders:
    kept = headers.copy()
    # Both are for one connection only.
    dropped = ("Host", "Transfer-Encoding", *(DESCRIBES_BODY if hop.drops_body else ()), *(() if hop.same_origin else BOUND_TO_ORIGIN))
    for name in dropped:
        if name in kept:
            del kept[name]
    return kept
