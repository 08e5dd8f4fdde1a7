"""A SockJS server of sockjs-tornado: every transport, broadcast, a multiplexed second endpoint, ends of sessions. Prints what was seen.

``sockjs_session.py DIRECTORY``; ``sockjs_session.py serve PORT`` is the server.
"""

import asyncio
import http.client
import json
import re
import sys
import urllib.parse

import asking
import tornado.web
import websocket
from sockjs.tornado import SockJSConnection, SockJSRouter

CLOSED: list[str] = []


class Echo(SockJSConnection):
    everybody: set["Echo"] = set()

    def on_open(self, info):
        self.everybody.add(self)
        self.agent = info.get_argument("agent")

    def on_message(self, message):
        if message == "end":
            self.close()
        elif message.startswith("all:"):
            self.broadcast(self.everybody, message)
        else:
            self.send(message)

    def on_close(self):
        self.everybody.discard(self)
        CLOSED.append(type(self).__name__)


class Refusing(SockJSConnection):
    def on_open(self, info):
        return False


class Failing(SockJSConnection):
    def on_message(self, message):
        raise ValueError(message)

    def on_close(self):
        CLOSED.append(type(self).__name__)


class Closed(tornado.web.RequestHandler):
    def get(self):
        self.write({"closed": CLOSED})


def serve(port: int) -> None:
    settings = {"disconnect_delay": 2, "response_limit": 4096, "heartbeat_delay": 25}
    routes = []
    for number, (connection, prefix) in enumerate([(Echo, "/echo"), (Refusing, "/refusing"), (Failing, "/failing")]):
        routes += SockJSRouter(connection, prefix, settings | ({"jsession": True} if number == 0 else {})).urls

    async def main() -> None:
        tornado.web.Application([*routes, ("/closed", Closed)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())


def session(server: asking.Server) -> dict[str, object]:
    seen: dict[str, object] = {}
    ask = server.ask
    for path in ("/echo", "/echo/", "/echo/iframe.html", "/echo/iframe-1.html", "/echo/nosuch/x", "/echo/a/b/nosuch"):
        status, headers, body = ask("GET", path)
        seen[path] = [status, sorted(headers.items()), len(body)]
    status, headers, body = ask("GET", "/echo/info")
    del headers["Content-Length"]  # that of a random number
    seen["info"] = [status, sorted(headers.items()), sorted(json.loads(body)), json.loads(body)["websocket"]]
    seen["info options"] = _plain(ask("OPTIONS", "/echo/info", headers={"Origin": "http://a.example"}))
    seen |= polling(server) | streaming(server) | websockets(server)
    return seen


def polling(server: asking.Server) -> dict[str, object]:
    ask = server.ask
    seen: dict[str, object] = {}
    cookie = {"Cookie": "JSESSIONID=abc", "Origin": "http://a.example"}
    seen["xhr open"] = _plain(ask("POST", "/echo/000/one/xhr", headers=cookie))
    seen["xhr send"] = _plain(ask("POST", "/echo/000/one/xhr_send", '["x", "\u00e9"]', headers=cookie))
    seen["xhr poll"] = _plain(ask("POST", "/echo/000/one/xhr"))
    seen["xhr broken"] = [_plain(ask("POST", "/echo/000/one/xhr_send", body)) for body in ("", '["x', "{}")]
    seen["xhr unknown"] = _plain(ask("POST", "/echo/000/nosuch/xhr_send", '["x"]'))
    ask("POST", "/echo/000/one/xhr_send", '["end"]')
    seen["xhr closed"] = [_plain(ask("POST", "/echo/000/one/xhr")) for _ in range(2)]
    seen["jsonp open"] = _plain(ask("GET", "/echo/000/two/jsonp?c=call"))
    seen["jsonp send"] = _plain(ask("POST", "/echo/000/two/jsonp_send", "d=" + urllib.parse.quote('["y"]'), _FORM))
    seen["jsonp poll"] = _plain(ask("GET", "/echo/000/two/jsonp?c=call"))
    seen["jsonp without a callback"] = _plain(ask("GET", "/echo/000/two/jsonp"))
    seen["refused"] = _plain(ask("POST", "/refusing/000/three/xhr"))
    ask("POST", "/failing/000/four/xhr")
    seen["failing"] = _plain(ask("POST", "/failing/000/four/xhr_send", '["x"]'))
    return seen


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def streaming(server: asking.Server) -> dict[str, object]:
    """A stream that is read while messages are sent; it ends at the limit of a response."""
    seen: dict[str, object] = {}
    kinds = {"xhr_streaming": "POST", "eventsource": "GET", "htmlfile?c=call": "GET"}
    for number, (kind, method) in enumerate(kinds.items()):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request(method, f"/echo/000/stream{number}/{kind}")
        answer = connection.getresponse()
        first = answer.read1(1)
        for size in (10, 5000):
            server.ask("POST", f"/echo/000/stream{number}/xhr_send", json.dumps(["m" * size]))
        rest = (first + answer.read()).decode()
        headers = sorted((name, value) for name, value in answer.getheaders() if name not in ("Date", "Set-Cookie"))
        seen[kind] = [answer.status, headers, re.sub(r"(.)\1{20,}", lambda found: f"{found[1]}*{len(found[0])}", rest)]
        connection.close()
    return seen


def websockets(server: asking.Server) -> dict[str, object]:
    seen: dict[str, object] = {}
    address = f"ws://127.0.0.1:{server.port}"
    one, other = (websocket.create_connection(f"{address}/echo/000/ws{number}/websocket?agent=a", timeout=30) for number in range(2))
    raw = websocket.create_connection(f"{address}/echo/websocket", timeout=30)
    seen["websocket open"] = [one.recv(), other.recv()]
    one.send('["w", "\u00e9"]')
    seen["websocket echo"] = [one.recv(), one.recv()]
    raw.send("all:hello")
    seen["broadcast"] = [one.recv(), other.recv(), raw.recv()]
    one.send('["end"]')
    seen["websocket end"] = [one.recv(), _end(one)]
    other.send("broken [")
    seen["websocket broken"] = _end(other)
    raw.close()
    seen["websocket by GET"] = _plain(server.ask("GET", "/echo/000/x/websocket"))
    seen["closed"] = _closed(server)
    return seen


def _end(connection: websocket.WebSocket) -> object:
    """The last frame's opcode, or how the connection ended without one."""
    try:
        return connection.recv_data_frame(control_frame=True)[0]
    except (websocket.WebSocketException, OSError) as error:
        return type(error).__name__


def _closed(server: asking.Server) -> list[str]:
    """Who has been told of its end, when all have: polling sessions are after the delay."""
    for _ in range(600):
        closed = json.loads(server.ask("GET", "/closed")[2])["closed"]
        if len(closed) >= 9:
            return sorted(closed)
        asking.time.sleep(0.05)
    return ["not all", *sorted(closed)]


def _plain(answer: tuple[int, dict[str, str], bytes]) -> list[object]:
    status, headers, body = answer
    return [status, sorted(headers.items()), body.decode("utf-8", "replace")[:300]]


def main() -> None:
    port = asking.free_port()
    with asking.served([__file__, "serve", str(port)], port, sys.argv[1]) as server:
        seen = session(server)
    print(json.dumps(seen | {"exit status": server.status, "log": server.told()}))


if __name__ == "__main__":
    serve(int(sys.argv[2])) if sys.argv[1] == "serve" else main()
