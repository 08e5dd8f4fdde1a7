"""What a handler has of HTTP behind the upgrade: nothing, and at no cost, since there may be ten thousand of them."""

import functools
from collections.abc import Callable
from typing import Any

from tornadolike import httputil

_NAMES = ("finish", "flush", "redirect", "set_cookie", "set_header", "set_status", "write")
# All handlers share these, since there is nothing left that would change them.
_NO_HEADERS = httputil.HTTPHeaders()
_NO_BODY: list[bytes] = []
_NO_TRANSFORMS: list[Any] = []


def _only_before(cls: Any, name: str, refuse: Callable[..., Any]) -> Callable[..., Any]:
    @httputil._beyond_tornado
    @functools.wraps(getattr(cls, name))
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._headers is _NO_HEADERS:
            refuse()
        return getattr(super(cls, self), name)(*args, **kwargs)

    return method


def end_with_upgrade(cls: Any, refuse: Callable[..., Any]) -> Callable[[Any], None]:
    """Give a class of handlers methods that call ``refuse`` behind the upgrade, in place of those of HTTP that it inherits.

    Tornado puts something else in their place on each handler. Returns the function which says that a handler is upgraded.
    """
    methods = {name: _only_before(cls, name, refuse) for name in _NAMES}
    for name, method in methods.items():
        setattr(cls, name, method)

    def leave_http(handler: Any) -> None:
        kind = type(handler)
        for name, method in methods.items():
            if getattr(kind, name) is not method:  # a program has its own, which shall not be called either
                setattr(handler, name, refuse)
        # More than a kilobyte that nobody needs for as long as there are messages.
        handler._headers, handler._write_buffer, handler._transforms = _NO_HEADERS, _NO_BODY, _NO_TRANSFORMS
        handler._RequestHandler__will_be_long()

    return leave_http
