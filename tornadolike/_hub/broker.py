"""What carries the messages of rooms between processes: the interface, and what all brokers share.

A broker promises, to each process that follows a room: the messages that were published to it, in one order that is the same for all,
each once; after an interruption it goes on behind the last one. What is gone from the history by then is told as a gap. It keeps no
connection for a client, only a fixed number of them for the process.
"""

import abc
import asyncio
import contextvars
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from tornadolike._hub.messages import Data, Message, Messages

_T = TypeVar("_T")
FIRST_DELAY_SECONDS = 0.1
MOST_DELAY_SECONDS = 5.0


class BrokerDownError(ConnectionError):
    """The broker cannot be reached now, or did not answer in time. Whether a message that was on its way arrived is not known."""


class Receiver(Protocol):
    """Who is told what a broker receives."""

    def received(self, messages: list[Message]) -> None:
        """Messages of rooms that are followed, in order."""

    def missed(self, room: str) -> None:
        """Messages of this room, before the next one, are lost."""

    def changed(self, up: bool, reason: str) -> None:
        """The broker can be reached, or not any more."""


class Broker(abc.ABC):
    """Carries messages between processes. A `Hub` drives it; applications only make one and give it to the hub."""

    receiver: Receiver
    origin = ""
    """What tells this process from all others; known once it was started."""

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return 0

    def start(self, receiver: Receiver) -> None:
        """Begin to connect, within a running loop. Returns at once: a broker that is down is tried again, for ever."""
        self.receiver = receiver
        self.origin = f"{os.getpid():x}{random.SystemRandom().getrandbits(64):016x}"

    @abc.abstractmethod
    def publish(self, room: str, data: Data, excluded: str) -> "asyncio.Future[str]":
        """Add a message to a room, that is not for one member of ours, or for all; the future gets its id, or `BrokerDownError`."""

    @abc.abstractmethod
    def follow(self, room: str) -> "asyncio.Future[None]":
        """Receive what is published to a room from this call on. The future is done when that holds, or when the broker is known to be
        down: then it holds from when it is back.
        """

    @abc.abstractmethod
    def unfollow(self, room: str) -> None:
        """Receive no more of a room."""

    @abc.abstractmethod
    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        """What the history of a room has behind ``last_id``, oldest first; None: nothing but the place of its end. Raises
        `BrokerDownError`.
        """

    @abc.abstractmethod
    async def announce(self, counts: Mapping[str, int]) -> None:
        """Tell how many members this process has in rooms; 0 takes it off. Holds for `PRESENCE_SECONDS`."""

    @abc.abstractmethod
    async def members(self, room: str) -> int:
        """How many members all processes have in a room. Raises `BrokerDownError`."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Take leave of the broker. Nothing is received afterwards."""


PRESENCE_SECONDS = 40.0
"""After so long without a word from a process its members do not count."""


class Delays:
    """How long to wait before the next attempt: doubled each time, and spread, so that a thousand processes do not come back at once."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._next = FIRST_DELAY_SECONDS

    def again(self) -> float:
        """Seconds until the next attempt."""
        delay, self._next = self._next, min(self._next * 2, MOST_DELAY_SECONDS)
        return delay * (0.5 + self._draw() / 2)

    def succeeded(self) -> None:
        """The next failure is a first one."""
        self._next = FIRST_DELAY_SECONDS


def start_task(coroutine: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
    """A task in an empty context: what a request set must not be seen by what outlives it."""
    task = asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())
    task._log_destroy_pending = False  # type: ignore[attr-defined] # works until the loop ends, with which it may go
    return task


async def end_tasks(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel them and wait until they have ended."""
    running = {task for task in tasks if task is not None}
    while running:
        for task in running:
            task.cancel()
        # Again, if need be: a client library may take a cancellation that meets its own time-out for that time-out.
        done, running = await asyncio.wait(running, timeout=0.2)
        for task in done:
            if not task.cancelled():
                task.exception()
