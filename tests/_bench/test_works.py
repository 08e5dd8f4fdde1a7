"""The works in a process of their own."""

import json
import subprocess
import sys
from pathlib import Path

from tornadolike._bench.works import __main__ as program
from tornadolike._bench.works.registry import WORKS

CHILD = """\
import json, runpy, sys
sys.argv = [sys.argv[1], "json", "asyncio"]
runpy.run_path(sys.argv[0], run_name="__main__")
print(json.dumps([name for name in sys.modules if name.startswith("tornado")]))
"""


def test_every_file_is_loaded_once() -> None:
    assert program.load() is WORKS
    files = {path.stem for path in Path(program.__file__).parent.glob("*.py")}
    assert files == {"__init__", "__main__", *program._FILES}
    assert {module for module, _ in WORKS.values()} >= {"escape", "web", "websocket", "testing"}


def test_nothing_else_of_ours_is_where_tornado_is_measured() -> None:
    command = [sys.executable, "-P", "-c", CHILD, program.__file__]
    ended = subprocess.run(command, input="", capture_output=True, text=True, check=True, timeout=60)
    names, modules = map(json.loads, ended.stdout.splitlines())
    assert names == list(WORKS)
    assert {name.removeprefix("tornadolike._bench.works.") for name in modules} == set(program._FILES)
