"""One side of the comparison: runs scenarios by name, one request a line on stdin, one answer a line on stdout, both JSON.

``--alias`` serves ``import tornado`` from tornadolike. ``{"list": true}`` gives the names, ``{"run": NAME}`` a recording,
``{"receive": NAME, "value": ...}`` what this side makes of the other's value, ``{"draw": KIND, "value": ...}`` the recording of
something that Hypothesis drew.
"""

import argparse
import asyncio
import importlib
import json
import os
import pkgutil
import sys
from typing import Any

_SECONDS = 5.0  # that one scenario may take


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alias", action="store_true")
    parser.add_argument("--sabotage", help="module to import once everything is there, for the tests of the suite itself")
    arguments = parser.parse_args()
    if arguments.alias:
        import tornadolike._alias

        tornadolike._alias.install()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing that a scenario prints gets between the answers
    side = _Side()
    if arguments.sabotage:
        importlib.import_module(arguments.sabotage)
    for line in sys.stdin:
        answers.write(json.dumps(side.answer(json.loads(line))) + "\n")
        answers.flush()


class _Side:
    def __init__(self) -> None:
        from compat_suite.differential import drawn, hosts, recording, scenario, scenarios

        for module in pkgutil.iter_modules(scenarios.__path__):
            importlib.import_module(f"{scenarios.__name__}.{module.name}")
        self._table, self._drawn, self._normal = scenario.TABLE, drawn.KINDS, recording.normal
        self._loop: asyncio.AbstractEventLoop | None = None
        if hosts.chosen() == "daphne":
            from twisted.internet import asyncioreactor

            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
            asyncioreactor.install(self._loop)

    def _run(self, work: Any) -> Any:
        if self._loop is None:
            return asyncio.run(work)
        return self._loop.run_until_complete(work)

    def answer(self, request: dict[str, Any]) -> Any:
        if "list" in request:
            return [{"name": one.name, "exchanges": one.receive is not None} for one in self._table.values()]
        if "run" in request:
            return self._record(self._table[request["run"]].run)
        if "receive" in request:
            receive = self._table[request["receive"]].receive
            return self._normal(receive(request["value"]) if receive else None)
        return self._record(lambda: self._drawn[request["draw"]](request["value"]))

    def _record(self, run: Any) -> dict[str, Any]:
        raw = self._run(_limited(run))
        return {"raw": raw, "normal": self._normal(raw)}


async def _limited(run: Any) -> Any:
    try:
        recording = await asyncio.wait_for(run(), _SECONDS)
    except TimeoutError:
        return {"suite": f"took more than {_SECONDS:.0f} s"}
    except Exception as error:
        return {"suite": f"the scenario itself failed: {type(error).__module__}.{type(error).__qualname__}: {error}"}
    return json.loads(json.dumps(recording, default=repr))


if __name__ == "__main__":
    main()
