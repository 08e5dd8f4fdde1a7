"""Build the wheel and the sdist, install each of them where there is nothing else, and use it there.

    python .ci/packages.py                       # on the Python that runs this
    python .ci/packages.py python3.11 python3.13 # on those

Needs the `build` package and the network. The checkout is installed as an editable one, too: it has to place the file that answers
for `TORNADOLIKE_AS_TORNADO=1` as the others do.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# An application and its client as users write them; runs under the alias, from a directory in which there is nothing else.
PROGRAM = """\
import asyncio, importlib.metadata, importlib.util, pathlib, pkgutil, sys
import tornado.web, tornado.httpclient, tornado.httpserver, tornado.netutil
import tornadolike.web

class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write(f"Hello, {self.get_argument('name')}")

async def main():
    [listener] = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello)]))
    server.add_sockets([listener])
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/?name=Ada"
    response = await tornado.httpclient.AsyncHTTPClient().fetch(address)
    assert response.body == b"Hello, Ada", response.body
    server.stop()

asyncio.run(main())
package = pathlib.Path(tornadolike.__file__).parent
assert tornado.web is tornadolike.web
assert (package / "py.typed").is_file()
assert sys.argv[1:] == ["editable"] or not any(map(importlib.util.find_spec, ("tests", "compat_suite", "docs"))), sys.path
assert importlib.metadata.version("tornadolike") == tornadolike.__version__
optional = {"pycurl", "pycares", "twisted", "uvloop", "httptools", "aiohttp", "starlette", "uvicorn"}
optional |= {"gunicorn", "limits", "prometheus_client"}
for module in pkgutil.walk_packages([str(package)], "tornadolike."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] in optional, error
print(package)
"""


def build(directory: Path) -> tuple[Path, Path]:
    """The sdist and the wheel; the wheel is built from the sdist, so that one is complete."""
    run([sys.executable, "-m", "build", "--outdir", directory, ROOT])
    [sdist], [wheel] = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return sdist, wheel


def look_into(sdist: Path, wheel: Path) -> None:
    """What is in the packages, and what is not."""
    installed = set(zipfile.ZipFile(wheel).namelist())
    places = ("tornadolike/", "tornadolike-", "tornado-stubs/", "tornadolike_alias.pth")
    strange = {name for name in installed if not name.startswith(places)}
    assert not strange, f"in the wheel, but not of the package: {sorted(strange)}"
    tracked = run(["git", "-C", ROOT, "ls-files", "tornadolike"]).split()
    assert "tornado-stubs/web.pyi" in installed
    missing = set(tracked) - installed - {"tornadolike/tornadolike_alias.pth"}
    assert not missing, f"not in the wheel: {sorted(missing)}"
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    missing = set(run(["git", "-C", ROOT, "ls-files"]).split()) - shipped
    assert not missing, f"not in the sdist: {sorted(missing)}"


def try_out(python: str, what: str, requirement: list[str], expected_in: Path | None) -> None:
    """Install into an environment with nothing in it, and use it there."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory, "elsewhere")
        place.mkdir()
        programs = Path(directory, "venv", "bin")
        run([python, "-m", "venv", "--without-pip", Path(directory, "venv")])
        run([sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet", *requirement])
        Path(place, "program.py").write_text(PROGRAM, encoding="utf-8")
        found = Path(run([programs / "python", "-W", "error", "program.py", what], place, TORNADOLIKE_AS_TORNADO="1").strip())
        assert found.is_relative_to(expected_in or Path(directory)), found
        run([programs / "tornadolike", "run", "program.py", "--", what], place)
        assert "bench" in run([programs / "tornadolike", "--help"], place)
        version = run([programs / "python", "-m", "tornadolike", "--version"], place).strip()
        print(f"{what}, {run([python, '--version']).strip()}: {version}: works", flush=True)


def run(command: list[str | Path], place: Path = ROOT, **variables: str) -> str:
    """What a command prints. Raises `SystemExit` with all that it said when it fails."""
    unset = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in unset and not name.startswith("TORNADOLIKE_")}
    done = subprocess.run(list(map(str, command)), cwd=place, env=environment | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main(pythons: list[str]) -> None:
    """The whole check, on each of ``pythons``."""
    with tempfile.TemporaryDirectory() as directory:
        sdist, wheel = build(Path(directory))
        look_into(sdist, wheel)
        for python in pythons:
            try_out(python, "wheel", [str(wheel)], None)
            try_out(python, "sdist", [str(sdist)], None)
            try_out(python, "editable", ["--editable", str(ROOT)], ROOT)


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])
