"""Loops that sleep through signals are woken."""

import subprocess
import sys

import pytest

SECONDS = 20

_PROGRAM = """
import os, signal, sys, threading
from tornadolike._cli import waking

class Loop:
    woken = threading.Event()
    closed = False
    def call_soon_threadsafe(self, callback):
        if self.closed:
            raise RuntimeError("Event loop is closed")
        callback()
        self.woken.set()

loop, gone = Loop(), Loop()
gone.closed, gone.woken = True, threading.Event()
loops = [gone]
waking.wake_at_signals(loops)
loops.append(loop)
signal.signal(signal.SIGUSR1, lambda *_: None)
in_child = "fork" in sys.argv
if in_child and (child := os.fork()):
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.kill(os.getpid(), signal.SIGUSR1)
print(loop.woken.wait(%d), gone.woken.is_set(), flush=True)
"""


@pytest.mark.parametrize("arguments", [[], ["fork"]])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1")
def test_a_loop_takes_a_step_at_a_signal(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM % SECONDS, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True False\n", "", 0)
