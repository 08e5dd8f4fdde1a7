"""Decisions of the web framework: computed from values, answered with values.

A module is imported when it is first looked up (``_web.signing.sign_v2``): a program that defines handlers, and serves nothing
yet, needs none of them. An application gets them all with `load`.
"""

import functools
import importlib
from typing import TYPE_CHECKING

from tornadolike import _http

_LATE = (
    "arguments",
    "conditional",
    "content_codings",
    "cookie_attributes",
    "error_pages",
    "languages",
    "origins",
    "redirects",
    "signing",
    "template_loading",
    "ui_resources",
    "written",
    "xsrf",
)

if TYPE_CHECKING:
    from tornadolike._web import arguments as arguments
    from tornadolike._web import conditional as conditional
    from tornadolike._web import content_codings as content_codings
    from tornadolike._web import cookie_attributes as cookie_attributes
    from tornadolike._web import error_pages as error_pages
    from tornadolike._web import languages as languages
    from tornadolike._web import origins as origins
    from tornadolike._web import redirects as redirects
    from tornadolike._web import signing as signing
    from tornadolike._web import template_loading as template_loading
    from tornadolike._web import ui_resources as ui_resources
    from tornadolike._web import written as written
    from tornadolike._web import xsrf as xsrf
else:
    __getattr__ = _http.late(__name__, _LATE)


@functools.cache
def load() -> None:
    """Import what was put off until there is an application, and not until a request: no file descriptor may be left by then.

    The modules of Python are those which requests make this package ask for.
    """
    _http.load()
    for name in ("calendar", "email.utils", "http.client", "http.cookies"):
        importlib.import_module(name)
    _http.import_all(__name__, _LATE)
