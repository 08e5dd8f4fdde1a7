"""The figures in the README come from a run, and say when something differs."""

from typing import Any

import pytest

from compat_suite import readme


def results(**changes: Any) -> dict[str, Any]:
    module = {
        "tornado": {"outcomes": {"a": "passed", "b": "skipped"}},
        "tornadolike": {"outcomes": {"a": "passed", "b": "skipped"}},
        "excluded": ["b"],
    }
    scenario = {"name": "x", "different": "", "deliberate": ""}
    whole = {
        "surface": {"differences": {}, "unlisted": []},
        "census": {"names": {"tornado.web": ["p"]}, "packages": ["p"], "missing": {}},
        "upstream": [module, module],
        "differential": [scenario, {**scenario, "deliberate": "because"}],
        "downstream": [{"package": "p", "different": {}}],
    }
    return {**whole, **changes}


def test_figures() -> None:
    table = readme.figures(results())
    assert "| names of Tornado in published packages | 1 in 1 packages, of which 0 are missing |" in table
    assert "| Tornado's own tests | 2 passed (Tornado: 2), 2 excluded |" in table
    assert "| 2, of which 1 differ on purpose and 0 otherwise |" in table
    assert "| 1 of 1 as on Tornado, on asyncio and on uvloop: p |" in table


def test_differences_show() -> None:
    broken = results(
        surface={"differences": {}, "unlisted": ["tornado.web.X"]},
        differential=[{"name": "x", "different": "body", "deliberate": ""}],
        downstream=[{"package": "p", "different": {"a": 1}}],
    )
    table = readme.figures(broken)
    assert "| Tornado's public names that differ | 1 |" in table
    assert "0 differ on purpose and 1 otherwise" in table
    assert "| 0 of 1 as on Tornado, on asyncio and on uvloop:  |" in table


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"
    assert readme.put_into(text, "new") == f"before\n{readme.BEGIN}\nnew\n{readme.END}\nafter\n"
    with pytest.raises(ValueError, match="compat_suite: begin"):
        readme.put_into("no marks", "new")
