"""What Starlette on uvicorn needs for the same answers, where the scenario has an equivalent there."""

import importlib
import json
import os
import socket
from typing import Any

# By name: type checking must not depend on what happens to be installed.
uvicorn: Any = importlib.import_module("uvicorn")
Starlette: Any = importlib.import_module("starlette.applications").Starlette
Route: Any = importlib.import_module("starlette.routing").Route
responses: Any = importlib.import_module("starlette.responses")


async def hello(request: Any) -> Any:
    return responses.PlainTextResponse("Hello, world")


async def message(request: Any) -> Any:
    # Not JSONResponse: its spacing is another one, and every candidate has to give the same body.
    text = json.dumps({"message": "Hello, world", "items": [1, 2, 3], "ok": True})
    return responses.Response(text, media_type="application/json")


async def arguments(request: Any) -> Any:
    query, parts = request.query_params, request.path_params
    tags = ",".join(query.getlist("tag"))
    return responses.PlainTextResponse(f"{parts['user']} {parts['post']} {query['q']} {query.get('page', '1')} {tags}")


def main() -> None:
    routes = [
        Route("/hello", hello),
        Route("/sync", hello),
        Route("/json", message),
        Route("/users/{user}/posts/{post}", arguments),
    ]
    settings = {"loop": os.environ["TORNADOLIKE_BENCH_LOOP"], "http": os.environ["TORNADOLIKE_BENCH_ENGINE"]}
    configuration = uvicorn.Config(Starlette(routes=routes), access_log=False, log_level="warning", **settings)
    listening = socket.create_server(("127.0.0.1", 8888), backlog=1024)
    uvicorn.Server(configuration).run(sockets=[listening])


if __name__ == "__main__":
    main()
