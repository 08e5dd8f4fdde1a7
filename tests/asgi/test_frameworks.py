"""Applications of well-known frameworks, mounted into a Tornado application and driven over its port."""

import asyncio
import contextlib
import gc
import json
import re
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Site
from tornadolike import asgi, web
from tornadolike.httpclient import AsyncHTTPClient
from tornadolike.websocket import websocket_connect

Serve = Callable[..., Site]


@pytest.fixture(autouse=True)
def temporary_files_of_frameworks() -> Iterator[None]:
    """Some leave a spooled file of a request to the garbage collector; what that says must not meet another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Home(web.RequestHandler):
    def get(self) -> None:
        self.write("home")


async def fetch(site: Site, path: str, **options: Any) -> Any:
    return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{site.port}{path}", raise_error=False, **options)


async def test_fastapi_with_dependencies_background_tasks_uploads_and_websockets(serve: Serve) -> None:
    fastapi = pytest.importorskip("fastapi", reason="the extra `hosts` is not installed")
    done: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        done.append("up")
        yield {"database": "open"}
        done.append("down")

    async def database(request: Any) -> AsyncIterator[str]:
        yield request.state.database
        done.append("closed")

    database.__annotations__["request"] = fastapi.Request
    api = fastapi.FastAPI(lifespan=lifespan)

    async def items(number: Any, tasks: Any, value: Any) -> Any:
        tasks.add_task(done.append, "background")
        return {"number": number, "database": value}

    items.__annotations__.update(number=int, tasks=fastapi.BackgroundTasks)
    items.__defaults__ = (fastapi.Depends(database),)
    api.get("/items/{number}")(items)

    async def upload(file: Any) -> Any:
        return {"name": file.filename, "size": len(await file.read())}

    upload.__annotations__.update(file=fastapi.UploadFile)
    api.post("/upload")(upload)

    async def chat(socket: Any) -> None:
        await socket.accept()
        with contextlib.suppress(fastapi.WebSocketDisconnect):
            while True:
                await socket.send_json({"heard": await socket.receive_text()})
        done.append("left")

    chat.__annotations__.update(socket=fastapi.WebSocket)
    api.websocket("/chat")(chat)

    site = serve([("/", Home), asgi.Mount("/api", api)])
    assert json.loads((await fetch(site, "/api/items/7")).body) == {"number": 7, "database": "open"}
    await site.until(lambda: "background" in done)
    await site.until(lambda: "closed" in done)
    body = b'--q\r\nContent-Disposition: form-data; name="file"; filename="n"\r\n\r\n' + b"x" * 2_000_000 + b"\r\n--q--\r\n"
    uploaded = await fetch(site, "/api/upload", method="POST", body=body, headers={"Content-Type": "multipart/form-data; boundary=q"})
    assert json.loads(uploaded.body) == {"name": "n", "size": 2_000_000}
    connection = await websocket_connect(f"ws://127.0.0.1:{site.port}/api/chat")
    await connection.write_message("hello")
    assert json.loads(await connection.read_message()) == {"heard": "hello"}
    connection.close()
    assert await connection.read_message() is None
    await site.until(lambda: "left" in done)
    assert (await fetch(site, "/")).body == b"home"
    assert b"/api/openapi.json" in (await fetch(site, "/api/docs")).body
    assert await site.server.drain(5)
    assert done[-1] == "down"


async def test_a_starlette_event_stream_ends_at_drain(serve: Serve) -> None:
    pytest.importorskip("fastapi", reason="the extra `hosts` is not installed")
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    ended: list[str] = []

    async def events(request: Any) -> Any:
        async def ticks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.005)
            finally:
                ended.append("ended")

        return StreamingResponse(ticks(), media_type="text/event-stream")

    site = serve([asgi.Mount("", Starlette(routes=[Route("/events", events)]))])
    client = await site.client()
    client.get("/events")
    await client.reader.readuntil(b"tick\n\n")
    assert await site.server.drain(5)
    assert (await client.rest()).endswith(b"0\r\n\r\n")
    await site.until(lambda: ended)


@pytest.fixture(scope="session")
def django_admin(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Django's admin as an ASGI application, its database in a file; the super user is ada with the password "lovelace"."""
    pytest.importorskip("django", reason="the extra `hosts` is not installed")
    import django
    from django.conf import settings
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

    here: Path = tmp_path_factory.mktemp("django")
    sys.modules["admin_urls"] = urls = type(sys)("admin_urls")
    apps = ["admin", "auth", "contenttypes", "sessions", "messages", "staticfiles"]
    settings.configure(
        SECRET_KEY="a secret",
        DEBUG=True,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="admin_urls",
        FORCE_SCRIPT_NAME="/admin-site",
        STATIC_URL="/admin-site/static/",
        INSTALLED_APPS=[f"django.contrib.{name}" for name in apps],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(here / "db.sqlite3")}},
        LOGGING_CONFIG=None,
        USE_TZ=True,
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.asgi import get_asgi_application
    from django.core.management import call_command
    from django.urls import path

    urls.urlpatterns = [path("", admin.site.urls)]  # type: ignore[attr-defined]  # a module made here
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("ada", "ada@example.org", "lovelace")
    return ASGIStaticFilesHandler(get_asgi_application())


async def test_djangos_admin(serve: Serve, logs: Any, django_admin: Any) -> None:
    site = serve([("/", Home), asgi.Mount("/admin-site", django_admin)])
    cookies: dict[str, str] = {}

    async def visit(path: str, **options: Any) -> Any:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        answer = await fetch(site, path, headers=headers, follow_redirects=False, **options)
        for field in answer.headers.get_list("Set-Cookie"):
            name, _, value = field.partition(";")[0].partition("=")
            cookies[name] = value
        return answer

    redirect = await visit("/admin-site/")
    assert (redirect.code, redirect.headers["Location"]) == (302, "/admin-site/login/?next=/admin-site/")
    page = (await visit(redirect.headers["Location"])).body.decode()
    style = re.search(r'href="(/admin-site/static/admin/css/base.css)"', page)
    assert style is not None
    css = await visit(style[1])
    assert (css.code, css.headers["Content-Type"]) == (200, "text/css")
    assert len(css.body) > 10_000
    form = "username=ada&password=lovelace&next=/admin-site/"
    assert (await visit("/admin-site/login/", method="POST", body=form)).code == 403  # without the token
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    login = await visit("/admin-site/login/", method="POST", body=f"{form}&csrfmiddlewaretoken={token[1]}")
    assert (login.code, login.headers["Location"]) == (302, "/admin-site/")
    assert b"Site administration" in (await visit("/admin-site/")).body
    assert b"ada@example.org" in (await visit("/admin-site/auth/user/")).body
    assert (await fetch(site, "/")).body == b"home"
    for record in list(logs.records):  # Django's own log, and the access line of the 403
        logs.records.remove(record)


async def test_litestar_with_a_lifespan_a_stream_and_a_websocket(serve: Serve, logs: Any) -> None:
    litestar = pytest.importorskip("litestar", reason="the extra `hosts` is not installed")
    from litestar.handlers import WebsocketListener
    from litestar.response import Stream

    steps: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        steps.append("up")
        yield
        steps.append("down")

    @litestar.get("/items/{number:int}")
    async def item(number: litestar.params.FromPath[int]) -> dict[str, int]:  # type: ignore[name-defined]  # as below
        return {"number": number}

    @litestar.post("/sum")
    async def total(data: litestar.params.JSONBody[list[int]]) -> int:  # type: ignore[name-defined]  # as below
        return sum(data)

    @litestar.get("/numbers")
    async def numbers() -> Stream:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d\n" % number
                await asyncio.sleep(0)

        return Stream(pieces())

    class Echo(WebsocketListener):
        path = "/echo"

        async def on_receive(self, data: str) -> str:
            return data.upper()

        def on_disconnect(self, socket: litestar.WebSocket[Any, Any, Any]) -> None:  # type: ignore[override,name-defined]  # Litestar looks at the hints
            steps.append("left")

    app = litestar.Litestar([item, total, numbers, Echo], lifespan=[lifespan], logging_config=None)
    site = serve([("/", Home), asgi.Mount("/star", app)])
    assert json.loads((await fetch(site, "/star/items/7")).body) == {"number": 7}
    assert (await fetch(site, "/star/items/seven")).code == 404
    logs.take("tornado.access", "404 GET /star/items/seven")
    assert (await fetch(site, "/star/items/seven")).code == 404
    logs.take("tornado.access", "404 GET /star/items/seven")
    posted = await fetch(site, "/star/sum", method="POST", body="[1, 2, 3]", headers={"Content-Type": "application/json"})
    assert (posted.code, posted.body) == (201, b"6")
    assert (await fetch(site, "/star/numbers")).body == b"0\n1\n2\n"
    connection = await websocket_connect(f"ws://127.0.0.1:{site.port}/star/echo")
    await connection.write_message("hello")
    assert await connection.read_message() == "HELLO"
    connection.close()
    assert await connection.read_message() is None
    await site.until(lambda: "left" in steps)
    assert (await fetch(site, "/")).body == b"home"
    assert await site.server.drain(5)
    assert steps == ["up", "left", "down"]


async def test_quart_with_its_hooks_a_form_and_a_websocket(serve: Serve) -> None:
    quart = pytest.importorskip("quart", reason="the extra `hosts` is not installed")
    app = quart.Quart("quarts")
    steps: list[str] = []

    @app.before_serving
    async def up() -> None:
        steps.append("up")

    @app.after_serving
    async def down() -> None:
        steps.append("down")

    @app.route("/greet", methods=["GET", "POST"])
    async def greet() -> Any:
        form = await quart.request.form
        return {"name": form.get("name", "nobody"), "here": quart.url_for("greet")}

    @app.route("/stream")
    async def stream() -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d\n" % number

        return pieces(), 200, {"X-Kind": "stream"}

    @app.websocket("/echo")
    async def echo() -> None:
        try:
            while True:
                await quart.websocket.send(await quart.websocket.receive())
        finally:
            steps.append("left")

    site = serve([("/", Home), asgi.Mount("/pint", app)])
    assert json.loads((await fetch(site, "/pint/greet")).body) == {"name": "nobody", "here": "/pint/greet"}
    assert json.loads((await fetch(site, "/pint/greet", method="POST", body="name=ada")).body)["name"] == "ada"
    streamed = await fetch(site, "/pint/stream")
    assert (streamed.headers["X-Kind"], streamed.body) == ("stream", b"0\n1\n2\n")
    connection = await websocket_connect(f"ws://127.0.0.1:{site.port}/pint/echo")
    await connection.write_message(b"\0hello", binary=True)
    assert await connection.read_message() == b"\0hello"
    connection.close()
    assert await connection.read_message() is None
    await site.until(lambda: "left" in steps)
    assert (await fetch(site, "/")).body == b"home"
    assert await site.server.drain(5)
    assert steps == ["up", "left", "down"]


async def test_django_channels(serve: Serve, django_admin: Any) -> None:
    """A chat over the in-memory layer: groups, and Django's own pages beside it."""
    pytest.importorskip("channels", reason="the extra `hosts` is not installed")
    from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.urls import path

    left: list[int] = []

    class Room(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # it has no types
        async def connect(self) -> None:
            self.room = self.scope["url_route"]["kwargs"]["name"]
            await self.channel_layer.group_add(self.room, self.channel_name)
            await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

        async def receive_json(self, content: Any, **kwargs: Any) -> None:
            await self.channel_layer.group_send(self.room, {"type": "said", "content": content})

        async def said(self, event: Any) -> None:
            await self.send_json({"room": self.room, "said": event["content"]})

        async def disconnect(self, code: int) -> None:
            await self.channel_layer.group_discard(self.room, self.channel_name)
            left.append(code)

    class Threaded(WebsocketConsumer):  # type: ignore[misc]  # as above
        def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            self.send(text_data=f"heard {text_data}")
            self.close(code=4002)

    rooms = URLRouter([path("rooms/<name>", Room.as_asgi()), path("threaded", Threaded.as_asgi())])
    app = ProtocolTypeRouter({"http": django_admin, "websocket": rooms})
    site = serve([("/", Home), asgi.Mount("/admin-site", app, lifespan="off")])
    base = f"ws://127.0.0.1:{site.port}/admin-site"
    one, two, other = [
        await websocket_connect(f"{base}/rooms/{name}", subprotocols=["chat"] if name == "green" else None)
        for name in ("green", "green", "blue")
    ]
    assert one.selected_subprotocol == "chat"
    await one.write_message(json.dumps("hello"))
    for member in (one, two):
        assert json.loads(await member.read_message()) == {"room": "green", "said": "hello"}
    await other.write_message(json.dumps("alone"))
    assert json.loads(await other.read_message()) == {"room": "blue", "said": "alone"}
    for member in (one, two, other):
        member.close(3001)
        assert await member.read_message() is None
    await site.until(lambda: left == [3001] * 3)
    threaded = await websocket_connect(f"{base}/threaded")
    await threaded.write_message("x")
    assert await threaded.read_message() == "heard x"
    assert await threaded.read_message() is None
    assert threaded.close_code == 4002
    assert (await fetch(site, "/admin-site/", follow_redirects=False)).code == 302


async def test_an_mcp_server_and_its_client(serve: Serve) -> None:
    """Its sessions need the lifespan of the mounted application, which Starlette would not run."""
    fastmcp = pytest.importorskip("fastmcp", reason="the extra `hosts` is not installed")
    server = fastmcp.FastMCP("sums")

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.resource("data://greeting")
    def greeting() -> str:
        return "hello"

    site = serve([("/", Home), asgi.Mount("/mcp-server", server.http_app(path="/mcp"), lifespan="on")])
    async with fastmcp.Client(f"http://127.0.0.1:{site.port}/mcp-server/mcp") as client:
        assert [tool.name for tool in await client.list_tools()] == ["add"]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3
        assert (await client.read_resource("data://greeting"))[0].text == "hello"
    assert (await fetch(site, "/")).body == b"home"
    assert await site.server.drain(5)
