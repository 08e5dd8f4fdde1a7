"""tornadolike: Tornado's public API, written anew on asyncio transports and protocols.

``version`` and ``version_info`` name the level of Tornado's API that is offered, as applications which test
``tornado.version`` expect it; ``__version__`` is the version of this package.

Submodules are imported when first looked up, so ``import tornadolike; tornadolike.web.RequestHandler`` works.
"""

import importlib
from types import ModuleType

version = "6.6.1"
version_info = (6, 6, 1, 0)

__version__ = "0.1.0"

# What `from tornado import *` brings, by subject as in the reference. Tornado leaves out `websocket` and `wsgi`.
# fmt: off
__all__ = [  # noqa: RUF022 - by subject
    "web", "routing", "template", "escape", "locale", "auth",
    "httpserver", "httpclient", "simple_httpclient", "curl_httpclient", "httputil", "http1connection",
    "ioloop", "iostream", "netutil", "tcpserver", "tcpclient",
    "gen", "concurrent", "locks", "queues", "process",
    "autoreload", "log", "options", "testing", "util", "platform",
]
# fmt: on


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "typing":  # Tornado's package has it
        return importlib.import_module(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def install_as_tornado() -> None:
    """From now on ``import tornado`` (and ``tornado.web``, ...) gives this process the modules of tornadolike.

    They go by Tornado's names from then on: ``tornadolike.web.__name__`` and the ``__module__`` of what is defined there are
    ``"tornado.web"``, for pickles, monitoring agents, import hooks and tracebacks; modules that are already imported are renamed.

    Call it before anything imports Tornado: raises `RuntimeError` where a real ``tornado`` module is already loaded.
    Calling it again does nothing. Child processes do the same when ``TORNADOLIKE_AS_TORNADO=1`` is in their environment.
    """
    from tornadolike import _alias

    _alias.install()
