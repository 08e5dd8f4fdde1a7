"""The reference is complete: a page for each public module, a description for each public name, dialogues that are true."""

import doctest
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tornadolike

PACKAGE = Path(tornadolike.__file__).parent
DOCS = PACKAGE.parent / "docs"


@pytest.fixture(scope="module")
def public_names(program: Callable[[str], types.ModuleType]) -> Any:
    """The extension of the documentation's build that knows which names are public."""
    return program("_ext/public_names.py")


def importable(name: str) -> bool:
    needs = {"curl_httpclient": "pycurl", "platform.caresresolver": "pycares", "platform.twisted": "twisted"}
    needs |= {"gunicorn": "gunicorn", "limits": "limits", "metrics": "prometheus_client"}
    return name not in needs or importlib.util.find_spec(needs[name]) is not None


def test_every_public_module_has_a_page(public_names: Any) -> None:
    pages = {path.stem for path in (DOCS / "reference").glob("*.rst")}
    assert pages == set(public_names.modules(PACKAGE))
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8").splitlines()
    assert [page for page in sorted(pages) if page not in index] == []


def test_every_public_name_is_described(public_names: Any) -> None:
    missing = {name: public_names.undescribed(name) for name in public_names.modules(PACKAGE) if importable(name)}
    assert {name: names for name, names in missing.items() if names} == {}


@pytest.fixture
def written_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module into the package as seen by the checks, and gives its name."""

    def write(source: str) -> str:
        path = tmp_path / "written_for_test.py"
        path.write_text(source, encoding="utf-8")
        module = types.ModuleType("tornadolike.written_for_test")
        module.__file__ = str(path)
        exec(compile(source, str(path), "exec"), vars(module))
        monkeypatch.setitem(sys.modules, "tornadolike.written_for_test", module)
        return "written_for_test"

    return write


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""M."""\nx = 1\n"""X."""\n#: Y.\ny = 2\n_z = 3\n', []),
        ('"""M."""\nx = 1\n', ["x"]),
        ('"""M."""\nimport os\nfrom json import loads\n', []),
        ('"""M."""\ndef f(): pass\n', ["f"]),
        (
            '"""M."""\nclass C:\n    """With ``x``."""\n    x: int\n    y = 1\n    def m(self): pass\n    def _p(self): pass\n',
            ["C.m", "C.y"],
        ),
        ('"""M."""\nclass B:\n    """B."""\n    def m(self):\n        """M."""\nclass C(B):\n    """C."""\n    def m(self): pass\n', []),
        ('"""M."""\nclass C:\n    """C."""\n    @property\n    def p(self): pass\n    @staticmethod\n    def s(): pass\n', ["C.p", "C.s"]),
    ],
)
def test_what_counts_as_described(public_names: Any, written_module: Any, source: str, expected: list[str]) -> None:
    name = written_module(source)
    assert public_names.undescribed(name) == [f"{name}.{entry}" for entry in expected]


def modules_with_dialogues() -> list[str]:
    files = [path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8")]
    return sorted(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files)


@pytest.mark.parametrize("name", modules_with_dialogues())
def test_dialogues_in_docstrings_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
