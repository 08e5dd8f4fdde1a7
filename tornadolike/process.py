"""Processes: one server process for each CPU, and child processes whose pipes and end fit into the event loop."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from tornadolike import _imported_names, ioloop
from tornadolike._loop import parent
from tornadolike.concurrent import Future, future_set_exception_unless_cancelled, future_set_result_unless_cancelled
from tornadolike.iostream import PipeIOStream
from tornadolike.log import gen_log

CalledProcessError = subprocess.CalledProcessError
"""The exception of the standard library, as `Subprocess.wait_for_exit` raises it."""


def cpu_count() -> int:
    """The number of processors of this machine; 1, with an error in the log, where it cannot be found out."""
    count = os.cpu_count()
    if count is None:
        gen_log.error("Could not detect number of processors; assuming 1")
        return 1
    return count


_task_id: int | None = None

# Of this process's children made by fork_processes: their numbers by their process ids.
_children: dict[int, int] = {}
_terminating = False
_leaving: BaseException | None = None  # what ends the parent once its children have ended, in place of SystemExit

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_children.clear)  # its brothers are not its children, however it was forked


def _terminate_children(number: int) -> bool:
    """Send signal ``number`` to the children, and start none again from now on. Says whether there are any. For signal handlers."""
    global _terminating
    _terminating = bool(_children)
    for pid in tuple(_children):
        os.kill(pid, number)
    return _terminating


def fork_processes(num_processes: int | None, max_restarts: int | None = None) -> int:
    """Fork ``num_processes`` children, one for each processor where it is ``None`` or not positive, and watch over them.

    Returns only in the children, with the number of each: 0, 1, ... `task_id` tells it from then on. The parent stays in here. It
    starts a child that was killed, or exited with another status than 0, again under the same number; after more than ``max_restarts``
    (100) such ends in total it raises `RuntimeError`. When all children have ended with status 0 it raises `SystemExit` (0).

    On Linux the children do not outlive the parent: whatever it ended by, they get SIGTERM. Call it before there are threads and event
    loops: they do not survive a fork. Listening sockets are shared. Unix only; elsewhere it raises `Exception`.
    """
    if sys.platform == "win32":
        raise Exception("fork not available on windows")
    assert _task_id is None
    count = num_processes if num_processes and num_processes > 0 else cpu_count()
    restarts_left = 100 if max_restarts is None else max_restarts
    gen_log.info("Starting %d processes", count)
    numbers = _children
    for number in range(count):
        if _fork(number, numbers):
            return number
    while numbers:
        failed = _wait_for_one(numbers)
        if failed is None:
            continue
        if restarts_left <= 0:
            raise RuntimeError("Too many child restarts, giving up")
        restarts_left -= 1
        if _fork(failed, numbers):
            return failed
    # The children are the server; returning would let the parent run the server's code as well.
    raise SystemExit(0) if _leaving is None else _leaving


def _fork(number: int, numbers: dict[int, int]) -> bool:
    """Fork one child. Says whether this is the child, whose random numbers Python has seeded anew by now."""
    global _task_id
    end_with_parent = parent.end_with_parent()
    pid = os.fork()
    if pid:
        numbers[pid] = number
        return False
    end_with_parent()
    _task_id = number
    return True


def _wait_for_one(numbers: dict[int, int]) -> int | None:
    """Wait until some child ends. Returns its number where it has to be started again."""
    pid, status = os.wait()
    number = numbers.pop(pid, None)
    if number is None:
        return None  # not one of ours: whoever called fork_processes had children before
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        gen_log.info("child %d (pid %d) exited normally", number, pid)
        return None
    if _terminating:
        gen_log.info("child %d (pid %d) terminated", number, pid)
        return None
    if code < 0:
        gen_log.warning("child %d (pid %d) killed by signal %d, restarting", number, pid, -code)
    else:
        gen_log.warning("child %d (pid %d) exited with status %d, restarting", number, pid, code)
    return number


def task_id() -> int | None:
    """The number of this process among those of `fork_processes`; ``None`` where it is not one of them."""
    return _task_id


class _ExitDescriptor:
    """A descriptor which becomes readable when a process ends. Linux has these; elsewhere making one raises `OSError`."""

    def __init__(self, pid: int) -> None:
        self._fd = -1
        if not hasattr(os, "pidfd_open"):
            raise OSError("no process descriptors on this system")
        self._fd = os.pidfd_open(pid)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # A loop that is closed while the process runs drops its handlers without a word.
    __del__ = close


class Subprocess:
    """`subprocess.Popen` whose pipes can be streams, and which reports its end to the event loop.

    Takes the arguments of `subprocess.Popen`. Each of ``stdin``, ``stdout`` and ``stderr`` may be `Subprocess.STREAM`: then the
    attribute of that name is a `.PipeIOStream`, which the caller has to close; else it is what ``Popen`` makes of it. Further attributes:
    ``proc`` is the ``Popen``, ``pid`` the process id, ``returncode`` is ``None`` until the end was reported to an exit callback, then
    the exit status, or ``-N`` where signal N killed it.

    The end is noticed without a handler for ``SIGCHLD``: so any event loop will do, in any thread, and other users of the signal are
    not disturbed. Raises what ``Popen`` raises.
    """

    STREAM = object()
    """Given as ``stdin``, ``stdout`` or ``stderr``: make a pipe, and this object's attribute of that name its stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.io_loop = ioloop.IOLoop.current()
        self.returncode: int | None = None
        self._exit_callback: Callable[[int], None] | None = None
        self._watched = False
        streams: dict[str, PipeIOStream] = {}
        childs_ends: list[int] = []
        try:
            for name in ("stdin", "stdout", "stderr"):
                if kwargs.get(name) is Subprocess.STREAM:
                    reading, writing = os.pipe()
                    childs, ours = (reading, writing) if name == "stdin" else (writing, reading)
                    childs_ends.append(childs)
                    kwargs[name] = childs
                    streams[name] = PipeIOStream(ours)
            self.proc = subprocess.Popen(*args, **kwargs)
        except BaseException:
            for stream in streams.values():
                stream.close()
            raise
        finally:
            for fd in childs_ends:
                os.close(fd)
        self.pid = self.proc.pid
        self.stdin: Any = streams.get("stdin", self.proc.stdin)
        self.stdout: Any = streams.get("stdout", self.proc.stdout)
        self.stderr: Any = streams.get("stderr", self.proc.stderr)

    def set_exit_callback(self, callback: Callable[[int], None]) -> None:
        """Call ``callback(returncode)`` in the loop once the process has ended, soon where it has ended already.

        There is one callback: another one takes its place. Its exceptions are logged.
        """
        self._exit_callback = callback
        if self._watched and self.returncode is None:
            return
        self._watched = True
        if self.proc.poll() is not None:
            self._report()
            return
        try:
            descriptor = _ExitDescriptor(self.pid)
        except OSError:
            threading.Thread(target=self._wait_in_thread, name=f"wait for process {self.pid}", daemon=True).start()
        else:
            self.io_loop.add_handler(descriptor, self._handle_exit, ioloop.IOLoop.READ)

    def _handle_exit(self, descriptor: _ExitDescriptor, _events: int) -> None:
        self.io_loop.remove_handler(descriptor)
        descriptor.close()
        self.proc.wait()
        self._report()

    def _wait_in_thread(self) -> None:
        self.proc.wait()
        self.io_loop.add_callback(self._report)

    def _report(self) -> None:
        self.returncode = self.proc.returncode
        callback, self._exit_callback = self._exit_callback, None
        if callback is not None:
            self.io_loop.add_callback(callback, self.returncode)

    def wait_for_exit(self, raise_error: bool = True) -> "Future[int]":
        """A future for the exit status, by way of `set_exit_callback`.

        A status other than 0 makes it fail with `CalledProcessError`, unless ``raise_error`` is false.
        """
        from tornadolike.gen import _create_future  # Tornado's module does not import it

        ended: Future[int] = _create_future()

        def end(code: int) -> None:
            if code and raise_error:
                future_set_exception_unless_cancelled(ended, CalledProcessError(code, "unknown"))
            else:
                future_set_result_unless_cancelled(ended, code)

        self.set_exit_callback(end)
        return ended

    @classmethod
    def initialize(cls) -> None:
        """Nothing has to be prepared for exit callbacks: kept for programs that call it, as Tornado's signal handler wanted."""

    @classmethod
    def uninitialize(cls) -> None:
        """Nothing has to be undone: kept for programs that call it, as Tornado's signal handler wanted."""


_imported_names.complete(globals())
