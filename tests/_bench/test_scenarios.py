"""Every built-in scenario, once and shortly, on the real thing: what it expects is what both frameworks answer."""

from collections.abc import Iterator

import pytest

from tornadolike._bench import candidates, scenarios
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.comparing import BUILT_IN_APPLICATION
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, Request
from tornadolike._bench.scenarios import Scenario, Settings
from tornadolike._bench.server_process import ServerProcess

_FRAMEWORKS = ["tornadolike", *(["tornado"] if candidates._real_tornado() else [])]


@pytest.fixture(scope="module", params=_FRAMEWORKS)
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    found: list[Candidate] = [one for one in candidates.find(["asyncio"], ["h11"]) if one.framework == request.param]
    with ServerProcess(found[0], BUILT_IN_APPLICATION) as started:
        started.wait_until_listening()
        yield started


@pytest.mark.parametrize("scenario", scenarios.BUILT_IN, ids=lambda one: one.name)
def test_scenario(server: ServerProcess, scenario: Scenario) -> None:
    settings = Settings(use_wrk=False, connections=2, many=5, upload_mib=1, origin_port=server.port)
    load = scenario.drive(server, settings).run(0.01)
    assert load.work > 0
    assert load.seconds > 0
    assert (load.memory_bytes is not None) == (scenario.figure == "memory_kib")


def test_a_driver_looks_at_answers_whatever_makes_the_load(server: ServerProcess) -> None:
    driver = scenarios.HTTPDriver(server, Settings(use_wrk=True), Request("/hello"), Answer(200, b"Good-bye"))
    with pytest.raises(WrongAnswer, match="wrong body, b'Hello, world' instead of b'Good-bye'"):
        driver.run(1.0)
