"""Runs a program so that it can be measured: ``python launch.py PROGRAM ARGS ...`` (a script, never imported).

Every TCP socket that the program binds is put on a free port of the loopback interface, whatever the program asks for, so that
several candidates run side by side and nothing is reachable from outside. One line for each listening socket goes to the
measuring process: what was asked for, family and port as they are.
"""

import sys

if __name__ == "__main__":
    # Before any other import: this directory's modules must not stand in front of anyone else's.
    del sys.path[0]

import asyncio
import importlib
import os
import resource
import runpy
import socket
import threading
import warnings
from typing import Any

_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

_bind, _listen = socket.socket.bind, socket.socket.listen
_asked_for: dict[int, int] = {}
_report_fd = -1


def bind(self: socket.socket, address: Any) -> None:
    """In the place of ``socket.bind``."""
    host = _LOOPBACK.get(self.family)
    if host is None or self.type != socket.SOCK_STREAM:
        _bind(self, address)
        return
    _bind(self, (host, 0))
    _asked_for[self.getsockname()[1]] = address[1]


def listen(self: socket.socket, *backlog: int) -> None:
    """In the place of ``socket.listen``: tells where the program can be reached."""
    _listen(self, *backlog)
    if self.family in _LOOPBACK:
        port = self.getsockname()[1]
        family = 4 if self.family == socket.AF_INET else 6
        os.write(_report_fd, f"{_asked_for.get(port, 0)} {family} {port}\n".encode())


def use_loop(name: str) -> None:
    """For programs that know nothing of tornadolike: the loop comes in through asyncio's policy."""
    if name != "asyncio":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.14 has no other door for unmodified programs
            asyncio.set_event_loop_policy(importlib.import_module(name).EventLoopPolicy())


def answer_readings(questions: int, answers: int) -> None:
    """Where there is no /proc, the process itself tells what it used: CPU seconds and resident bytes, for each byte asked."""
    unit = 1 if sys.platform == "darwin" else 1024
    while os.read(questions, 1):
        used = resource.getrusage(resource.RUSAGE_SELF)
        os.write(answers, f"{used.ru_utime + used.ru_stime} {used.ru_maxrss * unit}\n".encode())


def main() -> None:
    global _report_fd
    _report_fd = int(os.environ.pop("TORNADOLIKE_BENCH_REPORT"))
    readings = os.environ.pop("TORNADOLIKE_BENCH_READINGS", "")
    if readings:
        questions, answers = map(int, readings.split(","))
        threading.Thread(target=answer_readings, args=(questions, answers), daemon=True).start()
    hidden = os.environ.pop("TORNADOLIKE_BENCH_WITHOUT", "")
    if hidden:
        sys.modules[hidden] = None  # type: ignore[assignment]  # whoever imports it finds it missing
    use_loop(os.environ.get("TORNADOLIKE_BENCH_LOOP", "asyncio"))
    socket.socket.bind = bind  # type: ignore[method-assign,assignment]  # replacing them is the point
    socket.socket.listen = listen  # type: ignore[method-assign,assignment]  # likewise
    sys.argv = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.realpath(sys.argv[0])))
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except Exception as error:
        show(error)
        sys.exit(1)


def show(error: Exception) -> None:
    """As the program itself would have ended: its own lines only, none of what started it."""
    import traceback  # not above: what is measured should not hold what it does not use

    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_code.co_filename in (__file__, runpy.__file__, "<frozen runpy>"):
        shown = shown.tb_next
    traceback.print_exception(error.with_traceback(shown))


if __name__ == "__main__":
    main()
