"""Load from wrk, where that is installed."""

import math
import re
import shutil
import subprocess
import tempfile

from tornadolike._bench.errors import BenchError, WrongAnswer
from tornadolike._bench.exchanges import Request
from tornadolike._bench.figures import Load, Percentiles

LEAST_SECONDS = 1.0
_EXTRA_SECONDS = 30
_RESULT = re.compile(r"^@((?: \d+)+)$", re.MULTILINE)
# wrk's own summary stops at the 99th percentile; its script interface gives all. Times are microseconds.
_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("@ %d %d %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


def path() -> str | None:
    """Where wrk is, if it is."""
    return shutil.which("wrk")


def load(request: Request, host: str, port: int, connections: int, seconds: float) -> Load:
    """Run wrk (in whole seconds). Raises `WrongAnswer` where a status of 400 or more came, `BenchError` for broken connections."""
    program = path()
    if program is None:
        raise BenchError("wrk is not installed")
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="ascii") as script:
        script.write(_script(request))
        script.flush()
        whole = math.ceil(seconds)
        command = [program, "-t1", f"-c{connections}", f"-d{whole}s", "-s", script.name, f"http://{host}:{port}/"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=whole + _EXTRA_SECONDS, check=False)
    return parse(ended.stdout, ended.stderr)


def parse(output: str, errors: str = "") -> Load:
    """What the script printed at its end."""
    found = _RESULT.search(output)
    if found is None:
        raise BenchError(f"wrk failed: {(errors or output).strip()[-300:]}")
    requests, duration, received, broken, late, refused, p50, p99, p999 = map(int, found[1].split())
    if refused:
        raise WrongAnswer(f"answered {refused} of {requests} requests with an error status")
    if broken or late or not requests:
        raise BenchError(f"{broken} connections broke and {late} requests had no answer in time, of {requests} requests")
    return Load(requests, duration / 1e6, Percentiles(p50 / 1e6, p99 / 1e6, p999 / 1e6), received)


def _script(request: Request) -> str:
    lines = [f"wrk.method = {_quoted(request.method.encode())}", f"wrk.path = {_quoted(request.path.encode())}"]
    if request.body:
        lines.append(f"wrk.body = {_quoted(request.body)}")
    lines += [f"wrk.headers[{_quoted(name.encode())}] = {_quoted(value.encode('latin-1'))}" for name, value in request.headers.items()]
    return "\n".join(lines) + _DONE


def _quoted(data: bytes) -> str:
    """A Lua string: every byte by its number."""
    return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'
