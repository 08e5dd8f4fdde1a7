"""Two transcripts of one script, and what may differ between them: each kind by name, as exactly as it can be said."""

import re
from collections.abc import Callable
from typing import Any

from tests.faults.machine import smaller
from tests.faults.machine.differences import DIFFERENCES, RAISING_WITHIN, may_have_closed
from tests.faults.machine.running import Seen, Side, Transcript
from tests.faults.machine.scripts import Request, Script, Upgrade

_POLLING = ("polls", "on_connection_close raises")
_UNTOLD = "on_close None None"
_FRAMES = ("on_message ", "on_ping", "on_pong", "closed meanwhile", "log_exception WebSocketClosedError", "log_exception ValueError")


def compared(script: Script, tornado: Transcript, ours: Transcript) -> list[str]:
    """What differs and is not declared; and what is wrong on our side whatever Tornado does."""
    found: list[str] = []
    gone = next((number for number, step in enumerate(script.steps) if step.kind in ("leave", "reset", "end")), len(tornado.steps))
    parts, unread = False, list[str]()
    in_pieces = _comes_in_pieces(script)
    for number, (theirs, own) in enumerate(zip(tornado.steps[:gone], ours.steps[:gone], strict=True)):
        # What a client reads late is explained by what the hooks were called for while it did not.
        theirs, own = (seen._replace(hooks=unread + in_pieces(seen.hooks)) for seen in (theirs, own))
        expected, parts = explained(script, theirs, own)
        unread = own.hooks if own.deaf else []
        if expected != own._replace(sent=expected.sent):
            found.append(f"step {number}: {_shown(expected, own)}")
        parts = parts or (own.deaf and may_have_closed(script, own))
        if parts or found:
            break
    else:
        found += _after_leaving(script, gone, tornado, ours)
    # A client that leaves while another request waits behind one that waits itself is not noticed at once by either.
    unnoticed = parts or (gone < len(script.steps) and _waits_for_its_end(script))
    found += [f"left: {one}" for one in ours.left if not one.endswith("connections") or not (unnoticed or one in tornado.left)]
    found += [f"error: {one}" for one in ours.errors[len(tornado.errors) :]]
    return found


def _comes_in_pieces(script: Script) -> Callable[[list[str]], list[str]]:
    """A function that takes away when a body comes whose reader waits or flushes with the first piece, since its answer says how much
    came; and how a large answer is cut, since the client has all of it."""
    hows, broken = ("data waits", "data flushes"), ("bad chunk", "bad gzip")
    waiting = [one for one in script.requests if getattr(one, "how", "") in hows and one.kind not in broken]
    cut = [one for one in script.requests if isinstance(one, Request) and (one.where == "file/big" or one.how == "big, in pieces")]
    told = (*(f"{one.who}: data " for one in waiting), *(f"{one.who}: sent " for one in cut))
    return lambda hooks: [hook for hook in hooks if not hook.startswith(told)]


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
            if own not in _endings(script, request, theirs) and not (isinstance(request, Upgrade) and _heard_more(theirs, own)):
                found.append(f"behind the end:\n    {request}\n    Tornado: {theirs}\n    ours:    {own}")
    return found


def _hooks_of(who: str, steps: list[Seen]) -> list[str]:
    """In order; how much of a body was there before the client left is a matter of time, and nobody gets what is sent then."""
    hooks = [hook.partition(": ")[2] for step in steps for hook in step.hooks if hook.startswith(who + ":")]
    return [hook for hook in hooks if not hook.startswith(("data ", "sent ", "first chunk ", "last chunk"))]


def _heard_more(theirs: list[str], own: list[str]) -> bool:
    """Whether it is a matter of which frames, a close among them, were read before the connection was found to be closed."""
    lists = [[hook for hook in hooks if not hook.startswith(_FRAMES)] for hooks in (theirs, own)]
    if _UNTOLD in (*theirs, *own):
        lists = [[_UNTOLD if hook.startswith("on_close ") else hook for hook in hooks] for hooks in lists]
    frames = [[hook for hook in hooks if hook.startswith(_FRAMES[:3])] for hooks in (theirs, own)]
    return lists[0] == lists[1] and frames[1][: len(frames[0])] == frames[0][: len(frames[1])]


def _endings(script: Script, request: Any, theirs: list[str]) -> list[list[str]]:
    """What may be heard behind the client's leaving, where Tornado says what is given."""
    endings = [theirs, *_served_in_spite_of_the_end(script, request, theirs)]
    failed = isinstance(request, Upgrade) and request.how in ("open raises", "open waits") and not theirs  # told after that, too
    if failed or (isinstance(request, Upgrade) and request.how == "prepare waits" and "open" in theirs):
        endings.append(["on_connection_close", "on_close None None"])
    if getattr(request, "where", "") == "call" and theirs == ["close callback", "raised HTTPOutputError"]:
        # Its write is wrong; but there is nobody any more who would get it.
        endings += [["close callback", "raised StreamClosedError"], ["close callback", "on_finish"]]
    if getattr(request, "kind", "") == "expect" and theirs == ["on_connection_close"]:
        endings.append(["POST", "log_request 200", "on_finish"])  # its 100 finds the connection closed; ours has the body, and sends none
    if getattr(request, "how", "") == "detaches, waits" and not theirs:
        # A stream that nobody reads does not see that the client has left; a write does.
        endings.append(["raised StreamClosedError", "log_exception StreamClosedError"])
    if getattr(request, "how", "") in RAISING_WITHIN and theirs[-1:] == ["on_connection_close"]:
        # What data_received raises is answered.
        error = {"data fails": "HTTPError", "data raises": "ValueError"}.get(request.how, "CancelledError")
        answer = [f"log_exception {error}", f"log_request {409 if error == 'HTTPError' else 500}", "on_finish"]
        endings.append([*theirs[:-1], *answer, "on_connection_close"])
    return endings + ([] if "on_connection_close" in theirs else _not_looked(request, theirs))


def _not_looked(request: Any, theirs: list[str]) -> list[list[str]]:
    """Tornado does not look where it has bytes that were sent ahead; we do, as far as there is room."""
    endings = list[list[str]]()
    if not theirs and getattr(request, "how", "") in _POLLING:
        statuses = (200, 304) if "If-None-Match: *" in request.fields else (200,)
        endings += [["on_connection_close", "gone", f"log_request {status}", "on_finish"] for status in statuses]
    for told in ("on_connection_close", "close callback"):
        endings += [[*theirs[:place], told, *theirs[place:]] for place in range(len(theirs) + 1)]
    if isinstance(request, Upgrade) and request.how == "prepare waits":
        endings.append(["on_connection_close", _UNTOLD, *theirs])  # on_close comes instead of open
    if getattr(request, "how", "") == "writes elsewhere" and theirs == ["log_request 200", "on_finish"]:
        failed = [*theirs, "raised StreamClosedError", "log_exception StreamClosedError"]
        endings += [failed, ["on_connection_close", *failed]]
    if getattr(request, "where", "") == "call" and request.how == "in pieces" and theirs == ["on_finish"]:
        endings.append(["close callback", "raised StreamClosedError"])
    return endings


def _served_in_spite_of_the_end(script: Script, request: Any, theirs: list[str]) -> list[list[str]]:
    """A client that shuts down its sending side: who waits in front of other requests hears of it after five seconds.

    Tornado tells him where the end comes together with the bytes behind the request, and never where it comes later: it does not look.
    """
    if theirs[:1] != ["on_connection_close"]:
        return []
    if request.how == "big, in pieces" and any(step.kind == "end" for step in script.steps):
        return [["log_request 200", "on_finish"]]  # what is written is sent
    if not _has_bytes_behind(script, request):
        return []
    endings = [theirs[1:]]
    if request.how == "writes elsewhere":
        endings.append(["log_request 200", "on_finish"])  # a first write to somebody who has left goes well
    if request.how in _POLLING:
        endings.append([])
    return endings


def _has_bytes_behind(script: Script, request: Any) -> bool:
    sent = [one for step in script.steps for one in step.what]
    return isinstance(request, Request) and sent[-1] != request


def _waits_for_its_end(script: Script) -> bool:
    return any(getattr(one, "how", "") in _POLLING and _has_bytes_behind(script, one) for one in script.requests)


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


def shown(script: Script, tornado: Side, ours: Side) -> list[str]:
    """The smallest script that was found where this one differs, and what differs; nothing, where nothing does."""
    found = difference(script, tornado, ours)
    if not found:
        return []
    script = smaller.smallest(script, lambda one: bool(difference(one, tornado, ours, (0.0, 0.01))))
    steps = [re.sub("l{40,}", "l...", repr(step)) for step in script.steps]
    return [*steps, f"{script.settings} {script.program} tls={script.tls}", *(difference(script, tornado, ours) or found)]
