"""The comparison of surfaces finds every kind of difference."""

from typing import Any

import pytest

from compat_suite import surface, surface_child


def described(**entries: Any) -> dict[str, Any]:
    return {"modules": ["t.m"], "entries": {f"t.m.{name}": entry for name, entry in entries.items()}}


_TORNADO = described(
    f={"description": "function(a, b=...)", "defaults": {"b": "[]"}},
    C={"description": "class(t.m.B)"},
    N={"description": "data", "value": "int 3"},
)


def changed(name: str, **entry: Any) -> dict[str, Any]:
    return {"modules": _TORNADO["modules"], "entries": {**_TORNADO["entries"], f"t.m.{name}": entry}}


def test_the_same_surface() -> None:
    assert surface.differences(_TORNADO, _TORNADO) == {}


@pytest.mark.parametrize(
    ("ours", "name", "text"),
    [
        (changed("f", description="function(a)"), "t.m.f", "description: Tornado has function(a, b=...), tornadolike has function(a)"),
        (changed("f", description="function(a, b=...)", defaults={"b": "()"}), "t.m.f", "defaults: Tornado has {'b': '[]'}"),
        (changed("C", description="class()"), "t.m.C", "description: Tornado has class(t.m.B)"),
        (changed("N", description="data", value="int 4"), "t.m.N", "value: Tornado has int 3, tornadolike has int 4"),
        (changed("extra", description="data"), "t.m.extra", "not in Tornado: data"),
    ],
)
def test_differences(ours: dict[str, Any], name: str, text: str) -> None:
    (found,) = surface.differences(_TORNADO, ours).items()
    assert found[0] == name
    assert found[1].startswith(text)


def test_missing_names_and_modules() -> None:
    ours = {"modules": ["t.m"], "entries": {"t.m.f": _TORNADO["entries"]["t.m.f"]}}
    assert surface.differences(_TORNADO, ours) == {"t.m.C": "missing: class(t.m.B)", "t.m.N": "missing: data"}
    assert surface.differences(_TORNADO, {"modules": [], "entries": {}}) == {"t.m": "module is missing"}


def test_defaults_do_not_depend_on_addresses_or_order() -> None:
    marker = object()

    def first(a: Any = marker, b: Any = {2: 1, 1: 2}, c: float = 1.5) -> None: ...  # noqa: B006 - described, never called

    def second(a: Any = object(), b: Any = {1: 2, 2: 1}, c: float = 1.5) -> None: ...  # noqa: B006, B008 - the same

    def third(a: Any = marker, b: Any = {1: 2, 2: 2}, c: float = 1.5) -> None: ...  # noqa: B006 - the same

    assert surface_child.defaults(first) == surface_child.defaults(second)
    assert surface_child.defaults(first) != surface_child.defaults(third)
