"""A scenario out of a request to the user's own application: the first candidate's answer is what the others have to give."""

from tornadolike._bench import generator
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, Request
from tornadolike._bench.scenarios import Driver, HTTPDriver, Scenario, Settings
from tornadolike._bench.server_process import ServerProcess

_FIRST_ERROR_STATUS = 400


class Reference:
    """The answer that counts as right. Where the body differs from one request to the next, only the status is compared."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._answer: Answer | None = None

    def answer(self, server: ServerProcess) -> Answer:
        """The first server that is asked decides."""
        if self._answer is None:
            self._answer = self._find(server)
        return self._answer

    def _find(self, server: ServerProcess) -> Answer:
        (status, _, body), (again, _, other_body) = (generator.ask(self._request, server.host, server.port) for _ in range(2))
        if status != again:
            raise WrongAnswer(f"answers with status {status}, then {again}")
        if status >= _FIRST_ERROR_STATUS:
            raise WrongAnswer(f"answers with status {status}: {body[:200]!r}")
        return Answer(status, body if body == other_body else None)


def scenario(request: Request) -> Scenario:
    """The scenario of this request."""
    reference = Reference(request)

    def drive(server: ServerProcess, settings: Settings) -> Driver:
        return HTTPDriver(server, settings, request, reference.answer(server))

    return Scenario("application", f"{request.method} {request.path}", drive)
