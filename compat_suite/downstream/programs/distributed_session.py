"""A Dask cluster on this machine, over TCP, TLS and WebSocket: tasks, data, errors, a lost worker, pages. Prints what was seen."""

import asyncio
import json
import os
import sys
import urllib.request
from typing import Any

import dask
from distributed import Client, Event, LocalCluster, Nanny, Queue, Scheduler, Security, Worker, get_client, wait

_BIG = 20_000_000


def main() -> None:
    os.chdir(sys.argv[1])
    # Nothing comes from, or goes to, what the user has configured.
    dask.config.set({"distributed.admin.log-format": "%(message)s", "distributed.scheduler.allowed-failures": 1})
    seen: dict[str, Any] = {}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster, Client(cluster) as client:
        seen |= {f"tcp {name}": value for name, value in work(client).items()}
        seen |= {f"tcp {name}": value for name, value in pages(cluster.scheduler.http_server.port).items()}
    seen |= {f"tls {name}": value for name, value in asyncio.run(by("tls://", Security.temporary())).items()}
    seen |= {f"ws {name}": value for name, value in asyncio.run(by("ws://", None)).items()}
    seen["lost worker"] = asyncio.run(lost())
    print(json.dumps(seen))


def work(client: Client) -> dict[str, Any]:
    """What a user of the cluster does, from a thread which has no loop."""
    seen: dict[str, Any] = {"result": client.submit(pow, 2, 10).result()}
    seen["gathered"] = sum(client.gather(client.map(lambda number: number * number, range(200))))
    seen["scattered"] = client.submit(len, client.scatter(b"x" * _BIG)).result()
    seen["returned"] = len(client.submit(bytes, _BIG).result())
    try:
        client.submit(int, "none").result()
    except ValueError as error:
        seen["error"] = str(error)
    seen["from a task"] = client.submit(_asks_again).result()
    queue, event = Queue("of-the-suite"), Event("of-the-suite")
    waiting = client.submit(_waits, pure=False)
    seen["queue"] = queue.get(timeout=20)
    event.set()
    seen["event"] = waiting.result()
    cancelled = client.submit(_waits, pure=False)
    cancelled.cancel()
    seen["cancelled"] = cancelled.status
    seen["everywhere"] = sorted(client.run(lambda: __import__("tornado.ioloop").version).values())
    return seen


def _asks_again() -> int:
    return sum(get_client().gather(get_client().map(abs, [-1, -2])))


def _waits() -> bool:
    Queue("of-the-suite").put("here")
    return bool(Event("of-the-suite").wait(20))


def pages(port: int) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for path in ("/health", "/json/counts.json", "/metrics", "/sitemap.json", "/nosuch"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Origin": "http://elsewhere"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                seen[path] = [answer.status, answer.headers["Content-Type"], shape(answer.read())]
        except urllib.error.HTTPError as error:
            seen[path] = [error.code, error.headers["Content-Type"], error.read().decode()]
    return seen


def shape(body: bytes) -> Any:
    """The names in a JSON object, whose values are those of the moment."""
    try:
        content = json.loads(body)
    except ValueError:
        return body.decode()
    return sorted(content) if isinstance(content, dict) else type(content).__name__


async def by(protocol: str, security: Security | None) -> dict[str, Any]:
    """The same over another transport, in one loop: here the awaiting API is used."""
    seen: dict[str, Any] = {}
    settings: dict[str, Any] = {"security": security} if security else {}
    async with Scheduler(protocol=protocol, port=0, dashboard_address=":0", **settings) as scheduler:
        seen["address"] = scheduler.address.partition(":")[0]
        async with (
            Worker(scheduler.address, **settings),
            Worker(scheduler.address, **settings),
            Client(scheduler.address, asynchronous=True, **settings) as client,
        ):
            seen["gathered"] = sum(await client.gather(client.map(abs, range(-100, 0))))
            seen["returned"] = len(await client.submit(bytes, _BIG))
            try:
                await client.submit(int, "none")
            except ValueError as error:
                seen["error"] = str(error)
    return seen


async def lost() -> Any:
    """A worker's process dies while it works: its task goes to another one."""
    async with (
        Scheduler(port=0, dashboard_address=":0") as scheduler,
        Nanny(scheduler.address, nthreads=1) as nanny,
        Client(scheduler.address, asynchronous=True) as client,
    ):
        first = await client.submit(os.getpid, pure=False)
        await nanny.kill()
        again = client.submit(os.getpid, pure=False)
        await nanny.instantiate()
        await wait(again, timeout=30)
        return first != await again


if __name__ == "__main__":
    main()
