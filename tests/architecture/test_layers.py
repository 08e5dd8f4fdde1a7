"""DESIGN.md §1 and §3, read off the source: who may import whom, and that public names are defined where Tornado has them."""

import ast
import importlib
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tornadolike

PACKAGE = Path(tornadolike.__file__).parent
PYPROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
PURE_ROOMS = ("_http", "_http1", "_websocket", "_asgi", "_web", "_template", "_client")
IMPURE = {"asyncio", "socket", "ssl", "time", "logging", "threading", "select", "selectors", "subprocess"}
MODULES = {
    path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in PACKAGE.rglob("*.py")
}
PUBLIC = sorted(name for name in MODULES.values() if not any(part.startswith("_") for part in name.split(".")))


def imports(path: Path, *, only_module_level: bool = False) -> Iterator[str]:
    """Names of modules that a file imports; a name imported from a package counts as a module too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _at_module_level(tree) if only_module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _at_module_level(child)


def test_the_reader_of_imports_sees_functions_and_packages(tmp_path: Path) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text("import a.b\nfrom c import d\ndef f():\n    import time\n", encoding="utf-8")
    assert list(imports(probe)) == ["a.b", "c", "c.d", "time"]
    assert list(imports(probe, only_module_level=True)) == ["a.b", "c", "c.d"]


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_import_nothing_impure(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        tops = {name.partition(".")[0] for name in imports(path)}
        assert not tops & IMPURE, path


@pytest.mark.parametrize("room", [*PURE_ROOMS, "_net", "_loop"])
def test_rooms_know_neither_public_modules_nor_sibling_rooms(room: str) -> None:
    allowed = (f"tornadolike.{room}", "tornadolike._http")
    for path in (PACKAGE / room).rglob("*.py"):
        for name in imports(path):
            if name.startswith("tornadolike."):
                assert name in allowed or name.startswith(tuple(f"{one}." for one in allowed)), f"{path}: {name}"


@pytest.mark.parametrize(("library", "importer"), [("h11", "h11_engine"), ("httptools", "httptools_engine"), ("wsproto", "wsproto_engine")])
def test_each_wire_library_has_one_importer(library: str, importer: str) -> None:
    importers = {path.stem for path in MODULES if any(name.partition(".")[0] == library for name in imports(path))}
    assert importers == {importer}


def test_upward_imports_on_the_list_are_inside_functions() -> None:
    layers = PYPROJECT["tool"]["importlinter"]["contracts"][0]
    files = {name: path for path, name in MODULES.items()}
    assert layers["ignore_imports"]
    for entry in layers["ignore_imports"]:
        importer, imported = entry.split(" -> ")
        assert imported in set(imports(files[importer])), f"{entry} is no longer needed"
        assert imported not in set(imports(files[importer], only_module_level=True)), entry


def tornado_api() -> dict[str, list[str]]:
    """Module by module, the classes and functions that Tornado defines there; skips where Tornado is not installed."""
    found = importlib.util.find_spec("tornado")
    if found is None or found.origin is None:
        pytest.skip("Tornado is not installed")
    listing = (Path(found.origin).parent / "test" / "api.txt").read_text(encoding="utf-8")
    names: dict[str, list[str]] = {}
    for line in listing.splitlines():
        name, _, description = line.partition(": ")
        module, _, last = name.rpartition(".")
        if description.startswith(("class(", "function(")) and module in listing and f"[{module}]" in listing:
            names.setdefault(module, []).append(last)
    return names


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_defined_in_their_module(name: str) -> None:
    """Not in a private room: instrumentation and tests replace names, and what these use, where Tornado has them."""
    for module, library in {"curl_httpclient": "pycurl", "caresresolver": "pycares", "twisted": "twisted", "gunicorn": "gunicorn"}.items():
        if name.endswith(module):
            pytest.importorskip(library)
    expected = tornado_api().get(name.replace("tornadolike", "tornado"), [])
    module = importlib.import_module(name)
    elsewhere = {public: getattr(module, public).__module__ for public in expected if getattr(module, public).__module__ != name}
    assert not elsewhere


def test_layers_hold() -> None:
    # In a process of its own: it configures logging for itself, which would silence the loggers that other tests look at.
    pytest.importorskip("importlinter.cli")
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())", "--no-cache"]
    ended = subprocess.run(command, check=False, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
