"""The engine of a new connection: one parser, and one memory of heads, for all connections of a thread with the same limits."""

import threading
from typing import Protocol

from tornadolike._http1 import select
from tornadolike._http1.engine import ClientEngine, HeadParser, KnownResponse, ServerEngine
from tornadolike._http1.events import RequestHead

_Limits = tuple[int, int, int]
_MAX_LIMITS = 64  # as many servers of a program may differ in them before their connections' memories are made anew


class Limits(Protocol):
    """What an engine takes from the parameters of its connection."""

    max_header_size: int
    chunk_size: int
    _max_header_fields: int


class _Parsers(threading.local):
    """One parser for all connections of a thread with the same limits, since it takes whole heads, one at a time; and the heads that it
    has read lately."""

    def __init__(self) -> None:
        self.by_choice: dict[tuple[str, _Limits], tuple[HeadParser, dict[bytes, RequestHead], dict[bytes, KnownResponse]]] = {}


_parsers = _Parsers()


def new_engine(is_client: bool, params: Limits) -> ServerEngine | ClientEngine:
    choice = select.chosen()
    limits = params.max_header_size, params.chunk_size, params._max_header_fields
    found = _parsers.by_choice.get((choice, limits))
    if found is None:
        if len(_parsers.by_choice) >= _MAX_LIMITS:
            _parsers.by_choice.clear()
        found = _parsers.by_choice[choice, limits] = select.parser(choice), {}, {}
    parser, requests, responses = found
    return ClientEngine(parser, *limits, responses) if is_client else ServerEngine(parser, *limits, requests)
