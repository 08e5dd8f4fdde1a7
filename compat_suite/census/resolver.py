"""Finds the names of Tornado that sources use, without running them.

Seen are imports, chains of attributes, classes derived from Tornado's over any number of modules, what such classes override
and what they look up on ``self`` and ``super()``, variables and attributes that hold an object of Tornado's (as far as the
assignment says so), names in ``getattr`` and its kin, and the dotted names in strings, as ``mock.patch`` takes them.

The answer is a set of dotted names, ``tornado.web.RequestHandler._headers``. Whether there is such a thing is not decided here: a
subclass's own methods are named as well, and mean nothing where Tornado has no such name.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_STRING = re.compile(r"tornado(\.[A-Za-z_]\w*)+")
_IMPORT = re.compile(r"^[ \t]*((?:from|import) [^\n]+)", re.MULTILINE)
_WORD = re.compile(r"\w+")
_BY_NAME = ("getattr", "setattr", "hasattr", "delattr", "object")  # the last is mock.patch.object
# What an attribute or a call gives, where programs rely on it: enough to follow `self.request.connection.stream`.
_GIVES = {
    "tornado.web.RequestHandler.request": "tornado.httputil.HTTPServerRequest",
    "tornado.web.RequestHandler.application": "tornado.web.Application",
    "tornado.websocket.WebSocketHandler.ws_connection": "tornado.websocket.WebSocketProtocol13",
    "tornado.websocket.WebSocketHandler.stream": "tornado.iostream.IOStream",
    "tornado.websocket.WebSocketProtocol.stream": "tornado.iostream.IOStream",
    "tornado.websocket.WebSocketProtocol13.stream": "tornado.iostream.IOStream",
    "tornado.websocket.WebSocketClientConnection.protocol": "tornado.websocket.WebSocketProtocol13",
    "tornado.httputil.HTTPServerRequest.connection": "tornado.http1connection.HTTP1Connection",
    "tornado.httputil.HTTPServerRequest.headers": "tornado.httputil.HTTPHeaders",
    "tornado.http1connection.HTTP1Connection.stream": "tornado.iostream.IOStream",
    "tornado.http1connection.HTTP1Connection.context": "tornado.httpserver._HTTPRequestContext",
    "tornado.web.Application.listen()": "tornado.httpserver.HTTPServer",
    "tornado.ioloop.IOLoop.current()": "tornado.ioloop.IOLoop",
    "tornado.ioloop.IOLoop.instance()": "tornado.ioloop.IOLoop",
    "tornado.testing.AsyncTestCase.io_loop": "tornado.ioloop.IOLoop",
    "tornado.testing.AsyncHTTPTestCase.http_server": "tornado.httpserver.HTTPServer",
    "tornado.testing.AsyncHTTPTestCase.http_client": "tornado.httpclient.AsyncHTTPClient",
    "tornado.testing.AsyncHTTPTestCase._app": "tornado.web.Application",
    "tornado.httpclient.AsyncHTTPClient.fetch()": "tornado.httpclient.HTTPResponse",
    "tornado.testing.AsyncHTTPTestCase.fetch()": "tornado.httpclient.HTTPResponse",
}


@dataclass
class _Class:
    """A class that the sources define: what its bases are called there, and what stands in its body."""

    bases: list[str]
    attributes: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)  # attributes of instances, and the class of what they hold


class Package:
    """The sources of one package, by path; `uses` gives the names of Tornado in them."""

    def __init__(self, sources: Mapping[str, str], mro: Mapping[str, list[str]] | None = None) -> None:
        """``mro`` has, for each of Tornado's classes, those that it derives from: attributes are looked up along it."""
        self.unreadable: list[str] = []
        self.mro = mro or {}
        self.classes: dict[str, _Class] = {}
        self.bindings: dict[str, dict[str, str]] = {}
        self._trees: dict[str, ast.Module] = {}
        self._by_end: dict[str, str] = {}  # src/package, package-1.0/package: modules by the ends of their names
        self._bases: dict[str, list[str]] = {}
        self._packages: set[str] = set()
        for path in relevant(sources):
            tree = self._parse(path, sources[path])
            if tree is not None:
                self._trees[_module_of(path)] = tree
                if path.endswith("__init__.py"):
                    self._packages.add(_module_of(path))
        for module in self._trees:
            parts = module.split(".")
            for at in range(len(parts)):
                self._by_end.setdefault(".".join(parts[at:]), module)

    def _parse(self, path: str, text: str) -> ast.Module | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            if "tornado" in text:
                self.unreadable.append(path)
            return None

    def uses(self) -> set[str]:
        for module, tree in self._trees.items():
            self._declare(module, tree)
        found: set[str] = set()
        for module, tree in self._trees.items():
            visitor = _Visitor(self, module)
            visitor.visit(tree)
            found |= visitor.found
        return {name for name in found if name.startswith("tornado.")}

    def _declare(self, module: str, tree: ast.Module) -> None:
        bindings = self.bindings.setdefault(module, {})
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                bindings.update(imported(node, f"{module}.__init__" if module in self._packages else module))
            elif isinstance(node, ast.ClassDef):
                bindings.setdefault(node.name, f"{module}.{node.name}")
                self.classes.setdefault(f"{module}.{node.name}", _Class([dotted(base) for base in node.bases]))
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Name, ast.Attribute)) and isinstance(node.targets[0], ast.Name):
                bindings.setdefault(node.targets[0].id, dotted(node.value, bindings))

    def meaning(self, module: str, name: str, depth: int = 0) -> str:
        """The full name of what ``name`` (dotted) is in a module of the package."""
        first, dot, rest = name.partition(".")
        full = self.bindings.get(module, {}).get(first)
        if full is None or depth > 20:
            return name
        return self.follow(full + dot + rest, depth + 1)

    def follow(self, full: str, depth: int = 0) -> str:
        """Follows a full name through modules of the package that only import it."""
        if full in self.classes or full.startswith("tornado."):
            return full
        owner, _, rest = full, "", ""
        while "." in owner:
            owner, _, last = owner.rpartition(".")
            rest = f"{last}.{rest}".rstrip(".")
            module = owner if owner in self.bindings else self._by_end.get(owner)
            if module is not None:
                first = rest.partition(".")[0]
                bound = self.bindings[module].get(first)
                return full if bound in (None, f"{module}.{first}") and depth else self.meaning(module, rest, depth + 1) if bound else full
        return full

    def tornado_bases(self, full: str, seen: frozenset[str] = frozenset()) -> list[str]:
        """The classes of Tornado from which ``full`` derives, itself included."""
        if full.startswith("tornado."):
            return [full]
        known = self.classes.get(full)
        if known is None or full in seen:
            return []
        if full not in self._bases:
            module = full.rpartition(".")[0]
            meanings = [self.meaning(module, base) for base in known.bases]
            self._bases[full] = [one for base in meanings for one in self.tornado_bases(base, seen | {full})]
        return self._bases[full]

    def held_by(self, full: str, attribute: str) -> str:
        """The class of what instances of ``full`` hold under ``attribute``, or ""."""
        known = self.classes.get(full)
        if known and attribute in known.held:
            return known.held[attribute]
        for base in self.tornado_bases(full):
            for one in (base, *self.mro.get(base, ())):
                if f"{one}.{attribute}" in _GIVES:
                    return _GIVES[f"{one}.{attribute}"]
        return ""


def relevant(sources: Mapping[str, str]) -> set[str]:
    """The sources that name Tornado, and those that import one of these, over any number of steps: the rest need not be parsed."""
    imports = {path: _import_words(path, text) for path, text in sources.items()}
    found = {path for path, text in sources.items() if "tornado" in text}
    new = found
    while new:
        stems = {_module_of(path).rpartition(".")[2] for path in new}
        new = {path for path, words in imports.items() if path not in found and words & stems}
        found = found | new
    return found


def _import_words(path: str, text: str) -> set[str]:
    words: set[str] = set()
    for line in _IMPORT.findall(text):
        words.update(_WORD.findall(line))
        if line.startswith(("from . ", "from .. ")):
            words.add(_module_of(path).split(".")[-2 if "." in _module_of(path) else 0])
    return words


def _module_of(path: str) -> str:
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.Import | ast.ImportFrom, module: str = "") -> Iterable[tuple[str, str]]:
    """The names that an import binds, and what each stands for."""
    if isinstance(node, ast.Import):
        return [(one.asname, one.name) if one.asname else (one.name.partition(".")[0],) * 2 for one in node.names]
    source = node.module or ""
    if node.level:
        source = ".".join(filter(None, [*module.split(".")[: -node.level], source]))
    return [(one.asname or one.name, f"{source}.{one.name}") for one in node.names if one.name != "*"]


def dotted(node: ast.AST, bindings: Mapping[str, str] | None = None) -> str:
    """``a.b.c`` of a chain of attributes, "" of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    first = (bindings or {}).get(node.id, node.id)
    return ".".join([first, *reversed(parts)])


class _Visitor(ast.NodeVisitor):
    def __init__(self, package: Package, module: str) -> None:
        self.package, self.module = package, module
        self.found: set[str] = set()
        self._class: list[str] = []
        self._variables: list[dict[str, str]] = [{}]

    # What is imported is used.

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(one.name for one in node.names if one.name.startswith("tornado."))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level and (node.module or "").partition(".")[0] == "tornado":
            self.found.update(f"{node.module}.{one.name}" if one.name != "*" else str(node.module) for one in node.names)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and _STRING.fullmatch(node.value):
            self.found.add(node.value)

    # Classes: what they override, what self and super() are.

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for child in (*node.bases, *node.keywords, *node.decorator_list):
            self.visit(child)
        full = f"{self.module}.{node.name}"
        self._class.append(full)
        for statement in node.body:
            self._override(full, statement)
            self.visit(statement)
        self._class.pop()

    def _override(self, full: str, statement: ast.stmt) -> None:
        names: list[str] = []
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [statement.name]
        elif isinstance(statement, ast.Assign):
            names = [one.id for one in statement.targets if isinstance(one, ast.Name)]
        for base in self.package.tornado_bases(full):
            self.found.update(f"{base}.{name}" for name in names if not name.startswith("__"))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._variables.append({})
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            if argument.annotation is not None:
                self._variables[-1][argument.arg] = self._class_of_annotation(argument.annotation)
        self.generic_visit(node)
        self._variables.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's name

    def _class_of_annotation(self, node: ast.expr) -> str:
        name = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else dotted(node)
        return self.package.meaning(self.module, name) if name else ""

    # What variables hold.

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        kind = self._kind(node.value)
        if not kind:
            return
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._variables[-1][target.id] = kind
            elif isinstance(target, ast.Attribute) and dotted(target.value) == "self" and self._class:
                self.package.classes[self._class[-1]].held[target.attr] = kind

    def _kind(self, node: ast.AST) -> str:
        """The class of which an expression gives an object, or "": of Tornado, or one of the package's that derives from it."""
        if isinstance(node, (ast.Await, ast.Yield)) and node.value is not None:
            return self._kind(node.value)
        if isinstance(node, ast.Name):
            if node.id == "self" and self._class:
                return self._class[-1]
            return next((one[node.id] for one in reversed(self._variables) if node.id in one), "")
        if isinstance(node, ast.Attribute):
            kind = self._kind(node.value)
            return self.package.held_by(kind, node.attr) if kind else ""
        return self._kind_of_call(node) if isinstance(node, ast.Call) else ""

    def _kind_of_call(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and self._class:
            return self._class[-1]
        if isinstance(node.func, ast.Attribute):
            kind = self._kind(node.func.value)
            if kind:
                return self.package.held_by(kind, f"{node.func.attr}()")
        name = dotted(node.func)
        full = self.package.meaning(self.module, name) if name else ""
        if f"{full}()" in _GIVES:
            return _GIVES[f"{full}()"]
        return full if full.rpartition(".")[2][:1].isupper() and self.package.tornado_bases(full) else ""

    # Attributes.

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = dotted(node)
        if name:
            full = self.package.meaning(self.module, name)
            if full != name or name.startswith("tornado."):
                self._chain(full)
        self._of_object(node.value, node.attr)
        self.generic_visit(node)

    def _chain(self, full: str) -> None:
        owner, _, last = full.rpartition(".")
        self.found.add(full)
        for base in self.package.tornado_bases(owner) if owner in self.package.classes else ():
            self.found.add(f"{base}.{last}")

    def _of_object(self, node: ast.expr, attribute: str) -> None:
        kind = self._kind(node)
        for base in self.package.tornado_bases(kind) if kind else ():
            self.found.add(f"{base}.{attribute}")

    def visit_Call(self, node: ast.Call) -> None:
        called = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
        if called in _BY_NAME and len(node.args) > 1 and isinstance(node.args[1], ast.Constant) and isinstance(node.args[1].value, str):
            attribute = node.args[1].value
            name = dotted(node.args[0])
            if name:
                full = self.package.meaning(self.module, name)
                self._chain(f"{full}.{attribute}")
            self._of_object(node.args[0], attribute)
        self.generic_visit(node)
