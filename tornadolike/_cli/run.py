"""``tornadolike run TARGET``: a Tornado program, unchanged, or an application, with ``tornado`` served by tornadolike."""

import argparse
import atexit
import errno
import importlib.metadata
import os
import platform
import re
import socket
import stat
import sys
from typing import Any

import tornadolike
from tornadolike import _alias
from tornadolike._cli import collector, draining, parsing, program
from tornadolike._http1 import select
from tornadolike._loop import factory
from tornadolike._net import listening

USAGE_ERROR = parsing.USAGE_ERROR
DRAIN_SECONDS = 30.0

_DESCRIPTION = """\
Run a script, a module with -m, or an application that stands in a module,
with `import tornado` served by tornadolike. A script or module runs as Python
itself would run it: what follows its name are its arguments, and it listens
by itself. Of package.module:attribute, which is an Application, a function
that makes one, or with --asgi an ASGI application, we are the server."""

_EPILOG = """\
examples:
  tornadolike run app.py --port=9000      --port is the program's
  tornadolike run --loop uvloop -m package.server
  tornadolike run shop.main:make_app --port 8000 --workers 4 --access-log json
  tornadolike run app.py --workers 4 -- --port=9000
                                          ours before --, the program's behind

exit status:
  the program's own; 0 after SIGTERM, when all that was in flight is answered;
  1 for an exception; 2 for a wrong command line, or what cannot be found,
  read or listened on; 3 when workers cannot start; -15 (143 in a shell) after
  a second SIGTERM; -2 (130) after Ctrl-C."""

# What only makes sense where we are the server.
_SERVER_ONLY = (
    *("asgi", "host", "port", "uds", "fd", "ssl_certfile", "ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs"),
    *("proxy_headers", "trusted_proxies", "limit_connections", "max_body_size", "request_timeout"),
)


# Options of Uvicorn, Hypercorn and Gunicorn that are called otherwise here, and would be sought in vain.
_ELSEWHERE = {
    **dict.fromkeys(("-b", "--bind"), "--host and --port, or --uds"),
    **dict.fromkeys(("-w",), "--workers"),
    **dict.fromkeys(("-k", "--worker-class"), "--loop"),
    **dict.fromkeys(("--certfile",), "--ssl-certfile"),
    **dict.fromkeys(("--keyfile",), "--ssl-keyfile"),
    **dict.fromkeys(("--keyfile-password",), "--ssl-keyfile-password"),
    **dict.fromkeys(("--ca-certs",), "--ssl-ca-certs"),
    **dict.fromkeys(("--forwarded-allow-ips",), "--proxy-headers and --trusted-proxies"),
    **dict.fromkeys(("--graceful-timeout", "--timeout-graceful-shutdown"), "--drain"),
    **dict.fromkeys(("--timeout", "-t"), "--request-timeout"),
    **dict.fromkeys(("--limit-concurrency", "--worker-connections"), "--limit-connections"),
    **dict.fromkeys(("--access-logfile",), "--access-log common or json, on standard output"),
    **dict.fromkeys(("--no-access-log",), "--access-log off"),
    **dict.fromkeys(("-p", "--pid"), "--pid-file"),
    **dict.fromkeys(("-c", "--config"), "options only"),
    **dict.fromkeys(("--factory",), "nothing: what makes an application is called"),
    **dict.fromkeys(("--app-dir", "--chdir"), "the current directory, or PYTHONPATH"),
}


def register(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "run",
        help="run a Tornado program or application on tornadolike",
        description=_DESCRIPTION,
        usage="tornadolike run [OPTIONS] (SCRIPT | -m MODULE) [ARGS ...]\n"
        "       tornadolike run [OPTIONS] PACKAGE.MODULE:ATTRIBUTE [OPTIONS]",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "target", metavar="TARGET", nargs="?", help="a script (a directory or zip file with a __main__.py), or module:attribute"
    )
    parser.add_argument("-m", dest="module", metavar="MODULE", help="a module, as in python -m")
    parser.add_argument("--asgi", action="store_true", default=None, help="the attribute is an ASGI application")
    for add in (_add_engines, _add_addresses, _add_limits, _add_processes, _add_ending, _add_logs):
        add(parser)
    parser.elsewhere = _ELSEWHERE
    parser.set_defaults(execute=execute, parser=parser)


def _add_engines(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it runs on")
    group.add_argument("--loop", metavar="NAME", help="event loop: asyncio (default), uvloop, ... (environment: TORNADOLIKE_LOOP)")
    group.add_argument("--http", metavar="ENGINE", help="HTTP/1.1 parser: auto (default), h11, httptools (environment: TORNADOLIKE_HTTP)")
    group.add_argument("--env-file", metavar="FILE", help="NAME=VALUE lines for the environment; what is set already stays")


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where to listen (module:attribute only)")
    group.add_argument("--host", metavar="NAME", help="address or name (default 127.0.0.1; 0.0.0.0 or :: for all)")
    group.add_argument("--port", metavar="N", type=parsing.whole(0, 65535), help="default 8888; 0 takes a free one and says which")
    group.add_argument("--uds", metavar="PATH", help="a Unix socket instead")
    group.add_argument("--fd", metavar="N", type=parsing.whole(0), help="a listening socket that was inherited instead (3 under systemd)")
    group.add_argument("--ssl-certfile", metavar="FILE", help="speak TLS with this certificate chain (PEM)")
    group.add_argument("--ssl-keyfile", metavar="FILE", help="its key, where that is in another file")
    group.add_argument("--ssl-keyfile-password", metavar="TEXT", help="what an encrypted key is opened with (@FILE: what stands there)")
    group.add_argument("--ssl-ca-certs", metavar="FILE", help="ask clients for certificates of these authorities")
    group.add_argument(
        "--proxy-headers", action="store_true", default=None, help="believe X-Forwarded-For, X-Real-Ip, X-Forwarded-Proto (xheaders)"
    )
    group.add_argument("--trusted-proxies", metavar="IP[,IP]", help="skip these in X-Forwarded-For (trusted_downstream)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits (module:attribute only)")
    group.add_argument("--limit-connections", metavar="N", type=parsing.whole(1), help="connections at once, in each process")
    group.add_argument(
        "--max-body-size", metavar="BYTES", type=parsing.size, help="largest request body, such as 512k or 10M (default 100M)"
    )
    group.add_argument(
        "--request-timeout", metavar="SECONDS", type=parsing.seconds(above=True), help="cancel a handler after so long, answer 503"
    )


def _add_processes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("processes")
    group.add_argument(
        "--workers",
        metavar="N",
        type=parsing.whole(0),
        help="processes that share the ports (0: one per core); SIGHUP replaces them one by one",
    )
    group.add_argument("--pid-file", metavar="FILE", help="write the process id there; removed at the end")
    group.add_argument(
        "--gc",
        choices=collector.CHOICES,
        default=collector.CHOICES[0],
        help="how often Python looks for cyclic garbage: as suits a server (default), or as it does by itself",
    )
    group.add_argument("--reload", action="store_true", default=None, help="restart when a source changes (development)")
    group.add_argument(
        "--reload-dir",
        metavar="DIR",
        action="append",
        help="watch this directory (default: the current one, and where the program lies); may be repeated",
    )


def _add_ending(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ending, health")
    group.add_argument(
        "--drain",
        "--drain-timeout",
        dest="drain",
        metavar="SECONDS",
        type=parsing.seconds(),
        default=DRAIN_SECONDS,
        help="at SIGTERM or Ctrl-C, time for the requests in flight (default 30; 0: end at once); a second one ends at once",
    )
    group.add_argument(
        "--drain-delay",
        metavar="SECONDS",
        type=parsing.seconds(),
        default=0.0,
        help="before that, go on for so long while --ready says 503 (default 0)",
    )
    group.add_argument("--health", metavar="PATH", type=parsing.path, help="answer GET PATH with 200 as long as the process works")
    group.add_argument("--ready", metavar="PATH", type=parsing.path, help="answer GET PATH with 200, and with 503 as soon as it is to end")


def _add_logs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("logs")
    group.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="log to stderr from this level on")
    group.add_argument("--log-config", metavar="FILE", help="configure logging by a file for logging.config: .ini, .json, .toml, .yaml")
    group.add_argument(
        "--access-log", choices=["off", "common", "json"], help="a line for each request on stdout, in this form, instead of the logger's"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Choose loop and engine, say so in one line on stderr, run the program. What the program raises passes through.

    Everything is also put into the environment, so that the program's child processes run on the same.
    """
    program.print_no_interrupts()
    try:
        if arguments.env_file:
            load_environment(arguments.env_file)
        loop, engine = _choose(arguments.loop, arguments.http)
        _check(arguments)
    except (factory.UnknownLoop, select.UnknownEngine, LookupError, ValueError) as error:
        print(f"tornadolike run: {error.args[0]}", file=sys.stderr)  # noqa: T201 - a command's own message
        return USAGE_ERROR
    os.environ[_alias.ENVIRONMENT_VARIABLE] = "1"
    _alias.install()
    worker = os.environ.get("TORNADOLIKE_WORKER")
    if worker is None:
        print(_banner(loop, engine, arguments), file=sys.stderr, flush=True)  # noqa: T201 - a command's own message
        factory.announce(loop, _correct_banner)
        if arguments.pid_file:
            _write_pid_file(arguments.pid_file)
        if arguments.workers is not None or arguments.reload:
            from tornadolike._cli import supervisor

            return supervisor.supervise(arguments)
    _run_here(arguments, worker)
    return 0


def _run_here(arguments: argparse.Namespace, worker: str | None) -> None:
    if worker is not None:
        from tornadolike._cli import worker as worker_side

        worker_side.attach(worker, arguments.drain)
    if arguments.log_config or arguments.log_level or arguments.access_log or arguments.attribute:
        from tornadolike._cli import logs

        logs.configure(arguments.log_config, arguments.log_level or ("info" if arguments.attribute else None), arguments.access_log)
    if arguments.health or arguments.ready:
        from tornadolike._cli import probes

        probes.install(arguments.health, arguments.ready)
    collector.install(arguments.gc)
    if factory.is_to_be_woken():
        from tornadolike._cli import waking

        waking.wake_at_signals(factory.sleeping)
    draining.drain_on_signals(arguments.drain, arguments.drain_delay)
    if arguments.attribute:
        from tornadolike._cli import serving

        program.print_tracebacks_as_python_does()
        serving.serve(arguments)
        return
    program.print_tracebacks_as_python_does()
    try:
        if arguments.module is not None:
            program.run_module(arguments.module, arguments.program_arguments)
        else:
            program.run_path(arguments.target, arguments.program_arguments)
    except OSError as error:
        place = listening.place_of(error)
        if place is None or not program.prints_tracebacks():
            raise
        draining.say(f"cannot listen on {place}: {error.strerror}")
        sys.exit(USAGE_ERROR)


def _choose(loop: str | None, engine: str | None) -> tuple[str, str]:
    """The names of the loop and the engine that will be used; raises where one of them cannot be had."""
    if loop is not None:
        os.environ[factory.ENVIRONMENT_VARIABLE] = loop
    if engine is not None:
        os.environ["TORNADOLIKE_HTTP"] = engine
    select.set_default(None)  # the environment has the last word, also where somebody has looked before
    loop = os.environ.get(factory.ENVIRONMENT_VARIABLE) or factory.BUILT_IN
    factory.set_default(loop)
    return loop, select.resolve()


def _check(arguments: argparse.Namespace) -> None:
    """Raise `LookupError` for what does not exist or does not go together."""
    path, module = arguments.target, arguments.module
    if path is None and module is None:
        raise LookupError("what is to be run? a script, -m MODULE, or package.module:attribute (--help says more)")
    if path is not None and module is not None:
        raise LookupError(f"either -m {module} or {path}, not both")
    if module is not None and not module.strip("."):
        raise LookupError(f"not a module name: {module!r}")
    if path is not None and not os.path.exists(path):
        _check_for_a_file_in_place_of_a_module(path)
    arguments.attribute = path is not None and not os.path.exists(path) and parsing.is_attribute(path)
    if path is not None and not arguments.attribute and not os.path.exists(path):
        raise LookupError(f"can't open file {path!r}: no such file or directory{_meant_by(path)}")
    if not arguments.attribute:
        for name in _SERVER_ONLY:
            if getattr(arguments, name) is not None:
                raise LookupError(
                    f"{_option(name)} is for package.module:attribute; {path or module} listens by itself, "
                    "and takes arguments behind its name"
                )
    _check_together(arguments)


def _check_together(arguments: argparse.Namespace) -> None:
    given = [f"--{name}" for name in ("port", "uds", "fd") if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise LookupError(f"{given[0]} and {given[1]} exclude each other")
    for name in ("ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs"):
        if getattr(arguments, name) and not arguments.ssl_certfile:
            raise LookupError(f"{_option(name)} needs --ssl-certfile")
    if arguments.trusted_proxies and not arguments.proxy_headers:
        raise LookupError("--trusted-proxies needs --proxy-headers")
    if arguments.drain_delay and not arguments.drain:
        raise LookupError("--drain-delay needs a --drain above 0")
    _check_files(arguments)
    if arguments.host is not None:
        arguments.host = _host(arguments.host)
    if arguments.fd is not None:
        _check_descriptor(arguments.fd)
    if arguments.uds is not None and "TORNADOLIKE_WORKER" not in os.environ:
        _check_free(arguments.uds)
    if arguments.ssl_certfile:
        from tornadolike._cli import tls

        tls.context(arguments)  # here, once, and not in each worker


def _host(text: str) -> str:
    """The host, without the brackets that an IPv6 address has in URLs."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "/" in bare or re.fullmatch(r"[^:]*:[0-9]*|\[.*\]:[0-9]*", bare):
        raise LookupError(f"--host: {text!r} is not an address or a name alone (--port takes the port, --ssl-certfile makes it https)")
    return bare


def _check_descriptor(number: int) -> None:
    try:
        mode = os.fstat(number).st_mode
    except OSError as error:
        raise LookupError(f"--fd: cannot listen on descriptor {number}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise LookupError(f"--fd: cannot listen on descriptor {number}: it is no socket")


def _check_free(path: str) -> None:
    """Take no Unix socket away from a process that listens there; a file that nobody listens to any more is replaced."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            pass  # its queue is full
        except OSError:
            return
    raise LookupError(f"cannot listen on {path}: {os.strerror(errno.EADDRINUSE)}")


def _check_for_a_file_in_place_of_a_module(target: str) -> None:
    """``app.py:make_app`` names a file where a module is to be named."""
    found = re.fullmatch(r"(.+)\.py:(.+)", target)
    if found is None or not os.path.isfile(f"{found[1]}.py"):
        return
    meant = f"{os.path.normpath(found[1]).replace(os.sep, '.')}:{found[2]}"
    if parsing.is_attribute(meant):
        raise LookupError(f"{target} names a file, not a module (did you mean {meant}?)")


def _check_files(arguments: argparse.Namespace) -> None:
    for directory in arguments.reload_dir or ():
        if not os.path.isdir(directory):
            raise LookupError(f"--reload-dir: no such directory: {directory}{_near(directory)}")
    for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs", "log_config"):
        file = getattr(arguments, name)
        if file:
            _check_readable(_option(name), file)


def _check_readable(option: str, file: str) -> None:
    if not os.path.exists(file):
        raise LookupError(f"{option}: no such file: {file}{_near(file)}")
    if os.path.isdir(file):
        raise LookupError(f"{option}: a directory, not a file: {file}")
    if not os.access(file, os.R_OK):
        raise LookupError(f"{option}: no permission to read {file}")


def _option(name: str) -> str:
    """How the option is written whose value has this name."""
    return f"--{name.replace('_', '-')}"


def _meant_by(path: str) -> str:
    """What a script's path that is none may have been meant to be."""
    module = path.rstrip(":")
    place = module.replace(".", os.sep)
    if re.fullmatch(r"\w+(\.\w+)*", module) and (os.path.isfile(f"{place}.py") or os.path.isdir(place)):
        return f" (-m {module} runs it as a module; {module}:NAME serves an application in it)"
    return _near(path)


def _near(path: str) -> str:
    directory, name = os.path.split(path)
    try:
        return parsing.nearest(name, os.listdir(directory or "."))
    except OSError:
        return ""


def load_environment(path: str) -> None:
    """Put the lines of a file into the environment, in the format of python-dotenv where that is installed.

    Without it: ``NAME=VALUE``, ``export NAME=VALUE``, quotes around the whole value, ``#`` at a line's beginning. Raises `LookupError`
    for a file that does not exist, `ValueError` for a line that is none of these.
    """
    _check_readable("--env-file", path)
    try:
        values = _values_in(path)
    except UnicodeDecodeError:
        raise ValueError(f"--env-file: {path} is not UTF-8") from None
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _values_in(path: str) -> dict[str, str]:
    try:
        import dotenv
        from dotenv.parser import parse_stream
    except ImportError:
        return _read_environment(path)
    with open(path, encoding="utf-8") as file:
        for statement in parse_stream(file):
            if statement.error:  # which it would only log
                raise ValueError(f"--env-file: {path}, line {statement.original.line}: not NAME=VALUE")
    return {name: value for name, value in dotenv.dotenv_values(path).items() if value is not None}


def _read_environment(path: str) -> dict[str, str]:
    values = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.strip().removeprefix("export ").strip()
            if not text or text.startswith("#"):
                continue
            name, separator, value = text.partition("=")
            if not separator or not name.strip().isidentifier():
                raise ValueError(f"--env-file: {path}, line {number}: not NAME=VALUE")
            value = value.strip()
            if value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1:
                value = value[1:-1]
            values[name.strip()] = value
    return values


def _banner(loop: str, engine: str, arguments: argparse.Namespace) -> str:
    line = (
        f"tornadolike {tornadolike.__version__} (API of Tornado {tornadolike.version}) on Python {platform.python_version()}: "
        f"loop {_with_version(loop)}, HTTP engine {_with_version(engine)}"
    )
    only_of_a_server = {_option(name) for name in _SERVER_ONLY}  # a program that listens by itself has a --port of its own, as a rule
    words = {word.partition("=")[0] for word in arguments.program_arguments} & set(arguments.parser.option_words()) - only_of_a_server
    if words and not arguments.divided:
        line += f"; {', '.join(sorted(words))} stands behind the program's name and is the program's"
    return line


def _correct_banner(loop: str) -> None:
    """The program has taken another loop, by ``uvloop.install()`` or a policy."""
    print(f"tornadolike: the program runs on its own choice of loop: {_with_version(loop)}", file=sys.stderr, flush=True)  # noqa: T201


def _with_version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:  # asyncio, or a loop that was put on the path by hand
        return name


def _write_pid_file(path: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        draining.say(f"--pid-file: cannot write {path}: {error.strerror}")
        sys.exit(USAGE_ERROR)
    atexit.register(_remove_pid_file, path, os.getpid())


def _remove_pid_file(path: str, pid: int) -> None:
    try:
        if os.getpid() == pid:
            os.remove(path)
    except OSError:
        pass  # somebody else has
