"""What a scenario is, and the table that holds them all. Modules of ``scenarios/`` fill the table when they are imported."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

Run = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Scenario:
    """``run`` makes the recording. ``receive`` then gets what the *other* side recorded, for values that each has to understand."""

    name: str
    run: Run
    receive: Callable[[Any], Any] | None = None


TABLE: dict[str, Scenario] = {}


def add(name: str, run: Run, *, receive: Callable[[Any], Any] | None = None) -> None:
    if name in TABLE:
        raise ValueError(f"two scenarios are called {name!r}")
    TABLE[name] = Scenario(name, run, receive)


def calls(group: str, function: Callable[..., Any], arguments: Iterable[Any]) -> None:
    """One scenario for each entry of ``arguments``: a tuple of positional arguments, or anything else as the only one."""
    for number, given in enumerate(arguments):
        positional = given if isinstance(given, tuple) else (given,)

        async def run(positional: tuple[Any, ...] = positional) -> Any:
            return outcome(function, *positional)

        shown = ", ".join(map(repr, positional))
        add(f"{group}/{number} ({shown[:60]})", run)


def outcome(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> dict[str, str]:
    """What a call gives: its result's ``repr``, or the type and text of what it raises."""
    try:
        return {"result": repr(function(*arguments, **keywords))}
    except Exception as error:
        return raised(error)


def raised(error: BaseException) -> dict[str, str]:
    """The type, by its first public ancestor where it is private itself, and the text."""
    kind = next(one for one in type(error).__mro__ if "._" not in one.__module__)
    return {"raised": f"{kind.__module__}.{kind.__qualname__}: {error}"}


def step(record: list[Any], function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call, note the outcome in ``record``, hand on the result (``None`` where it raised)."""
    try:
        result = function(*arguments, **keywords)
    except Exception as error:
        record.append(raised(error))
        return None
    record.append(repr(result))
    return result
