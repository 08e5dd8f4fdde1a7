"""Two transcripts of one script, and what may differ between them: each kind by name, as exactly as it can be said."""

from typing import Any

from tests.faults.machine.differences import DIFFERENCES, may_have_closed
from tests.faults.machine.running import Seen, Side, Transcript
from tests.faults.machine.scripts import Script


def compared(script: Script, tornado: Transcript, ours: Transcript) -> list[str]:
    """What differs and is not declared; and what is wrong on our side whatever Tornado does."""
    found: list[str] = []
    gone = next((number for number, step in enumerate(script.steps) if step.kind in ("leave", "reset", "end")), len(tornado.steps))
    for number, (theirs, own) in enumerate(zip(tornado.steps[:gone], ours.steps[:gone], strict=True)):
        expected, parts = explained(script, theirs, own)
        if expected != own._replace(sent=expected.sent):
            found.append(f"step {number}: {_shown(expected, own)}")
        if parts or found or (own.deaf and may_have_closed(script, own)):
            break
    else:
        found += _after_leaving(script, gone, tornado, ours)
    # A client that leaves while another request waits behind one that waits itself is not noticed at once by either.
    found += [f"left: {one}" for one in ours.left if not one.endswith("connections") or one not in tornado.left]
    if not tornado.errors:
        found += [f"error: {one}" for one in ours.errors]
    return found


def _shown(expected: Seen, own: Seen) -> str:
    lines = []
    for name, one, other in zip(Seen._fields, expected, own, strict=True):
        if one != other and name != "sent":
            lines += [f"    {name}, expected: {one!r}", f"    {name}, ours:     {other!r}"]
    return "\n".join(["", *lines])


def _after_leaving(script: Script, gone: int, tornado: Transcript, ours: Transcript) -> list[str]:
    """Once the client has left, what was still to be done for each request; not when, and not for requests that nobody had looked at."""
    begun = {hook.partition(":")[0] for side in (tornado, ours) for step in side.steps[:gone] for hook in step.hooks}
    found = []
    for request in script.requests:
        if request.who in begun:
            theirs, own = (_hooks_of(request.who, side.steps[gone:]) for side in (tornado, ours))
            if own not in _endings(request, theirs):
                found.append(f"behind the end:\n    {request}\n    Tornado: {theirs}\n    ours:    {own}")
    return found


def _hooks_of(who: str, steps: list[Seen]) -> list[str]:
    """In order; how much of a body was there before the client left is a matter of time."""
    hooks = [hook.partition(": ")[2] for step in steps for hook in step.hooks if hook.startswith(who + ":")]
    return ["data" if hook.startswith("data ") else hook for hook in hooks]


def _endings(request: Any, theirs: list[str]) -> list[list[str]]:
    """What may be heard behind the client's leaving, where Tornado says what is given."""
    endings = [theirs]
    if "on_connection_close" not in theirs:
        # It does not look where it has bytes that were sent ahead; we do, as far as there is room.
        if not theirs and getattr(request, "how", "") == "polls":
            endings.append(["on_connection_close", "gone", "log_request 200", "on_finish"])
        endings += [[*theirs[:place], "on_connection_close", *theirs[place:]] for place in range(len(theirs) + 1)]
    return endings


def explained(script: Script, theirs: Seen, own: Seen) -> tuple[Seen, bool]:
    """What ours should be like, and whether the two part here."""
    parts, before = False, None
    while before != theirs:
        before = theirs
        for difference in DIFFERENCES:
            for request in script.requests:
                if own == theirs._replace(sent=own.sent):
                    return own, parts
                changed = difference.change(script, request, theirs, own)
                if changed is not None and changed != theirs:
                    theirs, parts = changed, parts or difference.parts
    return theirs, parts


def difference(script: Script, tornado: Side, ours: Side, tries: tuple[float, ...] = (0.0, 0.01, 0.1)) -> list[str]:
    """What differs, and does so at the second and third try, which take more time: a busy machine may be late once."""
    found: list[str] = []
    for patience in tries:
        found = compared(script, tornado.run(script, patience), ours.run(script, patience))
        if not found:
            break
    return found
