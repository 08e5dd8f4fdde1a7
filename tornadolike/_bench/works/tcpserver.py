"""A connection for each line."""

from typing import Any

from tornadolike._bench.works.registry import Coroutine, sibling, work


@work("tcpserver, tcpclient: connect and echo")
def _echo(tcpserver: Any) -> Coroutine:
    tcpclient = sibling(tcpserver, "tcpclient")

    class Echo(tcpserver.TCPServer):
        async def handle_stream(self, stream: Any, address: Any) -> None:
            await stream.write(await stream.read_until(b"\n"))
            stream.close()

    async def run(n: int) -> None:
        server, client = Echo(), tcpclient.TCPClient()
        server.listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        for _ in range(n):
            stream = await client.connect("127.0.0.1", port)
            await stream.write(b"hello\n")
            assert await stream.read_until(b"\n") == b"hello\n"
            stream.close()
        server.stop()

    return run
