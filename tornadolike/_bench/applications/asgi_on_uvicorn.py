"""An ASGI application on uvicorn."""

import importlib
import os
import socket
from typing import Any

# By name: type checking must not depend on what happens to be installed.
uvicorn: Any = importlib.import_module("uvicorn")


def serve(application: Any) -> None:
    settings = {"loop": os.environ["TORNADOLIKE_BENCH_LOOP"], "http": os.environ["TORNADOLIKE_BENCH_ENGINE"]}
    configuration = uvicorn.Config(application, access_log=False, log_level="warning", lifespan="off", **settings)
    listening = socket.create_server(("127.0.0.1", 8888), backlog=1024)
    uvicorn.Server(configuration).run(sockets=[listening])


if __name__ == "__main__":
    serve(importlib.import_module("raw_asgi").application)
