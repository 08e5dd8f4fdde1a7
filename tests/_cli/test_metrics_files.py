"""Metrics of several workers, and of those that have ended."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

PROGRAM = """
import asyncio, os
import tornado.web
from tornadolike import metrics

class Who(tornado.web.RequestHandler):
    def get(self):
        self.write(str(os.getpid()))

async def main():
    application = tornado.web.Application([("/", Who), ("/metrics", metrics.MetricsHandler)])
    metrics.instrument(application)
    application.listen(0, "127.0.0.1")
    os.write(1, f"worker {os.getpid()}\\n".encode())
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_sums_of_workers_never_go_back(start: Any, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = start("--workers", "2", "program.py", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))

    def body(path: str) -> str:
        return str(command.get(path).partition(b"\r\n\r\n")[2].decode())

    def total() -> float:
        families = text_string_to_metric_families(body("/metrics"))
        samples = [sample for family in families for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == "http_server_request_duration_seconds_count")

    def until(count: int) -> None:
        """Workers share what they have counted twice a second."""
        deadline = time.monotonic() + 10
        while (found := total()) != count:
            assert found < count
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def workers(count: int) -> set[int]:
        deadline = time.monotonic() + 30
        while True:
            found = {int(line.split()[1]) for line in list(command.lines) if re.fullmatch(r"worker \d+", line)}
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline
            time.sleep(0.01)

    workers(2)
    for _ in range(50):
        body("/")
    until(50)
    command.process.send_signal(signal.SIGHUP)
    command.expect("all workers are replaced")
    until(50)
    for _ in range(50):
        body("/")
    until(100)
    alive = workers(4)
    files = {int(path.stem.rpartition("_")[2]) for path in tmp_path.glob("*.db")}
    assert len(files - {0}) <= 2
    assert files - {0} <= alive
    assert "http_server_open_connections" in body("/metrics")
