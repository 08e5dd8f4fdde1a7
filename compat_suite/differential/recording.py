"""What is written down of a run, and what is taken out of it because it differs from run to run."""

import json
import logging
import re
from types import TracebackType
from typing import Any

_VOLATILE = [
    (re.compile(r"\b(Date|Last-Modified-Now): [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), r"\1: <date>"),
    (re.compile(r"\btornadolike\b"), "tornado"),
    (re.compile(r" \d+\.\d\dms\b"), " <time>ms"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d{4,5}\b"), "<port>"),
    (re.compile(r"\('127\.0\.0\.1', \d+\)"), "('127.0.0.1', <port>)"),
    (re.compile(r"<(_UnixSelectorEventLoop|uvloop\.Loop) "), "<loop "),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "<address>"),
    (re.compile(r"(?<=\bport=)\d{4,5}\b"), "<port>"),
    (re.compile(r"/tmp/compat_scenario\w+"), "<directory>"),
    (re.compile(r"\bAssertionError: [^\"\]\\]*"), "AssertionError: "),  # what is written there is for us, not for programs
    (re.compile(r"(?<=ParseError: )[^\"]*(?= at [\w.]+:\d+)"), "<what is wrong>"),  # the same
    (re.compile(r"(?<=_xsrf=2)\|[0-9a-f]{8}\|[0-9a-f]{32}\|\d{10}"), "|<token>"),
]


def normal(recording: Any) -> str:
    """The recording as JSON text, one value a line, without what differs from run to run."""
    text = json.dumps(recording, indent=1, ensure_ascii=True, default=repr)
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


class Logs(logging.Handler):
    """Context manager that collects what is logged at INFO and above: logger, level, message, exception."""

    def __init__(self) -> None:
        super().__init__(level=logging.INFO)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.name} {record.levelname}: {record.getMessage()}"
        if record.exc_info and record.exc_info[0] is not None:
            line += f" [{record.exc_info[0].__qualname__}: {record.exc_info[1]}]"
        self.records.append(line)

    def __enter__(self) -> list[str]:
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(logging.INFO)
        return self.records

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        logging.getLogger().removeHandler(self)
