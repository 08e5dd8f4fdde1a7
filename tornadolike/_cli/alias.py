"""``tornadolike alias on|off|status``: whether this Python environment serves ``import tornado`` from tornadolike for good.

Two things are put into ``site-packages``: a ``.pth`` file, which Python reads at each start, so that kernels, cron jobs and services
with an environment of their own have it too; and the metadata of a distribution ``tornado``, so that requirements such as
``tornado>=6.2`` are met and ``pip`` does not fetch the real one. Its ``RECORD`` lists both: ``pip uninstall tornado``, or an installation
of the real Tornado, takes them away as ``off`` does.
"""

import argparse
import base64
import hashlib
import importlib.metadata
import os
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path

import tornadolike
from tornadolike import _alias

_PTH = "tornadolike_as_tornado.pth"
_INFO = f"tornado-{tornadolike.version}.dist-info"
_INSTALLER = "tornadolike"
# One line that begins with "import", as Python's `site` asks for it; it may outlive the package.
_LINE = 'import sys; exec("try:\\n import tornadolike._alias as a\\nexcept ImportError:\\n pass\\nelse:\\n a.start_up(always=True)")\n'
_METADATA = f"""\
Metadata-Version: 2.1
Name: tornado
Version: {tornadolike.version}
Summary: The API of Tornado {tornadolike.version}, served by tornadolike (`tornadolike alias off` takes it away)
Requires-Python: >=3.11
Requires-Dist: tornadolike
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: tornadolike\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Refused(Exception):
    """The environment is not as it has to be; the message says why, and what to do."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "alias",
        help="let this Python environment serve `import tornado` from tornadolike for good",
        description="Let the Python environment that runs this serve `import tornado` from tornadolike, in every process and without an "
        "environment variable; pip then takes the requirement of a Tornado for met.",
        epilog="Exit status: 0 when it is done, and for `status` when it is on; 1 for `status` when it is off; 2 when it is refused. "
        f"{_alias.ENVIRONMENT_VARIABLE}=0 switches it off for one process.",
    )
    parser.add_argument(
        "action",
        metavar="on|off|status",
        choices=("on", "off", "status"),
        help="status says what `import tornado` gives here, and from where",
    )
    parser.add_argument("--break-system-packages", action="store_true", help="do it in a Python which belongs to the operating system, too")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; the answer is its exit status."""
    try:
        if arguments.action == "status":
            return _status()
        if not arguments.break_system_packages and _belongs_to_the_system():
            raise Refused(f"{sys.prefix} belongs to the operating system: use a virtual environment, or --break-system-packages")
        print(_switch_on() if arguments.action == "on" else _switch_off())  # noqa: T201 - a command's answer
    except (Refused, OSError, ValueError) as error:
        print(f"tornadolike alias: {error}", file=sys.stderr)  # noqa: T201 - a command's error
        return 2
    return 0


def _belongs_to_the_system() -> bool:
    """As pip sees it: a virtual environment does not, whichever Python it was made of."""
    return sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()


def _site() -> Path:
    return Path(sysconfig.get_path("purelib"))


def _status() -> int:
    mine, real = _mine(), _real()
    if mine is not None:
        stale = (
            ""
            if mine.version == tornadolike.version
            else f" (made for the API of Tornado {mine.version}: `tornadolike alias on` renews it)"
        )
        print(f"on: `import tornado` gives tornadolike {tornadolike.__version__} in {sys.prefix}{stale}")  # noqa: T201 - the answer
        return 0
    what = f"Tornado {real}" if real else f"nothing in {sys.prefix}"
    variable = _alias.ENVIRONMENT_VARIABLE
    if _alias.wanted(os.environ.get(variable, "")):
        rest = f", but {variable}={os.environ[variable]} is set here: with it, tornadolike {tornadolike.__version__}"
    else:
        rest = f", unless {variable}=1 is set"
    print(f"off: `import tornado` gives {what}{rest}")  # noqa: T201 - the answer
    return 1


def _switch_on() -> str:
    real = _real()
    if real:
        raise Refused(
            f"the real Tornado is installed ({real}): remove it with `{sys.executable} -m pip uninstall tornado`, or keep it and use "
            f"`tornadolike run` or {_alias.ENVIRONMENT_VARIABLE}=1 instead"
        )
    try:
        importlib.metadata.distribution("tornadolike")
    except importlib.metadata.PackageNotFoundError:
        raise Refused(f"tornadolike itself is not installed in {sys.prefix}") from None
    before = _mine()
    if before is not None:
        _remove(before)
    site = _site()
    files = {f"{_INFO}/METADATA": _METADATA, f"{_INFO}/INSTALLER": f"{_INSTALLER}\n", f"{_INFO}/WHEEL": _WHEEL}
    files |= {f"{_INFO}/REQUESTED": "", f"{_INFO}/top_level.txt": "tornado\n", _PTH: _LINE}
    lines = [f"{name},{_digest(text)},{len(text.encode())}\n" for name, text in files.items()]
    (site / _INFO).mkdir(exist_ok=True)
    (site / _INFO / "RECORD").write_text("".join([*lines, f"{_INFO}/RECORD,,\n"]), encoding="utf-8")
    for name, text in files.items():  # the file that Python reads at its start comes last
        (site / name).write_text(text, encoding="utf-8")
    return f"on: `import tornado` gives tornadolike {tornadolike.__version__} (API of Tornado {tornadolike.version}) in {sys.prefix}"


def _switch_off() -> str:
    mine = _mine()
    if mine is None:
        return f"off already in {sys.prefix}"
    _remove(mine)
    return f"off: `import tornado` is not served by tornadolike in {sys.prefix} any more"


def _remove(mine: importlib.metadata.PathDistribution) -> None:
    site = _site()
    (site / _PTH).unlink(missing_ok=True)  # first, so that a half of it does nothing
    info = site / f"tornado-{mine.version}.dist-info"
    for path in info.iterdir():
        path.unlink()
    info.rmdir()


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _mine() -> importlib.metadata.PathDistribution | None:
    """What `on` has put into this environment."""
    for info in _site().glob("tornado-*.dist-info"):
        found = importlib.metadata.PathDistribution(info)
        if (found.read_text("INSTALLER") or "").strip() == _INSTALLER:
            return found
    return None


def _real() -> str:
    """Where another Tornado is, with its version; "" where there is none. Nothing of it is imported."""
    for found in importlib.metadata.MetadataPathFinder.find_distributions(importlib.metadata.DistributionFinder.Context(name="tornado")):
        if (found.read_text("INSTALLER") or "").strip() != _INSTALLER:
            return f"{found.version} in {found.locate_file('')}"
    spec = PathFinder.find_spec("tornado")
    return "" if spec is None or spec.origin is None else os.path.dirname(spec.origin)
