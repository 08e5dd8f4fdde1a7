"""The picture of an HTTP/1.1 connection's states is what the engine does, and leaves nothing out."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tornadolike._http1.engine import Progress

IDLE, BODY, DONE = Progress


@pytest.fixture(scope="module")
def states(program: Callable[[str], ModuleType]) -> Any:
    """The extension of the documentation's build."""
    pytest.importorskip("sphinx")
    return program("_ext/states.py")


@pytest.mark.parametrize(
    ("role", "unreachable", "final"),
    [("server", set(), {(IDLE, DONE)}), ("client", {(BODY, IDLE), (DONE, IDLE)}, set())],
)
def test_all_states_are_drawn(states: Any, role: str, unreachable: set[Any], final: set[Any]) -> None:
    found = states.transitions(role, states.table())
    everything = {(peer, own) for peer in Progress for own in Progress}
    assert {one.after for one in found} == everything - unreachable
    assert {one.before for one in found} == everything - unreachable - final
    assert ((DONE, DONE), "next_exchange", (IDLE, IDLE)) in found
    assert all((one.before[1] is not one.after[1]) == one.label.startswith("send_") for one in found if one.label != "next_exchange")
    picture = states.drawing(role, found)
    assert picture.count("<rect") == 9 - len(unreachable)
    assert picture.count("<path") == len(found) + 1


def test_a_rows_clauses_hold_for_the_side_they_name(states: Any) -> None:
    text = "IDLE   any     server: `feed`; client: `send_head`, `send_end`\nany    DONE    `next_exchange`: back\n"
    assert states.allowed("server", text)[IDLE, DONE] == {"feed", "next_exchange"}
    assert states.allowed("client", text)[IDLE, BODY] == {"send_head", "send_end"}
    assert states.allowed("client", text)[BODY, BODY] == set()
