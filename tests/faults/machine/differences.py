"""What differs on purpose, with the row of ``docs/differences.md`` that says so."""

import itertools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.faults.machine.programs import RAW
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
    (
        "prepare finishes",
        "prepare fails",
        "prepare raises",
        "prepare cancels",
        "prepare waits",
        "prepare waits, finishes",
        "prepare waits, fails",
    )
)

RAISING_WITHIN = frozenset({"data fails", "data raises", "data cancels", "data waits", "data waits, finishes"})
_WITHIN = frozenset({"data finishes", "data fails", "data raises", "data cancels", "data waits", "data waits, finishes"})

_HASTY = _WITHIN | {"data closes", "data flushes"}  # where it matters whether data came before what is wrong

_CLOSES = frozenset({"closes", "prepare closes", "data closes"})

_BREAKING = frozenset({"prepare says GET", "too short", "too long", "closes", "prepare closes", "data closes"})

_DETACHES = frozenset({"detaches", "detaches, echoes", "detaches, waits", "prepare detaches"})

_NEXT = re.compile(r"\[\w+\] HTTP/1\.1 ")

_SAYS_CLOSE = frozenset({"prepare says close", "says close"})


def _is(request: Any, *kinds: str) -> bool:
    return isinstance(request, Request) and request.kind in kinds


def _is_post(request: Any) -> bool:
    return isinstance(request, Request) and request.kind not in ("get", "head", "options")


def _is_too_large(script: Script, request: Any) -> bool:
    return _is_post(request) and request.size > 5000 and (request.how == "prepare limits" or "max_body_size" in script.settings)


def _ended(request: Any, seen: Seen) -> bool:
    return f"{request.who}: on_finish" in seen.hooks or f"{request.who}: raised HTTPOutputError" in seen.hooks


def _is_early(request: Any) -> bool:
    return isinstance(request, Request) and request.where == "stream" and (request.how in _EARLY or request.how in _WITHIN)


def _raised(request: Any, seen: Seen) -> bool:
    return any(hook.startswith(f"{request.who}: log_exception") for hook in seen.hooks)


def _same_until(request: Any, theirs: Seen, own: Seen) -> bool:
    """Whether the hooks are the same to the end of the request."""
    lists = []
    for seen in (_without_its_own_close(request, theirs), _without_its_own_close(request, own)):
        last = max((number for number, hook in enumerate(seen.hooks) if hook.startswith(f"{request.who}: ")), default=-1)
        lists.append(_cut_as_it_may_be(request, seen.hooks[: last + 1]))
    return lists[0] == lists[1]


def _cut_as_it_may_be(request: Any, hooks: list[str]) -> list[str]:
    """Without the sizes of the pieces of a large file, or of a body whose first piece is answered."""
    if getattr(request, "how", "") in _HASTY:
        hooks = [hook for hook in hooks if not hook.startswith(f"{request.who}: data ")]
    sizes = re.compile(f"{request.who}: sent [0-9]+") if getattr(request, "where", "") == "file/big" else None
    return [sizes.sub("sent", hook) for hook in hooks] if sizes else hooks


def _without_those_behind(script: Script, request: Any, hooks: list[str]) -> list[str]:
    """Without the hooks of requests behind this one, which Tornado serves even on a connection that a handler has closed."""
    requests = script.requests
    behind = tuple(f"{one.who}: " for one in requests[requests.index(request) + 1 :])
    return [hook for hook in hooks if not hook.startswith(behind)]


def _without_its_own_close(request: Any, seen: Seen) -> Seen:
    told = [f"{request.who}: {what}" for what in ("on_connection_close", "close callback")]
    if request.how not in _CLOSES:
        return seen
    hooks = list[str]()
    for hook in seen.hooks:
        sent = f"{request.who}: sent "
        if hook.startswith(sent) and hooks and hooks[-1].startswith(sent):
            hook = f"{sent}{int(hooks.pop().removeprefix(sent)) + int(hook.removeprefix(sent))}"
        if hook not in told:
            hooks.append(hook)
    return seen._replace(hooks=hooks)


def _without_data(request: Any, seen: Seen) -> list[str]:
    return [hook for hook in seen.hooks if not hook.startswith(f"{request.who}: data ")]


def may_have_closed(script: Script, own: Seen) -> bool:
    """Whether a request has ended behind which one of the two closes, which a client that does not read cannot see."""
    return any(
        _ended(request, own) and (request.how in _SAYS_CLOSE or _is_early(request) or _raised(request, own)) for request in script.requests
    )


def _hears(request: Any, seen: Seen) -> bool:
    return any(hook.startswith(f"{request.who}: ") for hook in seen.hooks)


def _answer(request: Any, seen: Seen) -> str:
    """What this step has of the answer to a request, where its head is in it."""
    _, begin, behind = seen.received.partition(f"[{request.who}] HTTP/1.1 ")
    return begin + _NEXT.split(behind, maxsplit=1)[0]


def _changed(request: Any, seen: Seen, old: str, new: str) -> Seen:
    """With other text in the head of the answer to a request."""
    answer = _answer(request, seen)
    head, _, body = answer.partition("\r\n\r\n")
    changed = f"{head}\r\n".replace(old, new, 1) + "\r\n" + body
    return seen._replace(received=seen.received.replace(answer, changed, 1)) if answer else seen


def _keeps(request: Any, seen: Seen) -> bool:
    return "\r\nConnection: Keep-Alive\r\n" in _answer(request, seen).partition("\r\n\r\n")[0] + "\r\n"


def _without_continue(theirs: Seen, own: Seen) -> Seen | None:
    """Without that 100 which ours does not have, by what stands before it."""
    text = theirs.received
    if text.count(_CONTINUE) <= own.received.count(_CONTINUE):
        return None
    places = [found.start() for found in re.finditer(re.escape(_CONTINUE), text)]
    others = [text[:place] + text[place + len(_CONTINUE) :] for place in places]
    return theirs._replace(received=max(others, key=lambda other: _common(other, own.received)))


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with together."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


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


@declared("header section: more than max_header_size is answered 431")
def too_large_a_head(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if "max_header_size" in script.settings and theirs.closed and own.closed and not _hears(request, own):
        answer = "[?] HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        same = _without_chunks(own.received) == _without_chunks(theirs.received + answer)
        return theirs._replace(received=theirs.received + answer) if same else None
    return None


@declared("Expect: ignored for HTTP/1.0 and without a body")
def no_continue_for_nothing(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    nothing = _is(request, "expect") and (not request.size or request.version.startswith("1.0"))
    if nothing and request.how == "prepare closes" and own.hooks != theirs.hooks and own.hooks[: len(theirs.hooks)] == theirs.hooks:
        return theirs._replace(hooks=own.hooks)  # its 100 finds the connection closed
    last = script.requests[script.requests.index(request) :]
    if nothing and theirs.received == _CONTINUE and not own.received and not theirs.hooks and not own.hooks:
        return own  # the request is not there yet, and nobody has heard of it
    all_old = all(one.version.startswith("1.0") for one in last if _is(one, "expect"))  # so that it is nobody's behind it
    return _without_continue(theirs, own) if nothing and (_hears(request, theirs) or all_old) else None


@declared("Expect: no 100 before a refusal")
def no_continue_before_a_refusal(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    limited = _is(request, "expect") and _is_too_large(script, request)
    return _without_continue(theirs, own) if limited and _over(own) else None


@declared(
    "Content-Length: one that is no number, in a request for a handler that streams, is refused before there is a handler", parts=True
)
def refused_before_a_handler(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is(request, "bad length") and request.where == "stream" and _hears(request, theirs) and not _hears(request, own) and _over(own):
        begun = next(number for number, hook in enumerate(theirs.hooks) if hook.startswith(f"{request.who}: "))
        before = own.received.removesuffix("[?] HTTP/1.1 400 Bad Request\r\n\r\n")
        return own if own.hooks == theirs.hooks[:begun] and _begins(theirs.received, before) else None
    return None


@declared("on_connection_close: also called where it is the handler that closes the connection, whenever that is")
def told_of_its_own_close(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.how in _CLOSES and theirs.closed and own.closed:
        lists = [_cut_as_it_may_be(request, hooks) for hooks in (theirs.hooks, _without_its_own_close(request, own).hooks)]
        return theirs._replace(hooks=own.hooks) if lists[0] == lists[1] else None
    return None


@declared("on_connection_close: how much more of its body that handler gets is a matter of what was read before", parts=True)
def closes_within_the_body(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    closes = _is_post(request) and request.where == "stream" and request.how in ("prepare closes", "data closes")
    if not closes or not _over(theirs) or not _over(own) or own.received != theirs.received:
        return None
    lists = [_without_data(request, _without_its_own_close(request, seen)) for seen in (theirs, own)]
    rest = re.compile(f"{request.who}: (POST|first chunk 200( alone)?|sent [0-9]+|last chunk|log_request 200|on_finish)")
    heads = [[hook for hook in hooks if not rest.fullmatch(hook)] for hooks in lists]
    return own if _without_those_behind(script, request, heads[0]) == heads[1] else None


@declared("no difference: what came with a bad chunk is not handed over", parts=True)
def nothing_with_a_bad_chunk(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    within = _is(request, "bad chunk", "bad gzip") and request.where == "stream" and request.how in _HASTY
    refused = f"[{request.who}] HTTP/1.1 400 Bad Request\r\n\r\n" if within else ""
    if not within or not own.closed or not own.received.endswith(refused) or _without_data(request, own) != own.hooks:
        return None
    before = own.hooks.index(f"{request.who}: prepare") + 1 if f"{request.who}: prepare" in own.hooks else 0
    same = own.hooks[:before] == theirs.hooks[:before] and own.hooks[before:] == [f"{request.who}: on_connection_close"]
    return own if same and _begins(theirs.received, own.received.removesuffix(refused)) else None


@declared("no difference: what came before a bad chunk is handed over where there was time for it", parts=True)
def something_before_a_bad_chunk(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    data = f"{getattr(request, 'who', '')}: data "
    within = _is(request, "bad chunk", "bad gzip") and request.where == "stream" and request.how in _HASTY
    first = next((place for place, hook in enumerate(own.hooks) if hook.startswith(data)), 0) if within else 0
    if not first or any(hook.startswith(data) for hook in theirs.hooks):
        return None
    before = theirs.received.removesuffix(f"[{request.who}] HTTP/1.1 400 Bad Request\r\n\r\n")
    same = theirs.hooks == [*own.hooks[:first], f"{request.who}: on_connection_close"]
    return own if same and theirs.closed and before != theirs.received and _begins(own.received, before) else None


@declared("no difference: what came with a chunk that is too much is not handed over")
def nothing_with_too_much(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    limited = _is(request, "chunked", "trailers") and _is_too_large(script, request)
    if limited and request.where == "stream" and theirs.closed and own.closed and theirs.hooks != own.hooks:
        return theirs._replace(hooks=own.hooks) if _without_data(request, theirs) == own.hooks else None
    return None


@declared("a request that is refused before its body was read: the server goes on reading for 5 seconds or 64 MiB at most, then closes")
def refusal_that_is_heard(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    refused = _is(request, "bad chunk", "bad gzip", "bad length") and script.requests[-1] is not request
    refused = refused or any(_frames_of(step) for step in script.steps)  # sent to HTTP
    refused = refused or _is_too_large(script, request)
    if refused and theirs.closed and own.closed and _begins(own.received, theirs.received):
        more = _expanded(own.received)[len(_expanded(theirs.received)) :]
        much = any(one.where == "file/big" or one.how in ("big", "big, in pieces") for one in script.requests if isinstance(one, Request))
        before = ".*" if much or any(step.kind == "deaf" for step in script.steps) else ""  # what was not read yet may be lost, too
        heard = re.fullmatch(before + r"\[(\?|\d+)\] HTTP/1\.1 400 Bad Request\r\n\r\n", more, re.DOTALL)
        return theirs._replace(received=own.received) if heard else None
    return None


@declared("compress_response: the compressed form has a weak Etag")
def weak_tag(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    compressed = isinstance(request, Request) and "Accept-Encoding: gzip" in request.fields and script.program.get("compress_response")
    if compressed and "\r\nContent-Encoding: gzip\r\n" in _answer(request, own) and '\r\nEtag: W/"' in _answer(request, own):
        return _changed(request, theirs, '\r\nEtag: "', '\r\nEtag: W/"')
    return None


@declared("set_max_body_size with decompress_request: the limit that a handler sets holds for the decompressed body too", parts=True)
def limit_on_what_is_inflated(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    limited = _is(request, "gzip") and request.how == "prepare limits" and request.size > 5000 and request.where == "stream"
    if not limited or not script.settings.get("decompress_request") or not _over(own):
        return None
    before, _, after = own.received.partition(f"[{request.who}] ")
    refused = after == "HTTP/1.1 400 Bad Request\r\n\r\n" or own.deaf
    return own if refused and _begins(theirs.received, before) and own.hooks[-1:] == [f"{request.who}: on_connection_close"] else None


@declared("Expect: no 100 within an answer that has begun")
def no_continue_within_an_answer(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    begun = _is(request, "expect") and request.how == "prepare flushes"
    return _without_continue(theirs, own) if begun and _hears(request, theirs) else None


@declared("pipelining: a request behind one that closes the connection does not run its handler", parts=True)
def behind_the_last(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    last = isinstance(request, Request) and (
        request.version in ("1.0", "1.1 close")
        or (request.version == "1.0 keep-alive" and request.kind == "options")
        or request.how in _BREAKING
        or _is_early(request)
        or script.settings.get("no_keep_alive")
        or (request.where == "call" and f"{request.who}: raised HTTPOutputError" in own.hooks)
    )
    ends = _ended(request, own) or (last and request.where == "call" and request.how == "closes" and _hears(request, own))
    if last and _over(own) and ends and _same_until(request, theirs, own) and _begins(own.received, theirs.received):
        return own if not any(hook.startswith(f"{request.who}: ") for hook in theirs.hooks[len(own.hooks) :]) else None
    return None


@declared("no difference: in which pieces a body comes, where the first one is enough")
def first_piece(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    data = re.compile(f"{getattr(request, 'who', '')}: data [0-9]+")
    if _is(request, "bad chunk", "bad gzip") and _over(theirs) and _over(own):
        # What came with the bad ones is not handed over.
        others = [[hook for hook in seen.hooks if not data.fullmatch(hook)] for seen in (theirs, own)]
        if others[0] == others[1]:
            return theirs._replace(hooks=own.hooks)
    if _is_post(request) and request.how == "data flushes" and theirs.hooks != own.hooks:
        # What it flushes with the first piece stands between the pieces.
        sums = [sum(int(hook.rpartition(" ")[2]) for hook in seen.hooks if data.fullmatch(hook)) for seen in (theirs, own)]
        return (
            theirs._replace(hooks=own.hooks)
            if sums[0] == sums[1] and _without_data(request, theirs) == _without_data(request, own)
            else None
        )
    if isinstance(request, Request) and request.how in (*_WITHIN, "data closes"):
        ours = [hook for hook in own.hooks if data.fullmatch(hook)]
        if not ours and request.how in ("data waits", "data waits, finishes"):
            return theirs._replace(hooks=_without_data(request, theirs))  # its end came with what it waited for
        others = ours if len(ours) == sum(map(bool, map(data.fullmatch, theirs.hooks))) else itertools.repeat(ours[0] if ours else "")
        pieces = iter(others)
        return theirs._replace(hooks=[next(pieces) or hook if data.fullmatch(hook) else hook for hook in theirs.hooks])
    return None


@declared("HTTP/1.0: a message with Transfer-Encoding is the last of its connection", parts=True)
def coded_in_http_1_0(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is(request, "chunked", "trailers", "bad chunk") and request.version == "1.0 keep-alive" and _ended(request, theirs):
        return own if _same_until(request, theirs, own) and _over(own) and not _keeps(request, own) else None
    return None


@declared("HTTP/1.0: what a handler says in Connection stays")
def said_close_in_http_1_0(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    says = isinstance(request, Request) and request.version == "1.0 keep-alive" and request.how in _SAYS_CLOSE
    if says and "\r\nConnection: close\r\n" in _answer(request, own):
        return _changed(request, theirs, "Connection: Keep-Alive", "Connection: close")
    return None


@declared("HTTP/1.0: Connection: Keep-Alive is answered only where the connection is in fact kept")
def not_kept(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.version == "1.0 keep-alive" and theirs.closed and not _keeps(request, own):
        return _changed(request, theirs, "Connection: Keep-Alive\r\n", "")
    return None


@declared("HTTP/1.0: a response without a length ends with the connection, though the client asked to keep it", parts=True)
def without_a_length(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    keeps = isinstance(request, Request) and request.version == "1.0 keep-alive" and _ended(request, own)
    if not keeps or "\r\nContent-Length" in _answer(request, own) or not _over(own) or not _same_until(request, theirs, own):
        return None
    return own if _begins(_changed(request, theirs, "Connection: Keep-Alive\r\n", "").received, own.received) else None


@declared("HTTP/1.0: a response without a length ends with the connection, though the client asked to keep it")
def head_without_a_length(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    keeps = isinstance(request, Request) and request.version == "1.0 keep-alive" and not _ended(request, own) and not _keeps(request, own)
    if not keeps or "\r\nContent-Length" in _answer(request, own):
        return None
    return _changed(request, theirs, "Connection: Keep-Alive\r\n", "")


@declared("@stream_request_body: what data_received raises is answered as what a method of the request raises", parts=True)
def raised_within_the_body(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    raises = isinstance(request, Request) and request.where == "stream" and request.how in RAISING_WITHIN
    told = f"{request.who}: on_connection_close"
    if not raises or told not in theirs.hooks or not _raised(request, own) or not _ended(request, own):
        return None
    before = theirs.hooks[: theirs.hooks.index(told)]
    if own.hooks[: len(before)] != before:
        return None
    if script.requests[-1] is not request and own.closed and _begins(theirs.received, own.received):
        return own  # a reset took the end away
    answer = re.match(rf"\[{request.who}\] HTTP/1\.1 (409|500) ", _answer(request, own)) is not None or own.deaf
    texts = [seen.received.replace(_CONTINUE, "") for seen in (own, theirs)]
    return own if answer and _begins(*texts) else None


@declared("@stream_request_body: what data_received raises is answered as what a method of the request raises")
def cancelled_after_the_end(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.where == "stream" and request.how in ("data waits", "data waits, finishes"):
        answer = [f"{request.who}: {what}" for what in ("log_exception CancelledError", "log_request 500", "on_finish")]
        return theirs._replace(hooks=own.hooks) if theirs.closed and own.hooks == theirs.hooks + answer else None
    return None


@declared("@stream_request_body: where prepare or data_received answers a request that is all there, the connection stays open", parts=True)
def early_answer_to_a_whole_request(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is_early(request) and _ended(request, theirs) and theirs.closed:
        return own if _same_until(request, theirs, own) and _begins(own.received, theirs.received) else None
    return None


@declared("@stream_request_body: an answer that comes before the request was read says that the connection ends")
def early_answer_says_close(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is_early(request) and _ended(request, theirs) and theirs.closed:
        return (
            theirs._replace(received=own.received)
            if _changed(request, own, "Connection: close\r\n", "") == own._replace(received=theirs.received)
            else None
        )
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
        return (
            theirs._replace(received=own.received)
            if re.fullmatch(rf"\[{request.who}\] HTTP/1\.1 200 OK\r\n([^\r]+\r\n)+\r\n", more)
            else None
        )
    return None


@declared("Connection: a handler that sets Connection: close gets the connection closed", parts=True)
def says_close(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.how in _SAYS_CLOSE and _ended(request, theirs) and _over(own):
        return own if _same_until(request, theirs, own) and _begins(theirs.received, own.received) else None
    return None


@declared("an exception, or send_error(), behind flush(): a chunked body gets no last chunk, and the connection is closed", parts=True)
def broken_off(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    failed = isinstance(request, Request) and (_raised(request, own) or request.how == "flush, sends error")
    if failed and _ended(request, theirs) and _over(own):
        last = "0\r\n\r\n"
        broken = _begins(theirs.received, own.received + last) or (own.deaf and own.received == theirs.received)
        return own if _same_until(request, theirs, own) and broken else None
    return None


@declared("no difference: how much of a large answer is sent before a client that does not read makes it wait")
def sent_before_it_waits(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.how == "big, in pieces" and any(step.kind == "deaf" for step in script.steps):
        lists = [[hook for hook in seen.hooks if not hook.startswith(f"{request.who}: sent ")] for seen in (theirs, own)]
        return theirs._replace(hooks=own.hooks) if lists[0] == lists[1] else None
    return None


@declared("no difference: how a file is cut into chunks")
def chunks_of_a_file(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Request) and request.where == "file/big" and script.program.get("transforms"):
        sizes = re.compile(f"{request.who}: sent [0-9]+")
        lists = [[sizes.sub("sent", hook) for hook in seen.hooks] for seen in (theirs, own)]
        if lists[0] == lists[1] and theirs.hooks != own.hooks:
            return theirs._replace(hooks=own.hooks)
    if isinstance(request, Request) and request.where == "file/big" and request.how == "prepare flushes":
        answers = [_answer(request, seen) for seen in (theirs, own)]
        if "\r\nContent-Encoding: gzip\r\n" in answers[0]:  # what is compressed of a piece depends on where it ends
            others = [seen.received.replace(answer, "") for seen, answer in zip((theirs, own), answers, strict=True)]
            same = others[0] == others[1] and answers[0].partition("\r\n\r\n")[0] == answers[1].partition("\r\n\r\n")[0]
            return theirs._replace(received=own.received) if same else None
        if _without_chunks(theirs.received) == _without_chunks(own.received):
            return theirs._replace(received=own.received)
        # What is behind this answer may differ for another reason, which has a declaration of its own.
        same = bool(answers[0]) and _without_chunks(answers[0]) == _without_chunks(answers[1])
        return theirs._replace(received=theirs.received.replace(*answers, 1)) if same else None
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
        opened = who + "open" in own.hooks and (own.deaf or _answer(request, own).startswith(f"[{request.who}] HTTP/1.1 101 "))
        return own if opened and own.hooks[: own.hooks.index(who + "open")] == theirs.hooks[: theirs.hooks.index(who + "open")] else None
    return None


@declared("violations of the protocol: answered with close 1002 or 1007 before the connection is dropped")
def violations(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if isinstance(request, Upgrade) and theirs.closed and _begins(own.received, theirs.received):
        more = _expanded(own.received)[len(_expanded(theirs.received)) :].encode("latin-1")
        # Perhaps behind what Tornado throws away; or not at all, where the client sends too much to hear of it; or it was said before.
        own_close = rb"|\x88.(?:\x03\xe8so it is|\x0f\xa0asked)" if _violates(script, request) else b""
        said = re.fullmatch(rb"(.*?)(?:\x88.\x03(?:\xea|\xef)[ -~]+" + own_close + rb")", more, re.DOTALL)
        if not more.strip(b"x") or (said and _are_frames(said[1])):
            return theirs._replace(received=own.received)
    return None


@declared("a client that closes: what was written before is sent, and its close is answered, before the connection is dropped")
def sent_to_the_end(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    closes = isinstance(request, Upgrade) and any(frame in ("close", "close, bare") for step in script.steps for frame in _frames_of(step))
    if closes and theirs.closed and own.closed and _begins(own.received, theirs.received):
        more = _expanded(own.received)[len(_expanded(theirs.received)) :].encode("latin-1")
        said = re.fullmatch(rb"(.*?)\x88(?:\x00|.\x03\xe8(?:bye)?|.\x0f\xa0asked)", more, re.DOTALL)
        if said and _are_frames(said[1]):
            return theirs._replace(received=own.received)
    return None


@declared("no difference: what the kernel holds back when a connection is dropped (a small write behind another one, or much) is lost")
def lost_with_the_connection(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if not theirs.closed or not own.closed or theirs.received == own.received:
        return None
    if isinstance(request, Upgrade) and not (any("raise" in _frames_of(step) for step in script.steps) or _violates(script, request)):
        return None
    much = any(isinstance(one, Request) and one.size >= 100_000 for one in script.requests[script.requests.index(request) + 1 :])
    much = much or any("big" in _frames_of(step) for step in script.steps)
    if much and (_begins_unchunked(theirs.received, own.received) or _begins_unchunked(own.received, theirs.received)):
        return theirs._replace(received=own.received)
    if not _begins_unchunked(own.received, theirs.received):
        return None
    more = _unchunked(own.received)[len(_unchunked(theirs.received)) :]
    detached = isinstance(request, Request) and request.how in _DETACHES and script.requests[-1] is not request
    # Perhaps with the end of a large answer before it.
    small = detached and re.fullmatch(
        rf"x*({re.escape(_CONTINUE)})?(\[{request.who}\] {re.escape(RAW.decode())})?.{{0,4}}", more, re.DOTALL
    )
    frames = isinstance(request, Upgrade) and _are_frames(more.encode("latin-1"))
    return theirs._replace(received=own.received) if small or frames else None


def _begins_unchunked(text: str, with_text: str) -> bool:
    return _unchunked(text).startswith(_unchunked(with_text))


def _unchunked(text: str) -> str:
    """However a file is cut into chunks, the last of which may be broken off."""
    return re.sub(r"[0-9a-f]+\r\n(x+)(?:\r\n)?", r"\1", _expanded(text))


def _violates(script: Script, request: Any) -> bool:
    """Whether a request is sent behind the one for this WebSocket, and no close of the client's between: it is no frame."""
    behind = [one for step in script.steps for one in (step.what if step.kind in ("send", "part", "drip") else ())]
    behind = behind[behind.index(request) + 1 :]
    end = next((place for place, one in enumerate(behind) if not isinstance(one, str)), len(behind))
    frames = [*request.frames, *behind[:end]]
    return end < len(behind) and not any(frame.startswith("close") for frame in frames)


def _frames_of(step: Any) -> list[str]:
    return [frame for one in step.what for frame in ([one] if isinstance(one, str) else getattr(one, "frames", ()))]


@declared("a refusal: is not written into an answer that has begun")
def refused_within_an_answer(script: Script, request: Any, theirs: Seen, own: Seen) -> Seen | None:
    if _is_post(request) and request.how in ("prepare flushes", "data flushes") and theirs.closed and own.closed:
        return theirs._replace(received=own.received) if theirs.received == f"{own.received}[?] HTTP/1.1 400 Bad Request\r\n\r\n" else None
    return None


def _are_frames(data: bytes) -> bool:
    """Whether these are messages, pings and pongs of a server, the first of which may be the rest of one."""
    data = data.lstrip(b"x")
    while data:
        size, head = data[1:2], 2
        if data[0] not in (0x81, 0x82, 0x89, 0x8A) or not size:
            return False
        length = size[0]
        if length >= 126:
            head = 4 if length == 126 else 10
            length = int.from_bytes(data[2:head], "big")
        if len(data) < head + length:
            return False
        data = data[head + length :]
    return True
