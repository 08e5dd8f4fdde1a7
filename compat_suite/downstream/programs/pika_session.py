"""pika's `TornadoConnection` with a small broker: messages, a refused channel, a connection that is cut. Prints what was seen."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import pika
import pika.exceptions
from pika.adapters.tornado_connection import TornadoConnection
from small_amqp import Broker

SECONDS = 60


def main() -> None:
    broker = Broker()
    errors: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: errors.append(f"{record.name}: {record.msg}")  # type: ignore[method-assign]
    for name in ("asyncio", "tornado"):
        logging.getLogger(name).addHandler(handler)
    seen = asyncio.run(session(broker))
    print(json.dumps(seen | {"the broker heard": broker.heard, "errors": sorted(set(errors)), "directory": os.path.isdir(sys.argv[1])}))


async def session(broker: Broker) -> dict[str, object]:
    seen: dict[str, object] = {}
    connection = await opened(broker.port)
    channel = await until(lambda done: connection.channel(on_open_callback=done))
    declared = await until(lambda done: channel.queue_declare("work", callback=done))
    seen["declared"] = [declared.method.queue, declared.method.message_count]
    await until(lambda done: channel.basic_qos(prefetch_count=2, callback=done))
    confirmed: list[str] = []
    await until(lambda done: channel.confirm_delivery(lambda frame: confirmed.append(frame.method.NAME), callback=done))
    arrived: asyncio.Queue[list[object]] = asyncio.Queue()

    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        arrived.put_nowait([method.delivery_tag, properties.headers, len(body), body[:10].decode("latin-1")])

    tag = channel.basic_consume("work", on_message)
    for number, body in enumerate((b"", b"short", bytes(range(256)) * 1000)):
        channel.basic_publish("", "work", body, pika.BasicProperties(headers={"number": number}))
    seen["messages"] = [await asyncio.wait_for(arrived.get(), SECONDS) for _ in range(3)]
    seen["confirmed"] = confirmed
    await until(lambda done: channel.basic_cancel(tag, callback=done))
    seen["channel refused"] = str(await refused(connection))
    seen["timers"] = await until(lambda done: connection.ioloop.call_later(0.01, lambda: done("called")))
    seen["threadsafe"] = await until(lambda done: connection.ioloop.run_in_executor(None, lambda: in_a_thread(connection, done)))
    connection.close()
    seen["closed"] = str(await asyncio.wait_for(ENDED.pop(connection), SECONDS))
    cut = await opened(broker.port)
    broker.cut.set()
    seen["cut"] = type(await asyncio.wait_for(ENDED.pop(cut), SECONDS)).__name__
    seen["nobody there"] = await unreachable()
    return seen


ENDED: dict[TornadoConnection, "asyncio.Future[BaseException]"] = {}


async def opened(port: int) -> TornadoConnection:
    loop = asyncio.get_running_loop()
    parameters = pika.ConnectionParameters("127.0.0.1", port)
    ended: asyncio.Future[BaseException] = loop.create_future()

    def open_(done: Callable[[Any], None]) -> None:
        connection = TornadoConnection(parameters, on_open_callback=done, on_close_callback=lambda _, error: ended.set_result(error))
        ENDED[connection] = ended

    return await until(open_)


async def until(start: Callable[[Callable[..., None]], object]) -> Any:
    """What ``start``'s callback is called with."""
    waiter = asyncio.get_running_loop().create_future()
    start(lambda *found: waiter.done() or waiter.set_result(found[0] if found else None))
    return await asyncio.wait_for(waiter, SECONDS)


async def refused(connection: TornadoConnection) -> BaseException:
    channel = await until(lambda done: connection.channel(on_open_callback=done))
    waiter = asyncio.get_running_loop().create_future()
    channel.add_on_close_callback(lambda _, error: waiter.set_result(error))
    channel.queue_declare("nosuch", passive=True)
    return await asyncio.wait_for(waiter, SECONDS)


def in_a_thread(connection: TornadoConnection, done: Callable[..., None]) -> None:
    connection.ioloop.add_callback(done, "from a thread")


async def unreachable() -> str:
    parameters = pika.ConnectionParameters("127.0.0.1", 1, connection_attempts=1)
    error = await until(lambda done: TornadoConnection(parameters, on_open_error_callback=lambda _, error: done(error)))
    return type(error).__name__


if __name__ == "__main__":
    main()
