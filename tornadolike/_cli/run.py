"""``tornadolike run TARGET``: a Tornado program, unchanged, with ``tornado`` served by tornadolike."""

import argparse
import builtins
import importlib.metadata
import importlib.util
import os
import platform
import runpy
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType

import tornadolike
from tornadolike import _alias
from tornadolike._cli import draining
from tornadolike._http1 import select
from tornadolike._loop import factory

USAGE_ERROR = 2
DRAIN_SECONDS = 30.0


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "run",
        help="run a Tornado program on tornadolike",
        description="Run a script, or a module with -m, as Python itself would, with `import tornado` served by tornadolike.",
        usage="tornadolike run (TARGET | -m MODULE) [--loop NAME] [--http ENGINE] [--drain SECONDS] [-- ARGS ...]",
        epilog="What stands behind -- is what the program finds in sys.argv[1:].",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("target", metavar="TARGET", nargs="?", help="path of a script, or of a directory or zip file with a __main__.py")
    what.add_argument("-m", dest="module", metavar="MODULE", help="a module, as in python -m")
    parser.add_argument("--loop", metavar="NAME", help="event loop: asyncio (default), uvloop, ... (environment: TORNADOLIKE_LOOP)")
    parser.add_argument("--http", metavar="ENGINE", help="HTTP/1.1 parser: auto (default), h11, httptools (environment: TORNADOLIKE_HTTP)")
    parser.add_argument(
        "--drain",
        metavar="SECONDS",
        type=float,
        default=DRAIN_SECONDS,
        help="at SIGTERM, time for the requests in flight (default: 30; 0: end at once); a second SIGTERM ends at once",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Choose loop and engine, say so in one line on stderr, run the program. What the program raises passes through.

    Everything is also put into the environment, so that the program's child processes run on the same.
    """
    try:
        loop, engine = _choose(arguments.loop, arguments.http)
        _check_target(arguments.target, arguments.module)
    except (factory.UnknownLoop, select.UnknownEngine, LookupError) as error:
        print(f"tornadolike run: {error}", file=sys.stderr)  # noqa: T201 - a command's own message
        return USAGE_ERROR
    os.environ[_alias.ENVIRONMENT_VARIABLE] = "1"
    _alias.install()
    print(_banner(loop, engine), file=sys.stderr, flush=True)  # noqa: T201 - a command's own message
    if arguments.drain > 0:
        draining.drain_on_sigterm(arguments.drain)
    if arguments.module is not None:
        _run_module(arguments.module, arguments.program_arguments)
    else:
        _run_path(arguments.target, arguments.program_arguments)
    return 0


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


def _check_target(path: str | None, module: str | None) -> None:
    if path is not None and not os.path.exists(path):
        raise LookupError(f"can't open file {path!r}: no such file or directory")
    if module is not None and not module.strip("."):
        raise LookupError(f"not a module name: {module!r}")


def _banner(loop: str, engine: str) -> str:
    return (
        f"tornadolike {tornadolike.__version__} (API of Tornado {tornadolike.version}) on Python {platform.python_version()}: "
        f"loop {_with_version(loop)}, HTTP engine {_with_version(engine)}"
    )


def _with_version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:  # asyncio, or a loop that was put on the path by hand
        return name


def _run_module(name: str, arguments: list[str]) -> None:
    _set_first_path(os.getcwd())
    sys.argv = [name, *arguments]
    if importlib.util.find_spec(name) is None:
        sys.exit(f"tornadolike run: no module named {name}")
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_path(path: str, arguments: list[str]) -> None:
    sys.argv = [path, *arguments]
    if not os.path.isfile(path) or _is_archive(path):
        del sys.path[: 0 if sys.flags.safe_path else 1]  # run_path puts the directory or archive itself there
        runpy.run_path(path, run_name="__main__")
        return
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    path = os.path.abspath(path)
    # Not runpy.run_path: it takes its module away again at the end, while threads and exit handlers of the program still use it.
    main = ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    vars(main).update(__file__=path, __loader__=loader, __builtins__=builtins, __cached__=None, __annotations__={})
    sys.modules["__main__"] = main
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, vars(main))


def _is_archive(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _set_first_path(directory: str) -> None:
    """Python's own first entry of ``sys.path`` is where our command lies; the program expects its own directory there."""
    if not sys.flags.safe_path:
        sys.path[0] = directory
