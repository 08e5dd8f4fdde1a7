"""What differs on purpose, with the row of ``docs/differences.md`` that says so."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.faults.machine.running import Seen
from tests.faults.machine.scripts import Request, Script, Upgrade

# For a request of the script, what Tornado did in a step and what ours did: what ours is expected to do; None where this is no such case.
Change = Callable[[Script, Any, Seen, Seen], Seen | None]


class Difference(NamedTuple):
    why: str
    change: Change
    parts: bool  # the two connections go on in different ways


DIFFERENCES: list[Difference] = []


def declared(why: str, *, parts: bool = False) -> Callable[[Change], Change]:
    def add(change: Change) -> Change:
        DIFFERENCES.append(Difference(why, change, parts))
        return change

    return add


_CONTINUE = "HTTP/1.1 100 (Continue)\r\n\r\n"
_EARLY = frozenset(
    ("prepare finishes", "prepare fails", "prepare raises", "prepare waits", "prepare waits, finishes", "prepare waits, fails")
)

_WITHIN = frozenset({"data finishes", "data fails", "data raises", "data waits", "data waits, finishes"})

_BREAKING = frozenset({"prepare says GET", "too short", "too long", "closes"})

_SAYS_CLOSE = frozenset({"prepare says close", "says close"})


def _is(request: Any, *kinds: str) -> bool:
    return isinstance(request, Request) and request.kind in kinds


def _ended(request: Any, seen: Seen) -> bool:
    return f"{request.who}: on_finish" in seen.hooks


def _is_early(request: Any) -> bool:
    return isinstance(request, Request) and request.where == "stream" and (request.how in _EARLY or request.how in _WITHIN)


def _raised(request: Any, seen: Seen) -> bool:
    return any(hook.startswith(f"{request.who}: log_exception") for hook in seen.hooks)


def _same_until(request: Any, theirs: Seen, own: Seen) -> bool:
    """Whether the hooks are the same to the end of the request."""
    lists = []
    for seen in (theirs, own):
        last = max((number for number, hook in enumerate(seen.hooks) if hook.startswith(f"{request.who}: ")), default=-1)
        lists.append(seen.hooks[: last + 1])
    return lists[0] == lists[1]


def may_have_closed(script: Script, own: Seen) -> bool:
    """Whether a request has ended behind which one of the two closes, which a client that does not read cannot see."""
    return any(
        _ended(request, own) and (request.how in _SAYS_CLOSE or _is_early(request) or _raised(request, own)) for request in script.requests
    )


def _over(seen: Seen) -> bool:
    """Whether the connection is closed, or may be, since the client does not look."""
    return seen.closed or seen.deaf


def _begins(text: str, with_text: str) -> bool:
    return _expanded(text).startswith(_expanded(with_text))


def _expanded(text: str) -> str:
    return re.sub("<([0-9]+) x>", lambda found: "x" * int(found[1]), text)


def _without_chunks(text: str) -> str:
    def add(found: "re.Match[str]") -> str:
        return f"<{sum(map(int, re.findall('<([0-9]+) x>', found[0])))} x>"

    return re.sub(r"(?:[0-9a-f]+\r\n<[0-9]+ x>\r\n)+", add, text)


@declared("Expect: ignored for HTTP/1.0 and without a body")
def no_continue_for_nothing(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is(request, "expect") and (not request.size or request.version.startswith("1.0")) and _CONTINUE in theirs.received:
        return theirs._replace(received=theirs.received.replace(_CONTINUE, "", 1))
    return None


@declared("Expect: no 100 within an answer that has begun")
def no_continue_within_an_answer(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is(request, "expect") and request.how == "prepare flushes" and _CONTINUE not in own.received:
        return theirs._replace(received=theirs.received.replace(_CONTINUE, "", 1))
    return None


@declared("pipelining: a request behind one that closes the connection does not run its handler", parts=True)
def behind_the_last(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    last = isinstance(request, Request) and (
        request.version in ("1.0", "1.1 close") or request.how in _BREAKING or _is_early(request) or script.settings.get("no_keep_alive")
    )
    if last and _over(own) and _ended(request, own) and _same_until(request, theirs, own) and _begins(own.received, theirs.received):
        return own if not any(hook.startswith(f"{request.who}: ") for hook in theirs.hooks[len(own.hooks) :]) else None
    return None


@declared("no difference: in which pieces a body comes, where the first one is enough")
def first_piece(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.how in _WITHIN:
        data = re.compile(f"{request.who}: data [0-9]+")
        ours = [hook for hook in own.hooks if data.fullmatch(hook)]
        return theirs._replace(hooks=[ours[0] if ours and data.fullmatch(hook) else hook for hook in theirs.hooks])
    return None


@declared("HTTP/1.0: a message with Transfer-Encoding is the last of its connection", parts=True)
def coded_in_http_1_0(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is(request, "chunked") and request.version == "1.0 keep-alive" and _ended(request, theirs):
        return own if _same_until(request, theirs, own) and _over(own) and "Keep-Alive" not in own.received else None
    return None


@declared("HTTP/1.0: what a handler says in Connection stays")
def said_close_in_http_1_0(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.version == "1.0 keep-alive" and request.how in _SAYS_CLOSE:
        return theirs._replace(received=theirs.received.replace("Connection: Keep-Alive", "Connection: close"))
    return None


@declared("HTTP/1.0: Connection: Keep-Alive is answered only where the connection is in fact kept")
def not_kept(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.version == "1.0 keep-alive" and theirs.closed and "Keep-Alive" not in own.received:
        return theirs._replace(received=theirs.received.replace("Connection: Keep-Alive\r\n", ""))
    return None


@declared("HTTP/1.0: a response without a length ends with the connection, though the client asked to keep it", parts=True)
def without_a_length(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.version == "1.0 keep-alive" and "\r\nContent-Length" not in own.received:
        return theirs._replace(received=theirs.received.replace("Connection: Keep-Alive\r\n", ""), closed=own.closed)
    return None


@declared("@stream_request_body: where prepare or data_received answers a request that is all there, the connection stays open", parts=True)
def early_answer_to_a_whole_request(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is_early(request) and _ended(request, theirs) and theirs.closed:
        return own if _same_until(request, theirs, own) and _begins(own.received, theirs.received) else None
    return None


@declared("@stream_request_body: an answer that comes before the request was read says that the connection ends")
def early_answer_says_close(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is_early(request) and _ended(request, theirs) and theirs.closed:
        head, _, rest = own.received.rpartition("\r\nConnection: close\r\n")
        return theirs._replace(received=own.received) if f"{head}\r\n{rest}" == theirs.received else None
    return None


@declared("StaticFileHandler, where nothing of it is overridden or replaced: files of 64 KiB and more are sent by the kernel, past write")
def head_of_a_file_that_says_get(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if (
        _is(request, "head")
        and request.how == "prepare says GET"
        and request.where == "file/big"
        and theirs.closed
        and _ended(request, theirs)
    ):
        more = own.received.removeprefix(theirs.received)
        return theirs._replace(received=own.received) if re.fullmatch(r"HTTP/1\.1 200 OK\r\n([^\r]+\r\n)+\r\n", more) else None
    return None


@declared("Connection: a handler that sets Connection: close gets the connection closed", parts=True)
def says_close(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.how in _SAYS_CLOSE and _ended(request, theirs) and _over(own):
        return own if _same_until(request, theirs, own) and _begins(theirs.received, own.received) else None
    return None


@declared("an exception behind flush(): a chunked body gets no last chunk, and the connection is closed", parts=True)
def broken_off(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and _raised(request, own) and _ended(request, theirs) and _over(own):
        last = "0\r\n\r\n"
        return own if _same_until(request, theirs, own) and _begins(theirs.received, own.received + last) else None
    return None


@declared("no difference: how a file is cut into chunks")
def chunks_of_a_file(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.where == "file/big" and request.how == "prepare flushes":
        return theirs._replace(received=own.received) if _without_chunks(theirs.received) == _without_chunks(own.received) else None
    return None


@declared("on_close, when: also after an open that failed")
def on_close_after_open_raised(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Upgrade) and request.how in ("open raises", "open waits"):
        told = [f"{request.who}: on_connection_close", f"{request.who}: on_close None None"]
        return theirs._replace(hooks=own.hooks) if own.hooks == theirs.hooks + told else None
    return None


@declared("no_keep_alive: a WebSocket is opened and lasts as on any other server", parts=True)
def websocket_without_keep_alive(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    who = f"{request.who}: "
    if isinstance(request, Upgrade) and script.settings.get("no_keep_alive") and who + "open" in theirs.hooks:
        return own if own.hooks[:1] == theirs.hooks[:1] else None
    return None


@declared("violations of the protocol: answered with close 1002 or 1007 before the connection is dropped")
def violations(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Upgrade) and theirs.closed and _begins(own.received, theirs.received):
        more = _expanded(own.received)[len(_expanded(theirs.received)) :].encode("latin-1")
        # Perhaps behind what Tornado throws away; or not at all, where the client sends too much to hear of it.
        if re.fullmatch(rb"x*|.*\x88.\x03(\xea|\xef)[ -~]+", more, re.DOTALL):
            return theirs._replace(received=own.received)
    return None
