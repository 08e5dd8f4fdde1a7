"""What an application has to say about its own beginning and end: ``on_startup`` and ``on_shutdown``."""

import inspect
from contextlib import AbstractAsyncContextManager
from typing import Any


class Hooks(AbstractAsyncContextManager[None]):
    """The lifetime of an application that has methods or settings of these names: called before it is served, and when it was.

    Methods are called without arguments; a setting is a function of the application, or a list of them. All may be coroutines.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __aenter__(self) -> None:
        await self._call("on_startup")

    async def __aexit__(self, *_: object) -> None:
        await self._call("on_shutdown")

    async def _call(self, name: str) -> None:
        method = getattr(self._application, name, None)
        if callable(method):
            await _awaited(method())
        settings = getattr(self._application, "settings", None) or {}
        hooks = settings.get(name) or ()
        for hook in hooks if isinstance(hooks, (list, tuple)) else [hooks]:
            await _awaited(hook(self._application))


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
