"""``tornadolike run package.module:attribute``: we are the server of an application."""

import argparse
import asyncio
import contextlib
import importlib
import inspect
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from tornadolike import httpserver, httputil, netutil, web
from tornadolike._cli import draining, logs, parsing, program, tls, worker
from tornadolike._loop import factory
from tornadolike._net import listening
from tornadolike._web_io import lifetime

_PORT = 8888
_HOST = "127.0.0.1"


def serve(arguments: argparse.Namespace) -> None:
    """Import the application, listen, and serve until the process is told to end."""
    sys.argv = [arguments.target, *arguments.program_arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    found = _find(arguments.target)
    try:
        with asyncio.Runner(loop_factory=factory.new_event_loop) as runner:
            runner.run(_serve(found, arguments))
    except KeyboardInterrupt as error:
        if not draining.is_by_signal(error):  # else a line has been said: here nothing was served yet
            draining.say("SIGINT: the application had not started yet")
            draining.mark_as_said(error)
        raise


def _find(target: str) -> Any:
    module_name, attribute = parsing.attribute(target)
    if not program.module_exists(module_name):
        lies_in_src = os.path.exists(os.path.join("src", module_name.partition(".")[0]))
        hint = " (it lies in src: set PYTHONPATH=src, or install your package)" if lies_in_src else ""
        sys.exit(_complain(f"no module named {module_name}{hint}"))
    value: Any = importlib.import_module(module_name)
    for name in attribute.split("."):
        if not hasattr(value, name):
            names = [word for word in vars(value) if not word.startswith("_")] if hasattr(value, "__dict__") else []
            sys.exit(_complain(f"module {module_name} has no {attribute}{parsing.nearest(name, names)}"))
        value = getattr(value, name)
    return value


def _complain(text: str) -> int:
    draining.say(text)
    return parsing.USAGE_ERROR


async def _serve(found: Any, arguments: argparse.Namespace) -> None:
    application = await _application(found, arguments)
    server = _server(application, arguments)
    try:
        sockets = _sockets(arguments)
    except (OSError, ValueError) as error:
        sys.exit(_complain(f"cannot listen on {_wanted(arguments)}: {_reason(error, arguments)}"))
    _reopen_logs_on_signal()
    await _begin(application, server, arguments.asgi)
    server.add_sockets(sockets)
    if _is_to_say_where(arguments):
        scheme = "https" if arguments.ssl_certfile else "http"
        for sock in sockets:
            draining.say(f"listening on {_shown(sock, scheme)}")
    await asyncio.Event().wait()


async def _begin(application: Any, server: httpserver.HTTPServer, is_asgi: bool) -> None:
    """Have the application start, and end with the server."""
    companions = httpserver._companions.setdefault(server, set())
    if not is_asgi:
        await lifetime.begin(application, companions)
        return
    try:
        await application.startup()
    except RuntimeError:  # it has been logged
        sys.exit(1)
    companions.add(application)


def _reopen_logs_on_signal() -> None:
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        with contextlib.suppress(NotImplementedError):  # a loop without signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, logs.reopen)


def _is_to_say_where(arguments: argparse.Namespace) -> bool:
    """Whether nobody else says where we listen: a supervisor does of the sockets that it opens itself."""
    worker_text = os.environ.get("TORNADOLIKE_WORKER")
    return worker_text is None or (arguments.fd is not None and worker.number(worker_text) == 0)


async def _application(found: Any, arguments: argparse.Namespace) -> Any:
    """What the attribute is, or makes."""
    if arguments.asgi:
        return await _asgi(found, arguments.target)
    made = found
    if not _is_application(made) and callable(made) and _needs_no_arguments(made):
        made = made()
        if inspect.isawaitable(made):
            made = await made
    if _is_application(made):
        return made
    if callable(found) and _takes_three(found):
        sys.exit(_complain(f"{arguments.target} looks like an ASGI application: say --asgi"))
    if inspect.isroutine(found) and made is found:
        sys.exit(_complain(f"{arguments.target} needs arguments: name an Application, or a function that makes one without any"))
    what = "is" if made is found else "gave"
    sys.exit(_complain(f"{arguments.target} {what} {_kind(made)}, neither an Application nor a function that makes one"))


def _is_application(value: Any) -> bool:
    return isinstance(value, httputil.HTTPServerConnectionDelegate) or type(value).__name__ == "WSGIContainer"


async def _asgi(found: Any, target: str) -> Any:
    """An ASGI application, or what a function without arguments makes, in a container of ours."""
    made = found
    if callable(made) and not _is_application(made) and not _takes_three(made) and _needs_no_arguments(made):
        made = made()
        if inspect.isawaitable(made):
            made = await made
    if _is_application(made):
        sys.exit(_complain(f"{target} is no ASGI application, but an Application: leave --asgi out"))
    if not callable(made):
        what = "is" if made is found else "gave"
        sys.exit(_complain(f"{target} {what} {_kind(made)}, no ASGI application"))
    if not _takes_three(made):
        sys.exit(_complain(f"{target} is no ASGI application: it does not take scope, receive and send"))
    asgi: Any = importlib.import_module("tornadolike.asgi")
    return asgi.ASGIContainer(made)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _needs_no_arguments(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def _takes_three(function: Callable[..., Any]) -> bool:
    """Also where that cannot be found out."""
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _server(application: Any, arguments: argparse.Namespace) -> httpserver.HTTPServer:
    options: dict[str, Any] = {"xheaders": bool(arguments.proxy_headers)}
    if arguments.trusted_proxies:
        options["trusted_downstream"] = [address.strip() for address in arguments.trusted_proxies.split(",")]
    if arguments.max_body_size:
        options["max_body_size"] = arguments.max_body_size
        options["max_buffer_size"] = max(arguments.max_body_size, 100 * 2**20)
    if arguments.ssl_certfile:
        options["ssl_options"] = tls.context(arguments)  # which has been tried before
    server = httpserver.HTTPServer(application, **options)
    if arguments.limit_connections:
        server.configure_limits(max_connections=arguments.limit_connections)
    if arguments.request_timeout and isinstance(application, web.Application):
        application.settings.setdefault("request_deadline", arguments.request_timeout)
    return server


def _sockets(arguments: argparse.Namespace) -> list[socket.socket]:
    if arguments.fd is not None:
        sock = socket.socket(fileno=arguments.fd)
        sock.setblocking(False)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(listening.DEFAULT_BACKLOG)
        return [sock]
    if arguments.uds is not None:
        return [netutil.bind_unix_socket(arguments.uds)]
    port = _PORT if arguments.port is None else arguments.port
    return netutil.bind_sockets(port, arguments.host or _HOST)


def _reason(error: OSError | ValueError, arguments: argparse.Namespace) -> str:
    path = arguments.uds
    if path is not None and os.path.exists(path) and isinstance(error, ValueError):
        return "it exists, and is no socket"
    if path is not None and isinstance(error, FileNotFoundError):
        return f"there is no directory {os.path.dirname(path)}"
    return getattr(error, "strerror", None) or str(error)


def _wanted(arguments: argparse.Namespace) -> str:
    """Where we were told to listen."""
    if arguments.fd is not None:
        return f"descriptor {arguments.fd}"
    if arguments.uds is not None:
        return str(arguments.uds)
    host = arguments.host or _HOST
    return f"{f'[{host}]' if ':' in host else host}:{_PORT if arguments.port is None else arguments.port}"


def _shown(sock: socket.socket, scheme: str) -> str:
    """A listening socket as an address that can be asked."""
    address = sock.getsockname()
    if not isinstance(address, tuple):
        return f"unix:{os.fsdecode(address)}"
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{scheme}://{host}:{address[1]}"
