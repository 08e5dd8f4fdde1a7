"""The program that ``compat_suite loops`` runs on each event loop: a server that asks itself, over TCP and TLS, and other processes.

``loops_child.py DIRECTORY``: certificate and key lie there; where it listens is written there.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path

import tornado.httpclient
import tornado.httpserver
import tornado.netutil
import tornado.process
import tornado.web
import tornado.websocket

PLACE = Path(sys.argv[1])
LARGE = b"0123456789abcdef" * (3 << 16)


class Hello(tornado.web.RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0)
        self.write(type(asyncio.get_running_loop()).__module__)


class Large(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write(LARGE)

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


class Asked(tornado.web.RequestHandler):
    """``/asked/NAME`` does one thing and says whether it went well."""

    async def get(self, name: str) -> None:
        async with asyncio.timeout(10):
            await getattr(self, name)()
        self.write("well")

    async def fetch(self, scheme: str, path: str, **options: object) -> bytes:
        port = PORTS[scheme]
        client = tornado.httpclient.AsyncHTTPClient()
        response = await client.fetch(f"{scheme}://127.0.0.1:{port}{path}", validate_cert=False, **options)
        return response.body

    async def client(self) -> None:
        assert await self.fetch("http", "/large") == LARGE
        assert await self.fetch("http", "/large", method="POST", body=LARGE[:1_000_000]) == b"1000000"

    async def tls(self) -> None:
        assert await self.fetch("https", "/large") == LARGE
        assert await self.fetch("https", "/large", method="POST", body=LARGE[:1_000_000]) == b"1000000"

    async def websocket(self) -> None:
        connection = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{PORTS['http']}/echo")
        for message in ("text", LARGE[:200_000]):
            await connection.write_message(message, binary=isinstance(message, bytes))
            assert await connection.read_message() == message
        connection.close()

    async def subprocess(self) -> None:
        process = tornado.process.Subprocess([sys.executable, "-c", "print(input())"], stdin=-1, stdout=tornado.process.Subprocess.STREAM)
        process.stdin.write(b"through a pipe\n")
        process.stdin.close()
        assert await process.stdout.read_until_close() == b"through a pipe\n"
        assert await process.wait_for_exit() == 0


PORTS: dict[str, int] = {}


async def main() -> None:
    application = tornado.web.Application([("/", Hello), ("/large", Large), ("/echo", Echo), ("/asked/([a-z]+)", Asked)])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(PLACE / "cert.pem", PLACE / "key.pem")
    for scheme, options in (("http", None), ("https", tls)):
        [listener] = tornado.netutil.bind_sockets(0, "127.0.0.1")
        tornado.httpserver.HTTPServer(application, ssl_options=options).add_sockets([listener])
        PORTS[scheme] = listener.getsockname()[1]
    (PLACE / "ports.part").write_text(json.dumps(PORTS), encoding="utf-8")
    (PLACE / "ports.part").rename(PLACE / "ports.json")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
