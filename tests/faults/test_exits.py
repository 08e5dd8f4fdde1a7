"""``sys.exit()`` and ``KeyboardInterrupt`` out of every hook and callback: the program ends with that status, and nothing is logged."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tests.faults.test_endings import real_tornado_is_there

PROGRAM = Path(__file__).with_name("exits_child.py")
# There Tornado logs "Uncaught exception" and goes on: docs/differences.md.
SWALLOWED = ("initialize", "set_default_headers", "data_received")
HOOKS = (
    *SWALLOWED,
    *("prepare", "get", "on_finish", "write_error", "async prepare", "async get", "coroutine"),
    *("open", "on_message", "on_ping", "on_close", "add_callback", "call_later", "spawn_callback", "periodic"),
)


def ended(hook: str, kind: str, *, loop: str, alias: bool = True) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORNADOLIKE_", "PYTHON"))}
    kept["PYTHONPATH"] = str(Path(tornadolike.__file__).parent.parent)
    if alias:
        kept |= {"TORNADOLIKE_AS_TORNADO": "1", "TORNADOLIKE_LOOP": loop}
    done = subprocess.run([sys.executable, str(PROGRAM), hook, kind], env=kept, capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


def without_what_tornado_says(log: str) -> list[str]:
    """Without the line of the access log, where there is an answer, and what asyncio says of its own main task behind `spawn_callback`."""
    return [
        line for line in log.splitlines() if not line.startswith(("500 ", "Task was destroyed", "task: <Task cancelling name='Task-1'"))
    ]


@pytest.fixture(scope="module")
def loop(request: Any) -> str:
    return str(request.config.getoption("--loop"))


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exit_ends_the_program_without_a_word(loop: str, hook: str) -> None:
    status, _, log = ended(hook, "exit", loop=loop)
    assert (status, without_what_tornado_says(log)) == (3, [])


@pytest.mark.parametrize("hook", HOOKS)
def test_an_interrupt_ends_it_with_one_traceback(loop: str, hook: str) -> None:
    status, _, log = ended(hook, "interrupt", loop=loop)
    assert status == -2
    assert without_what_tornado_says(log)[-1] == "KeyboardInterrupt"
    assert "never retrieved" not in log
    assert "transport" not in log.replace("transport_source.py", "")


@pytest.mark.skipif(not real_tornado_is_there(), reason="compares with real Tornado")
@pytest.mark.parametrize("hook", HOOKS)
def test_it_is_the_status_that_tornado_ends_with(loop: str, hook: str) -> None:
    if loop != "asyncio":
        pytest.skip("once is enough")
    assert ended(hook, "exit", loop=loop, alias=False)[0] == (77 if hook in SWALLOWED else 3)


def test_plain_hooks_have_a_current_task(loop: str) -> None:
    status, said, log = ended("tasks", "-", loop=loop)
    assert (status, log) == (0, "")
    assert sorted(said.splitlines()) == ["data_received True", "on_close True", "on_message True", "on_ping True", "open True"]
