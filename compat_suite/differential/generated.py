"""What Hypothesis draws: conversations split at arbitrary places, heads, forms, ranges, values. A difference is made as small
as it gets; ``--store`` keeps it in ``found.json``, from where it runs as a scenario ever after."""

# ruff: noqa: E501 - tables, whose rows do not get better by being broken up

import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat_suite.differential import otherwise
from compat_suite.differential.results import Progress, Result, chosen
from compat_suite.differential.results import difference as shown
from compat_suite.differential.sides import Sides

FOUND = Path(__file__).with_name("found.json")
Drawn = dict[str, Any]

_TOKENS = st.text("abcXYZ019-_!~", min_size=1, max_size=8)
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20).map(str.strip)
_SEGMENTS = st.text("abcXYZ019-._~%/+;=&?", max_size=20)
_FIELDS = st.sampled_from(
    [
        "Cookie: a=b; c=d",
        "Accept-Encoding: gzip",
        "If-None-Match: *",
        "Connection: keep-alive",
        'If-None-Match: "x"',
        "Range: bytes=0-3",
        "X-Forwarded-For: 1.2.3.4",
        "Content-Type: text/plain",
    ]
)


@st.composite
def _request(draw: Any) -> str:
    method = draw(st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS"]))
    path = "/" + draw(_SEGMENTS).replace("?", "", 1)
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"])) if method not in ("DELETE", "OPTIONS") else "1.1"
    lines = [f"{method} {path} HTTP/{version}", "Host: h"]
    fields = draw(st.lists(st.builds("X{}: {}".format, _TOKENS, _VALUES) | _FIELDS, max_size=4))
    lines += fields
    body = ""
    if method in ("POST", "PUT"):
        body, extra = draw(_body())
        if version == "1.0" and extra[0].startswith("Transfer-Encoding"):
            lines = [line for line in lines if not line.startswith("Connection")]  # it is the last one here, whatever it asks for
        lines += extra
    return "\r\n".join([*lines, "", body])


@st.composite
def _body(draw: Any) -> tuple[str, list[str]]:
    kind = draw(st.sampled_from(["plain", "form", "chunked", "multipart"]))
    if kind == "form":
        body = draw(st.text("abc=&%+;012", max_size=30))
        return body, [f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded"]
    if kind == "multipart":
        body = draw(_multipart())
        return body, [f"Content-Length: {len(body)}", "Content-Type: multipart/form-data; boundary=B"]
    data = draw(st.text(st.characters(max_codepoint=255), max_size=40))
    if kind == "plain":
        return data, [f"Content-Length: {len(data)}"]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if end > start]
    return "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces) + "0\r\n\r\n", ["Transfer-Encoding: chunked"]


@st.composite
def _multipart(draw: Any) -> str:
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        disposition = draw(
            st.sampled_from(
                [
                    'form-data; name="a"',
                    'form-data; name="b"; filename="f.txt"',
                    "form-data; name=c",
                    "attachment",
                    'form-data; name="d;e"',
                    'form-data; name="a\\"b"',
                ]
            )
        )
        lines = [
            f"Content-Disposition: {disposition}",
            *draw(st.lists(st.sampled_from(["Content-Type: text/x", "X: y", "Content-Type: "]), max_size=2)),
        ]
        # A delimiter within a value ends the part here, and is part of the value in Tornado, which looks for the last one first.
        value = draw(st.text("ab\r\n-B\x00\xff", max_size=12).filter(lambda text: "--B" not in text))
        parts.append("--B\r\n" + "\r\n".join([*lines, "", value]) + "\r\n")
    return "".join(parts) + draw(st.sampled_from(["--B--\r\n", "--B--", "--B", ""]))


@st.composite
def _conversation(draw: Any) -> Drawn:
    requests = draw(st.lists(_request(), min_size=1, max_size=3))
    chosen = draw(
        st.sampled_from(
            [{}, {"decompress_request": True}, {"xheaders": True}, {"no_keep_alive": True}, {"max_body_size": 20}, {"chunk_size": 3}]
        )
    )
    last = next((number for number, one in enumerate(requests, 1) if _closes(one)), None)
    if "no_keep_alive" in chosen:
        # What HTTP/1.0 is answered then, where it asks to keep the connection, is a scenario of its own.
        requests = [one.replace("Connection: keep-alive\r\n", "") for one in requests]
        last = 1
    text = "".join(requests)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    value = {"pieces": [piece for piece in pieces if piece], "settings": chosen}
    return value if last is None else value | {"ends": len("".join(requests[:last]))}


def _closes(request: str) -> bool:
    head = request.partition("\r\n\r\n")[0]
    return " HTTP/1.0\r\n" in head and "\r\nConnection: keep-alive" not in head


def _broken(draw: Any) -> Drawn:
    """A request in which a byte is put in, taken out or changed in its head."""
    text = draw(_request())
    place = draw(st.integers(0, max(0, text.index("\r\n\r\n"))))
    byte = draw(st.sampled_from([" ", ":", "\t", "\x00", "a", "\x7f", "\xe9", "/", ","]))
    how = draw(st.sampled_from(["in", "out", "change"]))
    return {"pieces": [text[:place] + ("" if how == "out" else byte) + text[place + (how != "in") :]]}


_TIMES = st.sampled_from(
    ["Sun, 13 Sep 2020 12:26:40 GMT", "Sun, 13 Sep 2020 12:26:39 GMT", "Mon, 14 Sep 2020 00:00:00 GMT", "yesterday", ""]
)
_TAG = f'"{hashlib.sha512(b"0123456789").hexdigest()}"'
_TAGS = st.sampled_from([_TAG, f"W/{_TAG}", '"other"', "*", "", "bare"])
_NUMBERS = st.sampled_from(["", "0", "3", "9", "10", "11", "-1", "x", "99999999999999999999"])
_CONDITIONS = (
    st.builds("Range: {}={}-{}".format, st.sampled_from(["bytes", "bytes", "bytes", "lines"]), _NUMBERS, _NUMBERS)
    | st.builds("If-None-Match: {}".format, st.lists(_TAGS, min_size=1, max_size=3).map(", ".join))
    | st.builds("If-Modified-Since: {}".format, _TIMES)
)
_FILE_REQUESTS = st.fixed_dictionaries({"method": st.sampled_from(["GET", "GET", "HEAD"]), "headers": st.lists(_CONDITIONS, max_size=3)})


@st.composite
def _frames(draw: Any) -> Drawn:
    """Messages in up to three fragments, pings between them, perhaps a close at the end."""
    frames: list[list[Any]] = []
    for text in draw(st.lists(st.text("ab\xe9", max_size=200), max_size=3)):
        payload = text.encode().decode("latin-1")
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=2)))
        parts = [payload[start:end] for start, end in itertools.pairwise([0, *cuts, len(payload)])]
        kind = draw(st.sampled_from([1, 2]))
        for number, part in enumerate(parts):
            frames.append([0 if number else kind, number == len(parts) - 1, part])
            if draw(st.booleans()):
                frames.append([draw(st.sampled_from([9, 10])), True, draw(st.sampled_from(["", "ping"]))])
    if draw(st.booleans()):
        frames.append([8, True, draw(st.sampled_from(["", "\x03\xe8", "\x03\xe9bye", "\x0f\xa1own"]))])
    return {"frames": frames, "cuts": draw(st.lists(st.integers(1, 60), max_size=3))}


def _calls(function: str, texts: Any) -> Any:
    return texts.map(lambda text: {"function": function, "argument": text})


_ANY = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=40)
_CASES: dict[str, tuple[str, Any]] = {
    "conversations": ("wire", _conversation()),
    "broken heads": ("wire", st.composite(_broken)()),
    "multipart": ("form", _multipart().map(lambda body: {"type": "multipart/form-data; boundary=B", "body": body})),
    "urlencoded": ("form", st.text("abc=&%+;0123\xe9", max_size=40).map(lambda body: {"type": "application/x-www-form-urlencoded", "body": body})),
    "files": ("file", _FILE_REQUESTS),
    "frames": ("frames", _frames()),
    "headers": ("call", _calls("headers", st.lists(st.builds("{}{}{}".format, _TOKENS, st.sampled_from([": ", ":", " : ", ""]), _VALUES), max_size=4).map("\r\n".join))),
    "cookies": ("call", _calls("cookie", st.text('ab=;" \\,0123[]\xe9', max_size=30))),
    "parameters": ("call", _calls("parameters", st.text("ab=;\" \\*'%", max_size=30).map(lambda text: "x; " + text))),
    "ranges": ("call", _calls("range", st.from_regex(r"[0-9=, byte]{0,6}-?[0-9=, byte]{0,6}", fullmatch=True).map(lambda text: "bytes=" + text))),
    "hosts": ("call", _calls("host", st.text("ab.:[]0123", max_size=14))),
    "unescape": ("call", _calls("unescape", st.text("&#x;ltgapqu0123", max_size=20))),
    "url_unescape": ("call", _calls("url_unescape", st.text("%abcdef0123+\xe9", max_size=20))),
    "squeeze": ("call", _calls("squeeze", _ANY)),
    "json": ("call", _calls("json", _ANY)),
    "linkify": ("call", _calls("linkify", st.lists(st.sampled_from(["http://", "www.", "e.com", "/", "(", ")", "&", " ", ".", "?", "a", "<", '"', "https:", "#", "x@y"]), max_size=12).map("".join))),
    "signed values": ("call", _calls("signed", st.text("012|:abn=", max_size=30))),
    "request lines": ("call", _calls("request line", st.text("GET /HTTP.1\xe9", max_size=20))),
    "response lines": ("call", _calls("response line", st.text("HTTP/1. 20OK", max_size=20).map(lambda text: "HTTP/1.1 " + text))),
}  # fmt: skip


def run_all(sides: Sides, examples: int, only: str | None, *, store: bool) -> list[Result]:
    """The stored differences first, then ``examples`` new draws of each kind."""
    results, progress = [], Progress()
    for entry in json.loads(FOUND.read_text(encoding="utf-8")):
        if chosen(entry["name"], only):
            results.append(Result(entry["name"], difference(sides, entry["kind"], entry["value"])))
            progress.show(results[-1])
    for name, (kind, strategy) in _CASES.items():
        if chosen(f"generated/{name}", only):
            results.append(draw(sides, name, kind, strategy, examples, store=store))
            progress.show(results[-1])
    progress.end()
    return results


def draw(sides: Sides, name: str, kind: str, strategy: Any, examples: int, *, store: bool = False) -> Result:
    smallest: list[Any] = []

    # The same examples in every run: what is found can be found again, and a run that passed passes again.
    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    @given(strategy)
    def equal(value: Any) -> None:
        text = difference(sides, kind, value)
        if text:
            smallest[:] = [value, text]
        assert not text

    result = Result(f"generated/{name}")
    try:
        equal()
    except (AssertionError, BaseExceptionGroup):
        value, text = smallest
        result.different = f"drawn: {json.dumps(value)}\n{text}"
        if store:
            keep({"name": f"generated/{name} {json.dumps(value)[:80]}", "kind": kind, "value": value})
    return result


def difference(sides: Sides, kind: str, value: Any) -> str:
    """What differs, and differs at the second try too: on a machine with much to do an answer may come late once."""
    return _compared(sides, kind, value) and _compared(sides, kind, value)


def _compared(sides: Sides, kind: str, value: Any) -> str:
    tornado, ours = sides.both({"draw": kind, "value": value})
    if tolerated(tornado["normal"], ours["normal"]) or otherwise.logs_less(kind, value, tornado["normal"], ours["normal"]):
        return ""
    other = otherwise.stand_in(kind, value)
    if other is not None:
        asked, _ = sides.both({"draw": kind, "value": other})
        if tolerated(asked["normal"], ours["normal"]):
            return ""
    return shown(tornado["normal"], ours["normal"])


def tolerated(tornado: str, ours: str) -> bool:
    """Equal, but for how a refusal is worded, and for what is pipelined behind a connection's last request (see `deliberate.toml`)."""
    return tornado == ours or _without_words(tornado) == _without_words(ours)


def _without_words(text: str) -> str:
    recording = json.loads(text)
    if isinstance(recording, dict) and "log" in recording:
        recording["log"] = [line.partition(": ")[0] for line in recording["log"] if not line.startswith("tornado.access")]
    return re.sub(r'(?<=Error: )[^"\n]*', "<words>", json.dumps(recording))


def keep(entry: Drawn) -> None:
    stored = json.loads(FOUND.read_text(encoding="utf-8"))
    if all(one["value"] != entry["value"] for one in stored):
        FOUND.write_text(json.dumps([*stored, entry], indent=1) + "\n", encoding="utf-8")
