"""Write the stub package with which type checkers resolve `import tornado` where only tornadolike is installed.

    python .ci/stubs.py          # into .ci/tornado-stubs
    python .ci/stubs.py --check  # exit status 1 if what is there is not what would be written

Each module re-exports ours: all public names, the private ones that are known to be used, and those that Tornado's module only imports.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, STUBS = ROOT / "tornadolike", ROOT / ".ci" / "tornado-stubs"
sys.path.insert(0, str(ROOT))

from tornadolike import _imported_names  # noqa: E402 - of this checkout

# Names that published packages import, though they are private.
_PRIVATE = {
    "escape": "_unicode",
    "http1connection": "_QuietException",
    "httpclient": "_RequestProxy",
    "httpserver": "_HTTPRequestContext",
    "httputil": "_parseparam _parse_header _normalize_header _get_content_range _parse_request_range",
    "iostream": "_client_ssl_defaults _StreamBuffer _ERRNO_CONNRESET _ERRNO_WOULDBLOCK",
    "routing": "_RuleList",
    "web": "_ApplicationRouter _ARG_DEFAULT _ArgDefaultMarker _UIModuleNamespace _has_stream_request_body _create_signature_v1"
    " _create_signature_v2",
    "websocket": "_default_max_message_size _PerMessageDeflateCompressor _PerMessageDeflateDecompressor _WebSocketDelegate",
}
_HEAD = "# Written by .ci/stubs.py.\n"


def modules() -> list[str]:
    """The names of the public modules, without the package's."""
    paths = [*PACKAGE.glob("*.py"), *PACKAGE.glob("platform/*.py")]
    names = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in paths]
    return sorted(name.removesuffix(".__init__") for name in names if not name.split(".")[0].startswith("_"))


def stub(name: str) -> str:
    """The text of one module's stub."""
    path = PACKAGE.joinpath(*name.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    private = sorted(defined(ast.parse(source)) & set(_PRIVATE.get(name, "").split()))
    lines = [f"from tornadolike.{name} import *"]
    lines += [f"from tornadolike.{name} import {one} as {one}" for one in private]
    lines += sorted(filter(None, (borrowed(one, *where) for one, where in _imported_names.names(name).items())))
    return _HEAD + "\n".join(lines) + "\n"


def borrowed(name: str, source: str, attribute: str) -> str:
    source = source.replace("tornadolike", "tornado", 1) if source.startswith("tornadolike") and not attribute else source
    if attribute:
        return f"from {source} import {attribute} as {name}"
    owner, _, last = source.rpartition(".")
    if not owner:
        return f"import {source} as {name}"
    return f"from {owner} import {last} as {name}"


def defined(tree: ast.Module) -> set[str]:
    """What the module's own statements define."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(one.id for one in targets if isinstance(one, ast.Name))
    return names


def package() -> str:
    names = [name for name in modules() if "." not in name]
    text = "".join(f"from tornado import {name} as {name}\n" for name in names)
    return f"{_HEAD}{text}\nversion: str\nversion_info: tuple[int, int, int, int]\n"


def files() -> dict[Path, str]:
    found = {STUBS / "__init__.pyi": package()}
    for name in modules():
        path = STUBS.joinpath(*name.split("."))
        found[path / "__init__.pyi" if name == "platform" else path.with_suffix(".pyi")] = stub(name)
    return found


def main(argv: list[str]) -> int:
    wanted = files()
    there = {path: path.read_text(encoding="utf-8") for path in STUBS.rglob("*.pyi")}
    if argv == ["--check"]:
        wrong = sorted(str(path.relative_to(ROOT)) for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
        for path in wrong:
            print(f"not as .ci/stubs.py writes it: {path}")
        return 1 if wrong else 0
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
