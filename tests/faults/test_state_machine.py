"""One connection, and whatever can happen on it: random requests, handlers and clients, on Tornado and here, compared.

``machine/scripts.py`` says what is drawn, ``machine/programs.py`` what handlers do, ``machine/differences.py`` what may differ, and why.
``python -m tests.faults.machine`` draws on for as long as wanted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.faults.machine import comparing, differences, scripts, sides

tornado = pytest.importorskip("tornado", reason="needs the real Tornado to compare with")
if tornado.__name__ != "tornado":
    pytest.skip("`import tornado` is answered by tornadolike here", allow_module_level=True)


@pytest.fixture(scope="module", params=["h11", "httptools"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory: Path = tmp_path_factory.mktemp("machine")
    with sides.both(request.config.getoption("--loop"), request.param, directory) as made:
        yield made


@settings(max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
@given(script=scripts.scripts())
def test_whatever_happens_on_a_connection(both: Any, script: scripts.Script) -> None:
    assert comparing.difference(script, *both) == []


def test_the_differences_are_declared() -> None:
    """Each says in which row of the documentation it stands, in its words, but for what is none."""
    text = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8").replace("`", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for one in differences.DIFFERENCES:
        where, _, what = one.why.partition(": ")
        assert where == "no difference" or any(row.startswith(f"| {where} |") and what in row for row in rows), one.why
