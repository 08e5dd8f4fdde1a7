"""What importing a framework costs: ``import tornado.web`` in processes of their own, one after the other."""

import os
import subprocess
import sys
from dataclasses import replace

from tornadolike._bench.candidates import Candidate
from tornadolike._bench.errors import BenchError
from tornadolike._bench.figures import Load

# The start of the interpreter is the same for everybody and does not count.
_PROGRAM = "import time; begun = time.process_time(); import {module}; print(time.process_time() - begun)"
_IMPORT_SECONDS = 30.0


class ImportDriver:
    """Imports again and again; work is imports. The first one, in the warm-up, leaves the byte code that later ones load."""

    def __init__(self, candidate: Candidate) -> None:
        # -P: what lies in the current directory must not stand in front of what is installed.
        self._command = [sys.executable, "-P", "-c", _PROGRAM.format(module=f"{candidate.framework}.web")]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
        ours.pop("PYTHONDONTWRITEBYTECODE", None)
        self._variables = {**ours, **candidate.variables}

    def run(self, seconds: float) -> Load:
        """Import for this long, at least once. Raises `BenchError` where that fails."""
        used: list[float] = []

        def once() -> float:
            used.append(self._cpu_seconds())
            return 1

        return replace(Load.of_calls(once, seconds), cpu_seconds=sum(used))

    def _cpu_seconds(self) -> float:
        ended = subprocess.run(
            self._command,
            env=self._variables,
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if ended.returncode:
            raise BenchError(f"the import fails: {ended.stderr.strip()[-300:]}")
        return float(ended.stdout)
