"""Running a script or module in this process as Python itself would, with its tracebacks as Python would print them."""

import builtins
import importlib
import importlib.util
import os
import pkgutil
import runpy
import stat
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import Any

from tornadolike._cli import draining, parsing

_OURS = os.path.dirname(os.path.abspath(__file__))
_NOT_THE_PROGRAMS = ("<frozen runpy>", "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", "<frozen importlib>")


def run_module(name: str, arguments: list[str]) -> None:
    """Run a module as ``python -m`` does. Ends the process where there is none of that name."""
    _set_first_path(os.getcwd())
    sys.argv = [name, *arguments]
    if not module_exists(name):
        draining.say(f"no module named {name}")
        sys.exit(parsing.USAGE_ERROR)
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def module_exists(name: str) -> bool:
    """Whether a module can be found; its packages are imported for that."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        return False


def run_path(path: str, arguments: list[str]) -> None:
    """Run a file as ``python path`` does: a script, a pipe or device that gives one, a directory or archive with a ``__main__.py``."""
    sys.argv = [path, *arguments]
    if os.path.isdir(path) or _is_archive(path):
        del sys.path[: 0 if sys.flags.safe_path else 1]  # run_path puts the directory or archive itself there
        importer = pkgutil.get_importer(path)
        if importer is None or importer.find_spec("__main__") is None:
            draining.say(f"can't find '__main__' module in {path!r}")
            sys.exit(parsing.USAGE_ERROR)
        runpy.run_path(path, run_name="__main__")
        return
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    with open(path, "rb") as file:
        source = file.read()
    shown = os.path.abspath(path)
    # Not runpy.run_path: it takes its module away again at the end, while threads and exit handlers of the program still use it.
    main = ModuleType("__main__")
    loader = SourceFileLoader("__main__", shown)
    vars(main).update(__file__=shown, __loader__=loader, __builtins__=builtins)
    if sys.version_info < (3, 15):
        vars(main)["__cached__"] = None
    if sys.version_info < (3, 14):
        vars(main)["__annotations__"] = {}
    sys.modules["__main__"] = main
    exec(compile(source, shown, "exec", dont_inherit=True), vars(main))


def _is_archive(path: str) -> bool:
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False  # what is read of a pipe is gone
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _set_first_path(directory: str) -> None:
    """Python's own first entry of ``sys.path`` is where our command lies; the program expects its own directory there."""
    if not sys.flags.safe_path:
        sys.path[0] = directory


def print_no_interrupts() -> None:
    """Let Ctrl-C end the process without a traceback, as long as all there is to see in one is how we begin."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _without_interrupts


def _without_interrupts(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    if kind is not KeyboardInterrupt:
        sys.__excepthook__(kind, error, trace)


def print_tracebacks_as_python_does() -> None:
    """Leave our own frames out of the traceback of an exception that ends the program, which runs now."""
    if sys.excepthook in (sys.__excepthook__, _without_interrupts):
        sys.excepthook = _without_our_frames


def prints_tracebacks() -> bool:
    """Whether it is we who say which exception ended the program, and nobody whom it has put in our place."""
    return sys.excepthook is _without_our_frames


def _without_our_frames(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    if kind is KeyboardInterrupt and draining.is_by_signal(error):
        return  # a line has been said about it
    part = programs_part(trace)
    sys.__excepthook__(kind, error.with_traceback(part), part)


def programs_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the program's first frame to its last: before that we ran it, behind it there may be our signal handler."""
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    while frames and (_is_ours(name := frames[0].tb_frame.f_code.co_filename) or name == importlib.__file__):
        del frames[0]
    while frames and _is_ours(frames[-1].tb_frame.f_code.co_filename):
        del frames[-1]
    part = None
    for frame in reversed(frames):
        part = TracebackType(part, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return part


def _is_ours(filename: str) -> bool:
    if filename in _NOT_THE_PROGRAMS or os.path.basename(filename) == "runpy.py":
        return True
    if os.path.basename(filename) in ("tornadolike", "tornadolike.exe"):  # the command that pip installs
        return True
    return os.path.dirname(os.path.abspath(filename)) == _OURS or os.path.abspath(filename) == os.path.join(
        os.path.dirname(_OURS), "__main__.py"
    )
