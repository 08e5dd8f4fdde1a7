"""The table of all works, and what those of several modules have in common."""

import importlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

Run = Callable[[int], object]
Coroutine = Callable[[int], Awaitable[object]]
Make = Callable[[Any], Run | Coroutine]

WORKS: dict[str, tuple[str, Make]] = {}
"""By the name of a work the module that it is about, and what makes it from that module: a function of a number of times."""

SOON = timedelta(seconds=100)
TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua."
COOKIES = "session=0123456789abcdef; theme=dark; lang=en"


def work(name: str) -> Callable[[Make], None]:
    """Register what makes a work from a module of the package: a function, or a coroutine function, of a number of times."""
    module = name.partition(": ")[0].partition(",")[0]

    def register(make: Make) -> None:
        WORKS[name] = module, make

    return register


def calls(name: str, call: Callable[[Any], Callable[[], object]]) -> None:
    """Register a work that is one call, again and again."""

    @work(name)
    def make(module: Any) -> Run:
        once = call(module)

        def run(n: int) -> None:
            for _ in range(n):
                once()

        return run


def calls_in_loop(name: str, call: Callable[[Any], Callable[[], object]]) -> None:
    """Register a work that is one call, again and again, while the loop runs."""

    @work(name)
    def make(module: Any) -> Coroutine:
        async def run(n: int) -> None:
            once = call(module)
            for _ in range(n):
                once()

        return run


def awaiting(once: Callable[[], Awaitable[object]]) -> Coroutine:
    """Work that is one await, again and again."""

    async def run(n: int) -> None:
        for _ in range(n):
            await once()

    return run


def sibling(module: Any, name: str) -> Any:
    """Another module of the package that ``module`` is of."""
    return importlib.import_module(f"{module.__name__.partition('.')[0]}.{name}")


def done(future: Any) -> Any:
    """What ``future`` makes, with a result."""
    made = future()
    made.set_result(1)
    return made
