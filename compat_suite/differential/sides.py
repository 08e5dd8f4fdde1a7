"""The two sides: Tornado and tornadolike, each in a process of its own that answers questions."""

import json
import selectors
import subprocess
import sys
import tempfile
from typing import IO, Any

from compat_suite import environment
from compat_suite.differential.deliberate import Deliberate, declared

_SECONDS = 60.0  # without an answer: the child hangs


class Side:
    """The child process of one side. A child that crashes or hangs gives a recording that says so, and is started anew."""

    def __init__(self, *, alias: bool, loop: str, engine: str, sabotage: str = "", path: str = "", host: str = "") -> None:
        self._command = [sys.executable, "-m", "compat_suite.differential.child", *(["--alias"] if alias else [])]
        self._command += ["--sabotage", sabotage] if sabotage else []
        self._variables = environment.child(alias=False) | {"PYTHONHASHSEED": "0", "TZ": "UTC", "LANG": "C.UTF-8"}
        self._variables["PYTHONPATH"] += f":{path}" if path else ""
        if alias:
            self._variables |= {"TORNADOLIKE_LOOP": loop, "TORNADOLIKE_HTTP": engine}
        if host:
            self._variables["COMPAT_HOST"] = host
        self._process: subprocess.Popen[str] | None = None
        self._output: IO[str] | None = None

    def ask(self, request: dict[str, Any]) -> Any:
        self.send(request)
        return self.answer()

    def send(self, request: dict[str, Any]) -> None:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._output = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - close() closes it
            self._process = subprocess.Popen(
                self._command,
                env=self._variables,
                cwd=environment.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                text=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(_SECONDS) else ""
        if line:
            return json.loads(line)
        assert self._output is not None
        self._output.seek(0)
        last = self._output.read().strip().splitlines()[-1:]
        self.close()
        text = f"the process of this side crashed or hung: {''.join(last)}"
        return {"raw": text, "normal": json.dumps(text)}

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None


class Sides:
    """Tornado and tornadolike, each in its process. A ``tornado`` that is given stays open at the end."""

    def __init__(
        self, loop: str = "asyncio", engine: str = "auto", *, sabotage: str = "", path: str = "", tornado: Side | None = None
    ) -> None:
        self._given = tornado is not None
        self.tornado = tornado or Side(alias=False, loop=loop, engine=engine)
        self.ours = Side(alias=True, loop=loop, engine=engine, sabotage=sabotage, path=path)
        self._declared = declared()

    def __enter__(self) -> "Sides":
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()
        if not self._given:
            self.tornado.close()

    def deliberate(self, name: str) -> Deliberate | None:
        return next((one for one in self._declared if one.covers(name)), None)

    def both(self, request: dict[str, Any], other: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Ask both at once; ``other`` is what tornadolike is asked where that is not the same."""
        self.tornado.send(request)
        self.ours.send(request if other is None else other)
        return self.tornado.answer(), self.ours.answer()
