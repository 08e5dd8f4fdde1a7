"""Rounds: all candidates of a scenario run at once, and each gets its turn in every round (A B C A B C ...)."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tornadolike._bench import many_connections
from tornadolike._bench.candidates import APPLICATIONS, Candidate
from tornadolike._bench.errors import BenchError, ProgramEnded
from tornadolike._bench.figures import Comparison, Result, Round
from tornadolike._bench.scenarios import Driver, Scenario, Settings
from tornadolike._bench.server_process import ServerProcess

BUILT_IN_APPLICATION = APPLICATIONS / "tornado_application.py"
_WARM_UP_SHARE = 0.3
_START_SECONDS = 0.7  # of a server, until it is asked something
_ROUNDS_OF_FRESH_PROCESSES = 3  # they are long, and memory hardly differs from one to the next

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
    """A candidate in one scenario or several: its server, a driver and a result for each scenario."""

    def __init__(self, candidate: Candidate, scenarios: Sequence[Scenario], plan: Plan) -> None:
        self.results = [Result(candidate.name) for _ in scenarios]
        self.name = candidate.name
        self._candidate, self._scenarios, self._plan = candidate, scenarios, plan
        self._server: ServerProcess | None = None
        self._drivers: list[Driver] = []
        self._fresh_process = any(one.fresh_process for one in scenarios)
        self.has_failed = self.has_ended = False

    def warm_up(self) -> None:
        """Start, and one short round that does not count. A scenario with fresh processes starts one for each round instead."""
        if not self._fresh_process:
            self._guarded(self._warm_up)

    def take_turn(self) -> None:
        """One round of each scenario; once something failed, none any more."""
        if not self.has_failed:
            self._guarded(self._measure)
        if self._fresh_process:
            self.close()

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (BenchError, OSError) as error:
            self.has_failed = True
            for result in self.results:
                result.error = self._explained(error)
            self.close()

    def _explained(self, error: Exception) -> str:
        if self._server is not None and (ended := self._server.how_it_ended()):
            self.has_ended = True
            return ended
        if isinstance(error, OSError) and self._server is not None:
            return f"{error}{self._server.output()}"
        return str(error)

    def _start(self) -> None:
        plan = self._plan
        self._server = ServerProcess(self._candidate, plan.application, plan.arguments, plan.port)
        self._server.wait_until_listening()
        self._drivers = [scenario.drive(self._server, plan.settings) for scenario in self._scenarios]

    def _warm_up(self) -> None:
        self._start()
        for driver in self._drivers:
            driver.run(self._plan.seconds * _WARM_UP_SHARE)

    def _measure(self) -> None:
        if self._server is None:
            self._start()
        assert self._server is not None
        for driver, result in zip(self._drivers, self.results, strict=True):
            before = self._server.reading()
            load = driver.run(self._plan.seconds)
            after = self._server.reading()
            used = after.cpu_seconds - before.cpu_seconds if load.cpu_seconds is None else load.cpu_seconds
            result.rounds.append(Round(load, used, after.resident_bytes))

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.close()
        self._server, self._drivers = None, []


def compare(scenario: Scenario, candidates: Sequence[Candidate], plan: Plan, progress: Progress) -> Comparison:
    """Measure one scenario."""
    return compare_together([scenario], candidates, plan, progress, scenario.title)[0]


def compare_together(
    scenarios: Sequence[Scenario], candidates: Sequence[Candidate], plan: Plan, progress: Progress, title: str
) -> list[Comparison]:
    """Measure several scenarios on the same servers, all of them in each turn of a candidate.

    What goes wrong with a candidate is that candidate's error and stops no other; what makes it impossible here, everyone's.
    """
    taking_part = _taking_part(scenarios, candidates)
    try:
        results = _measured(scenarios, taking_part, candidates, plan, lambda text: progress(f"{title}: {text}"))
    except ProgramEnded:
        raise
    except BenchError as error:
        results = [[Result(one.name, error=str(error)) for _ in scenarios] for one in taking_part]
    return [
        Comparison(scenario.name, scenario.title, scenario.unit, scenario.figure, [one[place] for one in results])
        for place, scenario in enumerate(scenarios)
    ]


def _measured(
    scenarios: Sequence[Scenario], taking_part: Sequence[Candidate], all_candidates: Sequence[Candidate], plan: Plan, progress: Progress
) -> list[list[Result]]:
    """Results by candidate and scenario."""
    rounds = min(plan.rounds, _ROUNDS_OF_FRESH_PROCESSES) if any(one.fresh_process for one in scenarios) else plan.rounds
    with contextlib.ExitStack() as stack:
        if any(one.origin for one in scenarios):
            plan = replace(plan, settings=replace(plan.settings, origin_port=_origin(all_candidates, stack)))
        if any(one.many for one in scenarios):
            many_connections.raise_file_limit(plan.settings.many)
        entrants = [_Entrant(one, scenarios, plan) for one in taking_part]
        for entrant in entrants:
            stack.callback(entrant.close)
            progress(f"starting {entrant.name}")
            entrant.warm_up()
            if entrant is entrants[0] and entrant.has_ended and plan.application != BUILT_IN_APPLICATION:
                raise ProgramEnded(f"on {entrant.name}, {entrant.results[0].error}")  # so it would on the others
        for number in range(1, rounds + 1):
            for entrant in entrants:
                if not entrant.has_failed:
                    progress(f"round {number} of {rounds}, {entrant.name}")
                    entrant.take_turn()
    return [one.results for one in entrants]


def estimate(scenario: Scenario, candidates: Sequence[Candidate], plan: Plan) -> float:
    """About how many seconds `compare` takes."""
    entrants = len(_taking_part([scenario], candidates))
    if scenario.fresh_process:
        return entrants * min(plan.rounds, _ROUNDS_OF_FRESH_PROCESSES) * (plan.seconds + _START_SECONDS)
    return entrants * (plan.seconds * (plan.rounds + _WARM_UP_SHARE) + _START_SECONDS)


def _taking_part(scenarios: Sequence[Scenario], candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those who have what these scenarios need; where the loop makes no difference, the first of each framework."""
    able = [candidate for candidate in candidates if all(_can(candidate, scenario) for scenario in scenarios)]
    if all(one.every_loop for one in scenarios):
        return able
    return list({one.framework: one for one in reversed(able)}.values())[::-1]


def _can(candidate: Candidate, scenario: Scenario) -> bool:
    has_equivalent = candidate.program is None or candidate.framework in scenario.peers
    return has_equivalent and (not candidate.only or scenario.name in candidate.only)


def _origin(candidates: Sequence[Candidate], stack: contextlib.ExitStack) -> int:
    """The server that candidates fetch from: the same for all of them."""
    ours = [one for one in candidates if one.framework == "tornadolike"] or list(candidates)
    server = stack.enter_context(ServerProcess(ours[-1], BUILT_IN_APPLICATION))
    server.wait_until_listening()
    return server.port
