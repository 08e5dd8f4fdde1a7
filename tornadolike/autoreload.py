"""Restarts the process when its source changes, for development.

Inside a program: ``Application(autoreload=True)``, ``debug=True``, or :func:`start`. The program goes on as it is while a source file
that has changed cannot be compiled. Around a program, so that even one that does not start is run again once its source is mended::

    python -m tornado.autoreload -m package.module [arguments...]
    python -m tornado.autoreload path/to/script.py [arguments...]

With ``--until-success`` before them the program is no longer watched once it has ended with status 0.

A restart replaces the process by a new one with the same command line; open sockets and files close if they are not inheritable,
as those that Python makes are. It does not go with ``fork_processes``: forked children never restart.
"""

import os
import sys

if __name__ == "__main__" and sys.path[0] == os.path.dirname(__file__):
    del sys.path[0]  # run by its path: our own locale.py or platform/ would hide those of the standard library

import functools
import importlib.util
import runpy
import subprocess
import traceback
import types
from collections.abc import Callable
from weakref import WeakSet

from tornadolike import _imported_names, ioloop, process
from tornadolike.log import gen_log

try:
    import signal
except ImportError:  # where Python is built without signals, autoreload works without the alarm that it has to clear
    signal = None  # type: ignore[assignment]  # Windows

_watched_files: set[str] = set()
_reload_hooks: list[Callable[[], None]] = []
_reload_attempted = False
_io_loops: "WeakSet[ioloop.IOLoop]" = WeakSet()
# Source files that have changed and that no program could start with.
_broken_files: set[str] = set()

_USAGE = """\
usage: python -m tornado.autoreload [--until-success] -m module [arguments...]
       python -m tornado.autoreload [--until-success] path/to/script.py [arguments...]
"""


def start(check_time: int = 500) -> None:
    """Look every ``check_time`` milliseconds, on the current IOLoop, for source files that have changed; then restart.

    The files are those of all imported modules, and those given to :func:`watch`. A second call on the same loop does nothing.
    """
    io_loop = ioloop.IOLoop.current()
    if io_loop in _io_loops:
        return
    _io_loops.add(io_loop)
    if len(_io_loops) > 1:
        gen_log.warning("tornado.autoreload started more than once in the same process")
    ioloop.PeriodicCallback(functools.partial(_reload_on_update, {}), check_time).start()


def wait() -> None:
    """Block until a watched file changes, and restart then. For the end of a script, such as one that runs tests."""
    io_loop = ioloop.IOLoop()
    io_loop.add_callback(start)
    io_loop.start()


def watch(filename: str) -> None:
    """Watch a file that is not an imported module, such as a template or a configuration file."""
    _watched_files.add(filename)


def add_reload_hook(fn: Callable[[], None]) -> None:
    """Call ``fn()`` before the process is replaced, to release what would stay: a lock file, an inheritable descriptor."""
    _reload_hooks.append(fn)


def _source_files() -> set[str]:
    files = set(_watched_files)
    for module in list(sys.modules.values()):
        # Some libraries put other things than modules there, and asking those for attributes can do anything.
        path = getattr(module, "__file__", None) if isinstance(module, types.ModuleType) else None
        if path:
            files.add(path[:-1] if path.endswith((".pyc", ".pyo")) else path)
    return files


def _reload_on_update(modify_times: dict[str, float]) -> None:
    """Compare the files with ``modify_times``, add those that are new, and restart when one has changed."""
    if _reload_attempted or process.task_id() is not None:
        return  # a restart that failed once is not tried again; forked children must not fork in their turn
    changed = {}
    for path in _source_files():
        try:
            modified = os.stat(path).st_mtime
        except (OSError, ValueError):
            continue
        if modify_times.setdefault(path, modified) != modified:
            changed[path] = modified
    sound = [path for path in changed if _compiles(path)]
    # What is broken is looked at again when it changes again. What is sound waits for that, and counts as changed until then.
    modify_times.update((path, changed[path]) for path in changed if path not in sound)
    if sound and not _broken_files:
        gen_log.info("%s modified; restarting server", sound[0])
        _reload()


def _compiles(path: str) -> bool:
    """Whether a new process could start with this file as it is now. If not it says so, once for each change."""
    _broken_files.discard(path)
    if not path.endswith(".py"):
        return True
    try:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        _broken_files.add(path)
        gen_log.error("%s modified; not restarting before it is mended: %s", path, error)
    except (OSError, RecursionError, MemoryError):
        pass  # on its way to another place, or too deep for this stack
    return path not in _broken_files


def _reload() -> None:
    """Replace the process by a new one with the same command line, after the hooks."""
    global _reload_attempted
    _reload_attempted = True
    for fn in _reload_hooks:
        fn()
    # What the interpreter was called with, not sys.argv: with it come -m, -c, -W and -X, and a wrapper such as our own main().
    command = [sys.executable, *sys.orig_argv[1:]]
    if sys.platform == "win32":  # its execv neither quotes arguments nor lets the parent's shell wait
        subprocess.Popen(command)
        os._exit(0)
    if signal is not None:
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm outlives the exec, its handler does not
    os.execv(sys.executable, command)


def _parse_arguments(arguments: list[str]) -> tuple[str | None, list[str], bool]:
    """The module after ``-m``, the remaining words, and whether to stop at success. Ends the process when they make no sense."""
    module, until_success, rest = None, False, list(arguments)
    while rest and rest[0] in ("-m", "--until-success", "-h", "--help"):
        option = rest.pop(0)
        if option in ("-h", "--help"):
            sys.stdout.write(_USAGE)
            sys.exit(0)
        if option == "--until-success":
            until_success = True
        elif rest:
            module = rest.pop(0)
    if module is None and not rest:
        sys.stderr.write("Either -m or a path must be specified\n")
        sys.exit(1)
    if module is None and rest[0].startswith("-"):
        sys.stderr.write(_USAGE)
        sys.exit(2)
    return module, rest, until_success


def _watch_traceback(error: Exception) -> None:
    """Watch the files that an error came from: a module that cannot be imported is in no list of modules."""
    for frame in traceback.extract_tb(error.__traceback__):
        watch(frame.filename)
    if isinstance(error, SyntaxError) and error.filename is not None:
        watch(error.filename)


def _watch_module(name: str) -> None:
    """Watch a module that was run as ``__main__``, and has gone from the list of modules since."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, SyntaxError, ValueError):
        return
    if spec is not None and spec.origin is not None and spec.has_location:
        watch(spec.origin)


def _run(module: str | None, rest: list[str]) -> int | str | None:
    """Run a program as ``__main__`` and log how it ended. Returns its exit status."""
    try:
        if module is None:
            sys.argv = rest
            runpy.run_path(rest[0], run_name="__main__")
        else:
            sys.argv = [sys.argv[0], *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if getattr(error, "_by_signal", False):
            raise  # the process was told to end, not only the program
        gen_log.info("Script exited with status %s", error.code)
        return error.code
    except Exception as error:
        gen_log.warning("Script exited with uncaught exception", exc_info=True)
        _watch_traceback(error)
        return 1
    gen_log.info("Script exited normally")
    return 0


def main() -> None:
    """The command line: run a program, and run it again when its source changes, even if it does not start. See the module."""
    module, rest, until_success = _parse_arguments(sys.argv[1:])
    given = sys.argv
    status = _run(module, rest)
    sys.argv = given
    if module is not None:
        _watch_module(module)
    if status or not until_success:
        wait()


if __name__ == "__main__":
    from tornadolike import autoreload  # noqa: PLW0406 - see below

    # This module twice: as __main__, and as the one whose lists others fill. There must be one set of lists.
    autoreload.main()


_imported_names.complete(globals())
