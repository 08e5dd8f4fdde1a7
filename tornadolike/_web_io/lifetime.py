"""What an application has to say about its own beginning and end: ``on_startup`` and ``on_shutdown``."""

import inspect
from contextlib import AbstractAsyncContextManager
from typing import Any

from tornadolike.log import app_log


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


class _Ending:
    """Has an application hear of its end when its server has drained, behind those that are mounted into it."""

    _ends_last = True

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def _going_away(self) -> None:
        """Handlers are told by themselves."""

    async def _server_gone(self, _: object) -> None:
        try:
            await self._hooks.__aexit__()
        except Exception:
            app_log.exception("on_shutdown has failed")


async def begin(application: Any, companions: set[Any]) -> None:
    """Have the application start. It ends when the server whose ``companions`` these are has drained, as long as all that it runs on the
    loop still does.
    """
    hooks = Hooks(application)
    await hooks.__aenter__()
    companions.add(_Ending(hooks))


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
