"""Figures and charts of the documentation come from a run of the bench."""

import xml.dom.minidom
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tornadolike

DOCS = Path(tornadolike.__file__).parent.parent / "docs"
_PAGES = ("README.md", "docs/performance.md", "docs/engines.md")


@pytest.fixture(scope="module")
def speed(program: Callable[[str], ModuleType]) -> ModuleType:
    """The program that writes them."""
    return program("_ext/speed.py")


def candidate(name: str, *costs: float) -> dict[str, Any]:
    value = {"median": sorted(costs)[len(costs) // 2], "low": min(costs), "high": max(costs)} if costs else None
    return {"name": name, "error": None if costs else "gone", "cpu_us": value, "each_round": list(costs)}


@pytest.fixture
def data() -> dict[str, Any]:
    hello = [
        candidate("tornado asyncio", 100, 110, 120),
        candidate("tornado uvloop", 90, 80, 100),
        candidate("tornadolike uvloop httptools", 10, 20, 20),
        candidate("aiohttp uvloop"),
    ]
    target = {
        "what": "Hello: uvloop httptools",
        "against": "tornado uvloop",
        "wanted": "7x less",
        "measured": "5.00",
        "verdict": "short by 29 %",
    }
    line = {"name": "tornadolike uvloop httptools", "error": None, "costs": [10.0, 90.0], "power": 0.95, "linear": True}
    broken = {"name": "tornado asyncio", "error": "gone", "costs": [], "power": None, "linear": None}
    return {
        "environment": {
            "command": "tornadolike bench --targets",
            "time": "2030-01-02T03:04:05+00:00",
            "python": "CPython 3.11.7",
            "system": "Linux",
            "cpus": 2,
            "load_average": 1.25,
            "rounds": 5,
            "seconds": 1.0,
            "load_from": "wrk",
            "versions": {"tornadolike": "1.0"},
        },
        "scenarios": [{"name": "hello", "title": "Hello, world", "unit": "request", "figure": "cpu_us", "candidates": hello}],
        "targets": [{**target, "met": False}],
        "growth": [
            {"name": "pipelined", "title": "Pipelined", "cost": "burst", "sizes": [1, 10], "candidates": [broken, line]},
        ],
    }


def test_pages_have_their_places(speed: ModuleType) -> None:
    for name in _PAGES:
        assert "some figures" in speed.put_into((DOCS.parent / name).read_text(encoding="utf-8"), "some figures")


def test_no_place_is_an_error(speed: ModuleType) -> None:
    with pytest.raises(ValueError, match="speed: begin"):
        speed.put_into("no marks", "")


def test_figures_and_charts(speed: ModuleType, data: dict[str, Any], tmp_path: Path) -> None:
    for name in _PAGES:
        page = tmp_path / name
        page.parent.mkdir(exist_ok=True)
        page.write_text("before\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nafter\n", encoding="utf-8")
    for _ in range(2):
        speed.publish(data, tmp_path)
    readme, results, engines = ((tmp_path / name).read_text(encoding="utf-8") for name in _PAGES)
    assert "| Hello, world, µs per request | 90.0 | - | 20.0 | 5.00x |" in readme
    assert "5 rounds of 1 s, load from wrk. Versions: tornadolike 1.0." in results
    assert "| Hello, world, µs per request | 90.0 | - | - | 20.0 | 5.00x | - | - |" in results
    assert "0 of 1 are met" in results
    assert "| tornadolike uvloop httptools | 10.0 | 90.0 | 0.95 |" in results
    assert "| Hello, world, µs per request | 110 | 90.0 | - | - | - | 20.0 |" in engines
    for page in (readme, results, engines):
        assert page.startswith("before\n<!-- speed: begin -->\n|" if page is not results else "before\n<!-- speed: begin -->\n`tornadolike")
        assert page.endswith("<!-- speed: end -->\nafter\n")
        assert "old" not in page
    drawn = {path.name: xml.dom.minidom.parse(str(path)) for path in (tmp_path / "docs" / "_static").iterdir()}
    assert set(drawn) == {"speed-hello.svg", "speed-gain.svg", "growth-pipelined.svg"}
    assert len(drawn["speed-hello.svg"].getElementsByTagName("rect")) == 3
    assert ">Hello, world</text>" in drawn["speed-gain.svg"].toxml()
