"""Log records, formatted."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import Run, calls, work


def _coloured(log: Any) -> Callable[[], object]:
    formatter = log.LogFormatter(color=True)
    record = logging.LogRecord("tornado.access", logging.WARNING, "web.py", 1, "%d %s", (404, "GET /"), None)
    return lambda: formatter.format(record)


def _formatted_error(log: Any) -> Callable[[], object]:
    formatter = log.LogFormatter(color=False)
    try:
        raise KeyError("x")
    except KeyError:
        record = logging.LogRecord("tornado.application", logging.ERROR, "web.py", 1, "Uncaught %s", ("x",), sys.exc_info())
    return lambda: formatter.format(record)


@work("log: format a record")
def _log(log: Any) -> Run:
    formatter = log.LogFormatter(color=False)
    record = logging.LogRecord("tornado.access", logging.INFO, "web.py", 1, "%d %s %.2fms", (200, "GET / (127.0.0.1)", 0.5), None)
    return lambda n: [formatter.format(record) for _ in range(n)]


calls("log: format a record in colours", _coloured)
calls("log: format an error", _formatted_error)
