"""The package itself: its two versions, and its modules on demand."""

import importlib
import re
from pathlib import Path

import pytest

import tornadolike


def test_versions() -> None:
    assert tornadolike.version == "6.6.1"
    assert tornadolike.version_info[:3] == (6, 6, 1)
    assert re.fullmatch(r"\d+\.\d+\.\d+", tornadolike.__version__)


def test_modules_are_imported_when_looked_up() -> None:
    assert tornadolike.escape is importlib.import_module("tornadolike.escape")
    with pytest.raises(AttributeError, match="module 'tornadolike' has no attribute 'nowhere'"):
        _ = tornadolike.nowhere


def test_what_a_star_brings() -> None:
    package = Path(tornadolike.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} | {"platform"}
    public = {name for name in modules if not name.startswith("_")}
    assert len(tornadolike.__all__) == len(set(tornadolike.__all__))
    assert public - set(tornadolike.__all__) == {"websocket", "wsgi"}
