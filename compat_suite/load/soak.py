"""The same thing very often: memory at each tenth of the way, and what grew."""

import functools
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from compat_suite.load.subject import State, Subject
from tornadolike._bench import generator, websocket_load
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, HTTPExchange, Request

_SHARES = 10
_CONNECTIONS = 32
_SLICE_SECONDS = 0.25
_FETCHES = 500
# What allocators and caches may still do behind the first fifth of the way.
_TOLERATED_BYTES, _BLOCKS_TOLERANCE = 2 << 20, 1.01


@dataclass(frozen=True, slots=True)
class Soak:
    """One kind of work. ``states`` are those at 10 %, 20 % ... 100 % of it."""

    what: str
    done: int
    states: list[State]

    @property
    def growth(self) -> int:
        """Bytes of memory, from 20 % to 100 %."""
        return self.states[-1].resident_bytes - self.states[1].resident_bytes

    def problems(self) -> list[str]:
        """What should not have been; nothing of it, as a rule."""
        first, last = self.states[1], self.states[-1]
        found = []
        if self.growth > _TOLERATED_BYTES:
            found.append(f"{self.what}: memory grew by {self.growth / 2**20:.1f} MiB")
        if last.blocks > first.blocks * _BLOCKS_TOLERANCE:
            found.append(f"{self.what}: {last.blocks - first.blocks} blocks of memory more")
        if last.descriptors > first.descriptors:
            found.append(f"{self.what}: {last.descriptors - first.descriptors} descriptors more")
        return found


Work = Callable[[Subject], int]


def requests(subject: Subject) -> int:
    """Requests on keep-alive connections, for a moment; how many."""
    return _load(subject, Request("/hello"))


def connections(subject: Subject) -> int:
    """The same with a connection for each."""
    return _load(subject, Request("/hello", headers={"Connection": "close"}))


def _load(subject: Subject, request: Request) -> int:
    exchange = HTTPExchange(request, Answer(200, b"Hello, world"), subject.host, subject.port)
    connect = functools.partial(generator.connect, subject.host, subject.port)
    return int(generator.Generator(exchange, connect, _CONNECTIONS).run(_SLICE_SECONDS).work)


def messages(subject: Subject) -> int:
    """WebSocket messages that come back."""
    load = websocket_load.echo_load(b"m" * 64, "/echo", subject.host, subject.port, _CONNECTIONS, _SLICE_SECONDS, deflate=False)
    return int(load.work)


def fetches(subject: Subject) -> int:
    """Requests of the HTTP client, to the server itself."""
    url = urllib.parse.quote(f"http://{subject.host}:{subject.port}/hello")
    if int(subject.ask(f"/fetches?n={_FETCHES}&url={url}")) != _FETCHES:
        raise WrongAnswer("the client did not get what it should")
    return _FETCHES


WORKS: dict[str, Work] = {"requests": requests, "connections": connections, "WebSocket messages": messages, "client fetches": fetches}


def run(subject: Subject, what: str, count: int) -> Soak:
    """Do ``what`` until it was done ``count`` times."""
    work, done, states = WORKS[what], 0, []
    for share in range(1, _SHARES + 1):
        while done < count * share / _SHARES:
            done += work(subject)
        states.append(subject.settled(subject.descriptors()))
    return Soak(what, done, states)
