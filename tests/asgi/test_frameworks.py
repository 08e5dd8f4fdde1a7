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
