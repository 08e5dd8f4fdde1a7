"""What goes wrong while something is measured."""


class BenchError(Exception):
    """A candidate cannot be measured: it does not start, ends, or is beyond a limit of this machine. The text says why."""


class ProgramEnded(BenchError):
    """The user's own program ends where it should serve: there is nothing to measure."""


class WrongAnswer(BenchError):
    """A candidate answers, but not what it has to: it gets no figure."""
