"""What can be compared on this machine: frameworks x loops x HTTP engines, each with the command that starts it."""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from tornadolike import __version__

ROOM = Path(__file__).parent
APPLICATIONS = ROOM / "applications"
_LAUNCH = str(ROOM / "launch.py")
_CHECKOUT = str(ROOM.parent.parent)

# Real Tornado knows nothing of loops by name; these packages offer the policy through which they reach it.
_LOOPS_WITH_POLICY = ("asyncio", "uvloop", "winloop")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of serving. ``program`` is the file of a peer which cannot run the application that is measured.

    ``without`` is a package that is hidden from the application, ``only`` the scenarios for which that makes a difference.
    """

    framework: str
    loop: str
    engine: str = ""
    program: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    without: str = ""
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For tables: ``tornadolike uvloop httptools``."""
        hidden = f"without {self.without}" if self.without else ""
        return " ".join(filter(None, (self.framework, self.loop, self.engine, hidden)))

    def command(self, application: Path, arguments: Sequence[str] = ()) -> list[str]:
        """How to start the application (or the peer's program in its place)."""
        program = [str(self.program or application), *arguments]
        if self.framework == "tornadolike":
            run = ["-m", "tornadolike", "run", _LAUNCH, "--loop", self.loop, "--http", self.engine, "--"]
            return [sys.executable, *run, *program]
        return [sys.executable, _LAUNCH, *program]


_OURS = {"PYTHONPATH": _CHECKOUT}
# Of websockets only the compiled mask is used, by WebSocket alone.
_BASE = Candidate(
    "tornadolike", "asyncio", "h11", None, {**_OURS, "TORNADOLIKE_BENCH_WITHOUT": "websockets"}, without="websockets", only=("ws-64",)
)


def find(
    loops: Sequence[str], engines: Sequence[str], *, with_peers: bool = False, with_base: bool = False, with_asgi: bool = False
) -> list[Candidate]:
    """All candidates here, real Tornado first. ``loops`` and ``engines`` are what tornadolike found installed.

    ``with_base``: also the base install, whatever else is installed here. ``with_asgi``: also our application on uvicorn, and an ASGI
    application on uvicorn and on our own server.
    """
    found: list[Candidate] = []
    if _real_tornado():
        found += [_with_policy("tornado", loop) for loop in loops if loop in _LOOPS_WITH_POLICY]
    found += [Candidate("tornadolike", loop, engine, variables=_OURS) for loop in loops for engine in sorted(engines)]
    if with_base:
        found.append(_BASE)
    if with_asgi:
        found += _asgi(loops, engines)
    return found + (_peers(loops, engines) if with_peers else [])


ASGI = ("asgi-on-uvicorn", "asgi-on-tornadolike", "adapter-on-uvicorn")


def _asgi(loops: Sequence[str], engines: Sequence[str]) -> list[Candidate]:
    usable = [loop for loop in loops if loop in _LOOPS_WITH_POLICY]
    found = []
    for framework in ASGI:
        if "uvicorn" in framework and not _installed("uvicorn"):
            continue
        for loop in usable:
            for engine in sorted(engines):
                made = _with_policy(framework, loop, engine, program=f"{framework.replace('-', '_')}.py")
                found.append(replace(made, variables={**made.variables, **_OURS, "TORNADOLIKE_HTTP": engine, "TORNADOLIKE_LOOP": loop}))
    return found


def _real_tornado() -> bool:
    """Whether the distribution is there: asked of the metadata, as the alias may be serving the name."""
    try:
        return metadata.distribution("tornado").metadata["Name"] == "tornado"
    except metadata.PackageNotFoundError:
        return False


def _peers(loops: Sequence[str], engines: Sequence[str]) -> list[Candidate]:
    usable = [loop for loop in loops if loop in _LOOPS_WITH_POLICY]
    peers = [_with_policy("aiohttp", loop, program="aiohttp_peer.py") for loop in usable if _installed("aiohttp")]
    if _installed("starlette") and _installed("uvicorn"):
        peers += [_with_policy("starlette", loop, engine, program="starlette_peer.py") for loop in usable for engine in sorted(engines)]
    return peers


def _with_policy(framework: str, loop: str, engine: str = "", *, program: str = "") -> Candidate:
    variables = {"TORNADOLIKE_BENCH_LOOP": loop, "TORNADOLIKE_BENCH_ENGINE": engine}
    return Candidate(framework, loop, engine, APPLICATIONS / program if program else None, variables)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def versions() -> dict[str, str]:
    """The installed versions of everything that takes part."""
    found = {"tornadolike": __version__}  # which a checkout has without being installed
    for name in (
        "tornado",
        "uvloop",
        "winloop",
        "rloop",
        "zuvloop",
        "h11",
        "httptools",
        "wsproto",
        "websockets",
        "aiohttp",
        "starlette",
        "uvicorn",
    ):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
