"""Rounds: all candidates of a scenario run at once, and each gets its turn in every round (A B C A B C ...)."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tornadolike._bench import many_connections
from tornadolike._bench.candidates import APPLICATIONS, Candidate
from tornadolike._bench.errors import BenchError
from tornadolike._bench.figures import Comparison, Result, Round
from tornadolike._bench.scenarios import Driver, Scenario, Settings
from tornadolike._bench.server_process import ServerProcess

BUILT_IN_APPLICATION = APPLICATIONS / "tornado_application.py"
_WARM_UP_SHARE = 0.3

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, how often and for how long."""

    application: Path = BUILT_IN_APPLICATION
    arguments: Sequence[str] = ()
    port: int | None = None
    rounds: int = 5
    seconds: float = 1.0
    settings: Settings = field(default_factory=Settings)


class _Entrant:
    """A candidate in a scenario: its server, its driver, its result so far."""

    def __init__(self, candidate: Candidate, scenario: Scenario, plan: Plan) -> None:
        self.result = Result(candidate.name)
        self._candidate, self._scenario, self._plan = candidate, scenario, plan
        self._server: ServerProcess | None = None
        self._driver: Driver | None = None

    def warm_up(self) -> None:
        """Start, and one short round that does not count. A scenario with fresh processes starts one for each round instead."""
        if not self._scenario.fresh_process:
            self._guarded(lambda: self._started().run(self._plan.seconds * _WARM_UP_SHARE))

    def take_turn(self) -> None:
        """One round; once something failed, none any more."""
        if self.result.error is None:
            self._guarded(self._measure)
        if self._scenario.fresh_process:
            self.close()

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (BenchError, OSError) as error:
            self.result.error = self._explained(error)
            self.close()

    def _explained(self, error: Exception) -> str:
        if isinstance(error, OSError) and self._server is not None:
            return f"{error}{self._server.output()}"
        return str(error)

    def _started(self) -> Driver:
        plan = self._plan
        self._server = ServerProcess(self._candidate, plan.application, plan.arguments, plan.port)
        self._server.wait_until_listening()
        self._driver = self._scenario.drive(self._server, plan.settings)
        return self._driver

    def _measure(self) -> None:
        driver = self._driver or self._started()
        assert self._server is not None
        before = self._server.reading()
        load = driver.run(self._plan.seconds)
        after = self._server.reading()
        used = after.cpu_seconds - before.cpu_seconds if load.cpu_seconds is None else load.cpu_seconds
        self.result.rounds.append(Round(load, used, after.resident_bytes))

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.close()
        self._driver = self._server = None


def compare(scenario: Scenario, candidates: Sequence[Candidate], plan: Plan, progress: Progress) -> Comparison:
    """Measure one scenario. What goes wrong with a candidate is that candidate's error and stops no other."""
    taking_part = [one for one in candidates if one.program is None or one.framework in scenario.peers]
    with contextlib.ExitStack() as stack:
        if scenario.origin:
            plan = replace(plan, settings=replace(plan.settings, origin_port=_origin(candidates, stack)))
        if scenario.many:
            many_connections.raise_file_limit(plan.settings.many)
        entrants = [_Entrant(candidate, scenario, plan) for candidate in taking_part]
        for entrant in entrants:
            stack.callback(entrant.close)
            progress(f"{scenario.title}: starting {entrant.result.candidate}")
            entrant.warm_up()
        for number in range(1, plan.rounds + 1):
            for entrant in entrants:
                progress(f"{scenario.title}: round {number} of {plan.rounds}, {entrant.result.candidate}")
                entrant.take_turn()
    return Comparison(scenario.name, scenario.title, scenario.unit, scenario.figure, [one.result for one in entrants])


def _origin(candidates: Sequence[Candidate], stack: contextlib.ExitStack) -> int:
    """The server that candidates fetch from: the same for all of them."""
    ours = [one for one in candidates if one.framework == "tornadolike"] or list(candidates)
    server = stack.enter_context(ServerProcess(ours[-1], BUILT_IN_APPLICATION))
    server.wait_until_listening()
    return server.port
