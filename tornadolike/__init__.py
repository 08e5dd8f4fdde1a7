"""tornadolike: Tornado's public API, written anew on asyncio transports and protocols.

``version`` and ``version_info`` name the level of Tornado's API that is offered, as applications which test
``tornado.version`` expect it; ``__version__`` is the version of this package.
"""

version = "6.6.1"
version_info = (6, 6, 1, 0)

__version__ = "0.1.0"
