"""Sphinx extension: the directive ``states`` draws the states of one side of an HTTP/1.1 connection, as its engine has them.

Nothing here knows a transition. What may happen in a state stands in the table at the head of `_http1/engine.py`; where it leads is
found out by doing it to a real engine, from the beginning, until no new state comes up.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tornadolike._http1.engine import ClientEngine, Progress, ServerEngine
from tornadolike._http1.h11_engine import H11HeadParser

SOURCE = Path(__file__).parent.parent.parent / "tornadolike" / "_http1" / "engine.py"
_ROLE = re.compile(r"(server|client): ")
_ROW = re.compile(r"^(IDLE|BODY|DONE|any) +(IDLE|BODY|DONE|any) +(.*)$", re.MULTILINE)
State = tuple[Progress, Progress]
Engine = ServerEngine | ClientEngine
Input = Callable[[Engine], object]


class Transition(NamedTuple):
    """From one pair of states (the peer's, our own) to another."""

    before: State
    label: str
    after: State


def _feed_head(engine: Engine, body_bytes: int) -> None:
    if engine.peer is not Progress.BODY:
        start_line = b"POST / HTTP/1.1\r\nHost: a" if isinstance(engine, ServerEngine) else b"HTTP/1.1 200 OK"
        engine.feed(b"%b\r\nContent-Length: %d\r\n\r\n" % (start_line, body_bytes))


def _send_head(engine: Engine) -> None:
    if isinstance(engine, ServerEngine):
        engine.send_head(200, "OK", [], None, True)
    else:
        engine.send_head("POST", "/", [], None, True)


# What can be done to an engine: the verb as the table has it, its label in the picture, the call.
INPUTS: list[tuple[str, str, Input]] = [
    ("feed", "head", lambda engine: _feed_head(engine, 1)),
    ("feed", "head, no body", lambda engine: _feed_head(engine, 0)),
    ("feed", "end of body", lambda engine: engine.peer is Progress.BODY and engine.feed(b"x")),
    ("send_head", "send_head", _send_head),
    ("send_body", "send_body", lambda engine: engine.send_body(b"x")),
    ("send_end", "send_end", lambda engine: engine.send_end()),
    ("next_exchange", "next_exchange", lambda engine: engine.next_exchange()),
]


def table() -> str:
    """The text in which the table stands."""
    return ast.get_docstring(ast.parse(SOURCE.read_text(encoding="utf-8"))) or ""


def allowed(role: str, text: str) -> dict[State, set[str]]:
    """For each pair of states the verbs that the table names for a role: "server" or "client"."""
    found: dict[State, set[str]] = {(peer, own): set() for peer in Progress for own in Progress}
    for peer_name, own_name, what in _ROW.findall(text):
        for clause in what.split("; "):
            if (whose := _ROLE.match(clause)) and whose[1] != role:
                continue
            for peer, own in found:
                if peer_name in ("any", peer.name) and own_name in ("any", own.name):
                    found[peer, own] |= set(re.findall(r"`(\w+)`", clause))
    return found


def transitions(role: str, text: str) -> list[Transition]:
    """All that change the state, in the order in which they are reached from the beginning."""
    verbs = allowed(role, text)
    start = (Progress.IDLE, Progress.IDLE)
    ways: dict[State, list[Input]] = {start: []}
    found = []
    for state in (queue := [start]):
        for verb, label, act in INPUTS:
            after = _after(role, [*ways[state], act]) if verb in verbs[state] else state
            if after != state:
                found.append(Transition(state, label, after))
            if after not in ways:
                ways[after] = [*ways[state], act]
                queue.append(after)
    return found


def _after(role: str, way: list[Input]) -> State:
    engine = ServerEngine(H11HeadParser()) if role == "server" else ClientEngine(H11HeadParser())
    for act in way:
        act(engine)
    return engine.peer, engine.own


# -- the picture: columns are the peer's states, rows our own

_WIDTH, _HEIGHT, _ACROSS, _DOWN, _LEFT, _TOP = 104, 40, 250, 110, 60, 56
_STYLE = "fill:none;stroke:currentColor;stroke-width:1.2"


def _corner(state: State) -> tuple[int, int]:
    return _LEFT + state[0] * _ACROSS, _TOP + state[1] * _DOWN


def _nodes(found: list[Transition]) -> Iterator[str]:
    for state in sorted({state for one in found for state in (one.before, one.after)}):
        x, y = _corner(state)
        yield f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" style="{_STYLE}"/>'
        for line, text in enumerate((f"peer {state[0].name}", f"own {state[1].name}")):
            yield _text(x + _WIDTH / 2, y + 17 + 15 * line, text)


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'


def _edge(one: Transition) -> str:
    (x1, y1), (x2, y2) = _corner(one.before), _corner(one.after)
    if one.after < one.before:
        # Back to the beginning, around the outside.
        bottom, left = y1 + _HEIGHT + 30, x2 - 30
        path = f"M{x1 + _WIDTH / 2} {y1 + _HEIGHT} V{bottom} H{left} V{y2 + _HEIGHT / 2} H{x2}"
        label = _text((x1 + x2 + _WIDTH) / 2, bottom - 7, one.label)
    elif x1 == x2:
        middle = x1 + _WIDTH / 2
        path = f"M{middle} {y1 + _HEIGHT} V{y2}"
        label = _text(middle + 8, (y1 + y2 + _HEIGHT) / 2 - 12, one.label, "start")
    elif one.after[0] - one.before[0] == 1:
        path = f"M{x1 + _WIDTH} {y1 + _HEIGHT / 2} H{x2}"
        label = _text((x1 + x2 + _WIDTH) / 2, y1 + _HEIGHT / 2 - 7, one.label)
    else:
        path = f"M{x1 + _WIDTH - 16} {y1} q8 -22 30 -22 H{x2 - 14} q22 0 30 22"
        label = _text(x1 + (_ACROSS + _WIDTH) / 2, y1 - 28, one.label)
    return f'<path d="{path}" style="{_STYLE}" />{label}'


def drawing(role: str, found: list[Transition]) -> str:
    """The picture as SVG, in the colour of the text around it."""
    top = min(_corner(one.before)[1] - (44 if one.label == "head, no body" else 4) for one in found)
    width, height = 2 * _LEFT + 2 * _ACROSS + _WIDTH, _TOP + 2 * _DOWN + _HEIGHT + 44 - top
    arrow = f'<marker id="arrow-{role}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    return "\n".join(
        [
            f'<svg viewBox="0 {top} {width} {height}" role="img" aria-label="States of a {role}\'s connection"',
            ' style="max-width:100%;font:13px sans-serif;fill:currentColor">',
            f'<defs>{arrow}<path d="M0 0 L8 4 L0 8 z" fill="currentColor"/></marker></defs>',
            *_nodes(found),
            f'<g marker-end="url(#arrow-{role})">',
            *map(_edge, found),
            "</g>",
            "</svg>",
        ]
    )


class States(SphinxDirective):
    """The argument is the side: "server" or "client"."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(SOURCE))
        role = self.arguments[0]
        return [nodes.raw("", drawing(role, transitions(role, table())), format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("states", States)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
