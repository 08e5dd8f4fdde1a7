"""Which candidates there are, how they are started, and what is measured of them."""

import importlib.util
import os
import resource
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from tornadolike._bench import candidates, comparing, many_connections, meter, scenarios, server_process
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.errors import BenchError
from tornadolike._bench.server_process import ServerProcess


def test_tornado_comes_first_and_has_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_real_tornado", lambda: True)
    names = [one.name for one in candidates.find(["asyncio", "uvloop", "rloop"], ["httptools", "h11"])]
    assert names[:2] == ["tornado asyncio", "tornado uvloop"]
    assert names[2:] == [f"tornadolike {loop} {engine}" for loop in ("asyncio", "uvloop", "rloop") for engine in ("h11", "httptools")]


def test_no_tornado_no_candidate_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert {one.framework for one in candidates.find(["asyncio"], ["h11"])} == {"tornadolike"}


def test_peers_only_when_asked_for_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_installed", lambda name: name == "aiohttp")
    assert "aiohttp" not in {one.framework for one in candidates.find(["asyncio"], ["h11"])}
    peers = [one for one in candidates.find(["asyncio"], ["h11"], with_peers=True) if one.program]
    assert [one.name for one in peers] == ["aiohttp asyncio"]
    assert all(one.program is not None and one.program.is_file() for one in peers)


def test_asgi_only_when_asked_for_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(**options: bool) -> list[str]:
        return [one.name for one in candidates.find(["uvloop", "rloop"], ["h11"], **options) if one.program]

    monkeypatch.setattr(candidates, "_installed", lambda name: False)
    assert names(with_asgi=True) == ["asgi-on-tornadolike uvloop h11"]
    monkeypatch.setattr(candidates, "_installed", lambda name: True)
    assert names(with_asgi=True) == [f"{one} uvloop h11" for one in candidates.ASGI]
    assert not set(candidates.ASGI) & {one.partition(" ")[0] for one in names(with_peers=True)}


@pytest.mark.parametrize("framework", candidates.ASGI)
@pytest.mark.parametrize("name", ["hello", "ws-64"])
def test_asgi_candidates_answer(framework: str, name: str) -> None:
    if "uvicorn" in framework:
        pytest.importorskip("uvicorn", reason="the extra `hosts` is not installed")
    (one,) = [one for one in candidates.find(["asyncio"], ["h11"], with_asgi=True) if one.framework == framework]
    (scenario,) = scenarios.named([name])
    with ServerProcess(one, candidates.APPLICATIONS / "tornado_application.py") as server:
        server.wait_until_listening()
        load = scenario.drive(server, scenarios.Settings(use_wrk=False, connections=2)).run(0.05)
    assert load.work > 0


def test_what_the_base_install_lacks_is_hidden(tmp_path: Path) -> None:
    (base,) = [one for one in candidates.find(["asyncio"], ["h11"], with_base=True) if one.without]
    assert base.name == "tornadolike asyncio h11 without websockets"
    path = tmp_path / "program.py"
    program = "import sys\nfrom tornadolike._websocket import masking\nsys.exit(f'{sys.modules[\"websockets\"]} {masking.apply.__name__}')"
    path.write_text(program, encoding="utf-8")
    with ServerProcess(base, path) as server, pytest.raises(BenchError, match="None apply_pure"):
        server.wait_until_listening()


def test_who_takes_part() -> None:
    tornado = [Candidate("tornado", loop) for loop in ("asyncio", "uvloop")]
    ours, aiohttp = Candidate("tornadolike", "uvloop", "h11"), Candidate("aiohttp", "uvloop", program=Path("x.py"))
    special = Candidate("tornadolike", "asyncio", "h11", without="websockets", only=("ws-64",))

    def names(scenario: str) -> list[str]:
        return [one.name for one in comparing._taking_part(scenarios.named([scenario]), [*tornado, special, ours, aiohttp])]

    assert names("hello") == ["tornado asyncio", "tornado uvloop", "tornadolike uvloop h11", "aiohttp uvloop"]
    assert names("ws-64") == ["tornado asyncio", "tornado uvloop", special.name, "tornadolike uvloop h11", "aiohttp uvloop"]
    assert names("import") == ["tornado asyncio", "tornadolike uvloop h11"]


def test_scenarios_have_names_of_their_own() -> None:
    names = [one.name for one in scenarios.BUILT_IN]
    assert len(set(names)) == len(names)
    assert [one.name for one in scenarios.named(["json", "hello"])] == ["json", "hello"]
    with pytest.raises(LookupError, match="no scenario nothing; there are hello, "):
        scenarios.named(["nothing"])


def plain(program: str, tmp_path: Path) -> ServerProcess:
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    return ServerProcess(Candidate("plain", "asyncio"), path)


def test_a_program_is_put_on_a_free_loopback_port(tmp_path: Path) -> None:
    program = "import socket, sys\ns = socket.socket(); s.bind(('0.0.0.0', 8888)); s.listen()\nwhile True: s.accept()"
    with plain(program, tmp_path) as one, plain(program, tmp_path) as other:
        one.wait_until_listening()
        other.wait_until_listening()
        assert one.port != other.port
        for server in (one, other):
            reading = server.reading()
            assert reading.cpu_seconds > 0
            assert reading.resident_bytes > 1 << 20
    with pytest.raises(ProcessLookupError):
        os.kill(one.pid, 0)


def test_a_program_that_ends_says_why(tmp_path: Path) -> None:
    with plain("raise SystemExit('no database')", tmp_path) as server, pytest.raises(BenchError, match=r"ended; its output:\nno database"):
        server.wait_until_listening()


def test_a_program_that_fails_shows_its_own_lines_only(tmp_path: Path) -> None:
    with plain("import nothing_like_this", tmp_path) as server, pytest.raises(BenchError) as raised:
        server.wait_until_listening()
    lines = str(raised.value).splitlines()
    assert lines[0] == "the program ended; its output:"
    assert [line.strip() for line in lines if line.lstrip().startswith("File")] == [
        f'File "{tmp_path / "program.py"}", line 1, in <module>'
    ]
    assert lines[-1] == "ModuleNotFoundError: No module named 'nothing_like_this'"


def test_a_program_that_listens_elsewhere_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "_NEXT_PORT_SECONDS", 0.1)
    path = tmp_path / "program.py"
    path.write_text("import socket, time\ns = socket.socket(); s.bind(('', 7000)); s.listen(); time.sleep(60)", encoding="utf-8")
    said = r"does not listen on port 8000, IPv4, but on 7000 \(IPv4\)"
    with ServerProcess(Candidate("plain", "asyncio"), path, wanted_port=8000) as server, pytest.raises(BenchError, match=said):
        server.wait_until_listening()


def test_memory_and_time_of_children_count(tmp_path: Path) -> None:
    program = (
        "import os, socket, time\ns = socket.socket(); s.bind(('', 1))\n"
        "if os.fork(): s.listen(); time.sleep(60)\n"
        "data = b'x' * (200 << 20); time.sleep(60)\n"
    )
    with plain(program, tmp_path) as server:
        server.wait_until_listening()
        deadline = time.monotonic() + 60  # how long it takes to fill so much memory is the machine's business
        while (reading := server.reading()).resident_bytes <= 200 << 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert reading.cpu_seconds > 0


def test_without_proc_the_process_answers_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = meter.Readings.make
    monkeypatch.setattr(meter.Readings, "make", lambda: make(from_proc=False))
    with plain("import socket, time\ns = socket.socket(); s.bind(('', 1)); s.listen(); time.sleep(60)", tmp_path) as server:
        server.wait_until_listening()
        first, second = server.reading(), server.reading()
    assert 0 < first.cpu_seconds <= second.cpu_seconds
    assert first.resident_bytes > 1 << 20


def test_too_many_connections_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1024))
    with pytest.raises(BenchError, match="10000 connections need 10200 open files, the limit here is 1024"):
        many_connections.raise_file_limit(10_000)
    wanted = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: wanted.append(limits))
    many_connections.raise_file_limit(500)
    assert wanted == [(700, 1024)]


def test_launching_has_nothing_of_its_own_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import sys; print(sys.argv, sys.path[0], __name__)", encoding="utf-8")
    launch = importlib.util.find_spec("tornadolike._bench.launch")
    assert launch is not None
    assert launch.origin is not None
    command = [sys.executable, launch.origin, str(tmp_path / "program.py"), "--x"]
    ended = subprocess.run(
        command, env={**os.environ, "TORNADOLIKE_BENCH_REPORT": "2"}, capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == f"{[str(tmp_path / 'program.py'), '--x']} {tmp_path} __main__\n"
