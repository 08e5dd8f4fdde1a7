"""Motor on Tornado's loop: the tutorial's steps, a handler that serves files, the change stream example. Prints what was seen."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import motor
import small_mongodb
from motor.web import GridFSHandler
from pymongo.errors import ServerSelectionTimeoutError
from tornado import gen, httpclient, ioloop, web, websocket


def main() -> None:
    examples = Path(sys.argv[2])
    address = f"mongodb://127.0.0.1:{small_mongodb.start()}"
    seen: dict[str, Any] = {}
    loop = ioloop.IOLoop.current()
    for part in (tutorial, application, lambda uri: example(uri, examples), nobody):
        seen |= loop.run_sync(lambda part=part: part(address), timeout=90)  # type: ignore[misc]
    print(json.dumps(seen))


async def tutorial(address: str) -> dict[str, Any]:
    collection = motor.MotorClient(address).tutorial.numbers
    seen: dict[str, Any] = {"inserted": len((await collection.insert_many([{"_id": number} for number in range(500)])).inserted_ids)}
    seen["one"] = await collection.find_one({"_id": {"$lt": 1}})
    seen["none"] = await collection.find_one({"_id": -1})
    seen["list"] = [one["_id"] for one in await collection.find({"_id": {"$lt": 5}}).sort("_id", -1).to_list(length=100)]
    seen["iterated"] = [one["_id"] async for one in collection.find(batch_size=10)] == list(range(500))
    seen["deleted"] = (await collection.delete_many({"_id": 3})).deleted_count

    @gen.coroutine
    def as_of_old():
        found = yield [collection.find_one({"_id": number}) for number in (1, 2)]
        raise gen.Return(found)

    seen["coroutine"] = await as_of_old()
    return seen


async def application(address: str) -> dict[str, Any]:
    """A handler that waits for the database, and Motor's own handler, which streams files from it."""
    database = motor.MotorClient(address).files
    bucket = motor.MotorGridFSBucket(database)
    await bucket.upload_from_stream("a.txt", b"0123456789" * 100_000, chunk_size_bytes=100_000)

    class Numbers(web.RequestHandler):
        async def get(self) -> None:
            found = await self.settings["database"].numbers.find({"_id": {"$lt": 3}}).to_list(None)
            self.write({"found": found})

        async def post(self) -> None:
            await self.settings["database"].numbers.insert_one({"_id": int(self.get_argument("number"))})
            self.set_status(201)

    server = web.Application([("/numbers", Numbers), ("/files/(.*)", GridFSHandler, {"database": database})], database=database).listen(
        0, "127.0.0.1"
    )
    (listening,) = server._sockets.values()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    client = httpclient.AsyncHTTPClient()
    seen: dict[str, Any] = {}
    for number in (1, 2, 3):
        seen[f"post {number}"] = (await client.fetch(f"{url}/numbers", method="POST", body=f"number={number}")).code
    seen["get"] = (await client.fetch(f"{url}/numbers")).body.decode()
    answer = await client.fetch(f"{url}/files/a.txt")
    seen["file"] = [answer.code, len(answer.body), sorted(answer.headers), answer.headers["Content-Type"]]
    for name, settings in (
        ("head", {"method": "HEAD"}),
        ("etag", {"headers": {"If-None-Match": answer.headers["Etag"]}}),
        ("modified", {"if_modified_since": 4_000_000_000}),
    ):
        other = await client.fetch(f"{url}/files/a.txt", raise_error=False, **settings)
        seen[f"file, {name}"] = [other.code, len(other.body), other.headers.get("Content-Length")]
    seen["no file"] = (await client.fetch(f"{url}/files/nosuch", raise_error=False)).code
    server.stop()
    return seen


async def example(address: str, examples: Path) -> dict[str, Any]:
    """The example of its documentation, as a program of its own: a page, and a WebSocket that tells of each change."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--port={port}", f"--mongo={address}", "--ns=test.test", "--logging=error"]
    command = [sys.executable, str(examples / "tornado_change_stream_example.py"), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: ASYNC220 - it only starts; its end is waited for below
    collection = motor.MotorClient(address).test.test
    try:
        connection = await _connect(f"ws://127.0.0.1:{port}/socket")
        messages = [await _after_insert(connection, collection, number) for number in (1, 2)]
        page = await httpclient.AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/")
    finally:
        process.terminate()
        errors = process.communicate(timeout=20)[1]
    told = [[one["operationType"], one["ns"], sorted(one)] for one in messages]
    return {"example": told, "example page": [page.code, b"change-" in page.body], "example errors": errors}


async def _connect(url: str) -> websocket.WebSocketClientConnection:
    for _ in range(600):
        try:
            return await websocket.websocket_connect(url)
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
    raise TimeoutError(url)


async def _after_insert(connection: websocket.WebSocketClientConnection, collection: Any, number: int) -> dict[str, Any]:
    """What the example tells of an insertion, which is made until it is seen: it begins to watch some time after it listens."""
    message = asyncio.ensure_future(connection.read_message())
    for attempt in range(100):
        await collection.insert_one({"_id": f"{number}.{attempt}", "number": number})
        done, _ = await asyncio.wait([message], timeout=0.3)
        if done:
            return dict(json.loads(str(message.result())))
    raise TimeoutError("no change was told")


async def nobody(address: str) -> dict[str, Any]:
    client = motor.MotorClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=100)
    try:
        await client.test.test.find_one()
    except ServerSelectionTimeoutError as error:
        return {"nobody there": type(error).__name__}
    return {"nobody there": "an answer"}


if __name__ == "__main__":
    main()
