"""Scripts made smaller, as long as what is wrong with them stays."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.faults.machine.scripts import Request, Script, numbered

_SIMPLE = {"version": "1.1", "fields": (), "kind": "get", "how": "plain", "where": "plain", "size": 10}


def smallest(script: Script, differs: Callable[[Script], bool], tries: int = 150) -> Script:
    """What is left when steps, requests, settings and oddities are taken away one by one, and it still differs."""
    going_on = True
    while going_on:
        going_on = False
        for smaller in _smaller(script):
            tries -= 1
            if tries < 0:
                return script
            if differs(smaller):
                script, going_on = smaller, True
                break
    return script


def _smaller(script: Script) -> Iterator[Script]:
    steps = list(script.steps)
    for number in reversed(range(len(steps))):
        if len(steps) > 1:
            yield _with(script, [*steps[:number], *steps[number + 1 :]])
    for number, step in enumerate(steps):
        for place in reversed(range(len(step.what))):
            if len(step.what) > 1:
                yield _with(
                    script, [*steps[:number], replace(step, what=(*step.what[:place], *step.what[place + 1 :])), *steps[number + 1 :]]
                )
    for simpler in ({"program": {}}, {"settings": {}}, {"tls": False}):
        if getattr(script, name := next(iter(simpler))) != simpler[name]:
            yield replace(script, **simpler)  # type: ignore[arg-type]
    yield from _simpler_requests(script)


def _simpler_requests(script: Script) -> Iterator[Script]:
    steps = list(script.steps)
    for number, step in enumerate(steps):
        for place, one in enumerate(step.what):
            if isinstance(one, Request):
                for name, value in _SIMPLE.items():
                    if getattr(one, name) != value and (name != "size" or one.size):
                        what = (*step.what[:place], replace(one, **{name: value}), *step.what[place + 1 :])  # type: ignore[arg-type]
                        yield _with(script, [*steps[:number], replace(step, what=what), *steps[number + 1 :]])


def _with(script: Script, steps: list) -> Script:  # type: ignore[type-arg]
    return replace(script, steps=tuple(numbered(steps)))
