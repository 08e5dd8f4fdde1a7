"""What goes wrong in the middle of the load."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from compat_suite.rooms.hosts import Cable
from compat_suite.rooms.members import Member
from compat_suite.rooms.servers import BrokerServer, Process, Workers


@dataclass
class Stage:
    """What there is to disturb, and for how long."""

    seconds: float
    pause: float
    broker: BrokerServer | None
    publishers: list[Process]
    slow: list[Member] = field(default_factory=list)
    cable: Cable | None = None
    workers: Workers | None = None


async def nothing(stage: Stage) -> None:
    """As it should be."""


async def connections(stage: Stage) -> None:
    """The broker's connections are cut, three times."""
    assert stage.broker is not None
    for _ in range(3):
        await asyncio.to_thread(stage.broker.cut_connections)
        await asyncio.sleep(stage.seconds / 12)


async def freeze(stage: Stage) -> None:
    """The broker stops, and goes on."""
    assert stage.broker is not None
    stage.broker.signal(signal.SIGSTOP)
    await asyncio.sleep(stage.pause)
    stage.broker.signal(signal.SIGCONT)


async def broker(stage: Stage) -> None:
    """The broker is killed and started again."""
    assert stage.broker is not None
    stage.broker.kill()
    await asyncio.sleep(stage.pause)
    await asyncio.to_thread(stage.broker.start)


async def worker(stage: Stage) -> None:
    """A server process is killed."""
    stage.publishers.pop().end()


async def slow(stage: Stage) -> None:
    """Some members do not read."""
    for member in stage.slow:
        member.stop_reading()
    await asyncio.sleep(stage.pause)
    for member in stage.slow:
        member.go_on_reading()


async def roll(stage: Stage) -> None:
    """The workers that serve the members are replaced one by one."""
    assert stage.workers is not None
    await asyncio.to_thread(stage.workers.roll)


async def cable(stage: Stage) -> None:
    """The cable between the two hosts is cut."""
    assert stage.cable is not None
    stage.cable.cut()
    await asyncio.sleep(stage.pause)
    stage.cable.mend()


async def cable_and_broker(stage: Stage) -> None:
    """The cable is cut, and the broker killed before it is mended: what one host published meanwhile the other cannot get any more, unless
    the broker has it on its disk.
    """
    assert stage.cable is not None
    assert stage.broker is not None
    stage.cable.cut()
    await asyncio.sleep(stage.pause)
    stage.broker.kill()
    await asyncio.to_thread(stage.broker.start)
    stage.cable.mend()


KINDS: dict[str, tuple[Callable[[Stage], Awaitable[None]], float]] = {
    "nothing": (nothing, 0.0),
    "connections": (connections, 0.0),
    "freeze": (freeze, 5.0),
    "broker": (broker, 2.0),
    "worker": (worker, 0.0),
    "slow": (slow, 8.0),
    "roll": (roll, 0.0),
    "cable": (cable, 10.0),
    "cable+broker": (cable_and_broker, 10.0),
}
"""Each with how long it lasts, in seconds, unless told otherwise."""
