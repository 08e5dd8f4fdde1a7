"""Templates, compiled to Python::

    page = Template("<ul>{% for name in names %}<li>{{ name }}</li>{% end %}</ul>")
    page.generate(names=["Ada", "<Grace>"])

Handlers use them through `.RequestHandler.render`. Templates which refer to others come from a loader, `Loader` for files.

In an expression, ``{{ ... }}``, stands any Python; its value is HTML-escaped unless told otherwise. A template knows
`.xhtml_escape` (also as ``escape``), `.url_escape`, `.json_encode`, `.squeeze`, `.linkify`, `datetime`, what its loader has
as ``namespace`` and the keyword arguments of `Template.generate`. Handlers add what `.RequestHandler.get_template_namespace`
returns, and the application's ``ui_modules`` and ``ui_methods``.

The directives; ``{% end %}`` ends a block:

``{% if x %}``, ``{% for x in y %}``, ``{% while x %}``, ``{% try %}``
    as in Python, with ``elif``, ``else``, ``except`` and ``finally``, and in loops ``{% break %}`` and ``{% continue %}``.
``{% set x = y %}``
    assign a variable. All of a template, with what it extends and includes, shares them.
``{% import x %}``, ``{% from x import y %}``
    as in Python.
``{% extends "file" %}``
    take the layout from that template, and replace its blocks by those given here.
``{% block name %}``
    a part which may be replaced.
``{% include "file" %}``
    the output of that template, which sees the variables of this one.
``{% apply function %}``
    the output of the block, passed through a function as bytes.
``{% module Name(...) %}``
    the output of a `.UIModule`.
``{% raw x %}``
    an expression, not escaped.
``{% autoescape function %}``
    the escaping function for the expressions of this file; ``None`` for no escaping.
``{% whitespace mode %}``
    the treatment of blanks from here on, see `filter_whitespace`.
``{# ... #}``, ``{% comment ... %}``
    no output.
``{{! ... }}``, ``{%! ... %}``
    text: the tag itself, without the mark.

A template is a program. Never compile one which comes from a stranger.
"""

import builtins
import datetime as dt
import linecache
import os.path
import posixpath
import threading
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from tornadolike import _imported_names, escape
from tornadolike._template import whitespace

if TYPE_CHECKING:
    from tornadolike._template import nodes
from tornadolike.log import app_log

_UNSET: Any = object()
_DEFAULT_AUTOESCAPE = "xhtml_escape"


def filter_whitespace(mode: str, text: str) -> str:
    """``text`` with its blanks as ``mode`` wants them.

    * ``all``: unchanged.
    * ``single``: one space for a run of blanks, one newline for a run that contains any.
    * ``oneline``: one space for every run, newlines included.

    Raises `ValueError` for another mode.
    """
    return whitespace.filter_for(mode)(text)


class ParseError(Exception):
    """A template is malformed: ``message`` says how, ``filename`` and ``lineno`` say where."""

    def __init__(self, message: str, filename: str | None = None, lineno: int = 0) -> None:
        self.message = message
        self.filename = filename
        self.lineno = lineno

    def __str__(self) -> str:
        return f"{self.message} at {self.filename}:{self.lineno}"


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else str(value)).encode()


_xhtml_escape = escape.xhtml_escape


def _escaped(value: Any, function: Callable[[Any], Any]) -> Any:
    """``value`` as UTF-8, escaped by the function that is named as autoescape."""
    if function is not _xhtml_escape:
        return escape.utf8(function(_to_bytes(value)))
    # The usual one needs no detour by way of bytes. Subclasses of str take it: their methods may do anything.
    kind = type(value)
    if kind is str:
        return _xhtml_escape(value).encode()
    if kind is int or kind is float:
        return str(value).encode()  # nothing in it could need escaping
    return _xhtml_escape(_to_bytes(value).decode() if issubclass(kind, str | bytes) else str(value)).encode()


class _SourceText:
    """What tracebacks ask for a template's lines, as the loader of its supposed module."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, name: str) -> str:
        return self._text


class Template:
    """A compiled template; `generate` renders it, as often as you like.

    ``code`` is the Python source it became.
    """

    def __init__(
        self,
        template_string: str | bytes,
        name: str = "<string>",
        loader: "BaseLoader | None" = None,
        compress_whitespace: bool = _UNSET,
        autoescape: str | None = _UNSET,
        whitespace: str | None = None,
    ) -> None:
        """Compile a template.

        :arg template_string: its source, bytes as UTF-8.
        :arg name: the file name, for messages and as the default for ``whitespace``.
        :arg loader: where ``extends`` and ``include`` find others.
        :arg compress_whitespace: the older form of ``whitespace``: true for ``single``, false for ``all``.
        :arg autoescape: the name of the escaping function, None for none; by default that of the loader.
        :arg whitespace: a mode of `filter_whitespace`; by default that of the loader, or else ``single`` for ``.html`` and
            ``.js``, ``all`` for other files.

        Raises `ParseError` for mistakes in the template, and `SyntaxError` for mistakes in the Python it contains, after
        logging that.
        """
        self.name = escape.native_str(name)
        self.namespace = loader.namespace if loader else {}
        self.loader = loader
        if autoescape is _UNSET:
            autoescape = loader.autoescape if loader else _DEFAULT_AUTOESCAPE
        mode = _whitespace_mode(whitespace, compress_whitespace, loader, self.name)
        self.file = _parsed(escape.native_str(template_string), self.name, autoescape, mode)
        self.autoescape: str | None = self.file.autoescape
        self.code = _python_of(self.file, self._load)
        self.compiled = self._compile()
        self._function_code = next(constant for constant in self.compiled.co_consts if isinstance(constant, CodeType))
        self._own_names = {**_standard_names(), **_module_names(self.name.replace(".", "_"), self.code)}

    def _load(self, path: str, parent_name: str) -> "nodes.File":
        if self.loader is None:
            raise ParseError(f"no template loader to load {path} from", parent_name)
        return self.loader.load(path, parent_name).file

    def _compile(self) -> CodeType:
        try:
            return compile(self.code, f"{self.name.replace('.', '_')}.generated.py", "exec", dont_inherit=True)
        except Exception:
            lines = self.code.splitlines()
            width = len(str(len(lines)))
            listing = "\n".join(f"{number:{width}}  {line}" for number, line in enumerate(lines, 1))
            app_log.error("%s code:\n%s", self.name, listing)
            raise

    def generate(self, **kwargs: Any) -> bytes:
        """The output with these variables, as UTF-8."""
        # Templates share file names, "<string>" above all: a traceback must not show the lines of another one.
        linecache.cache.pop(self.compiled.co_filename, None)
        names = {**self._own_names, **self.namespace, **kwargs}
        execute = names["_tt_execute"] = FunctionType(self._function_code, names)
        try:
            output: bytes = execute()
        finally:
            names.pop("_tt_execute", None)  # a cycle, which would leave every rendering to the garbage collector
        return output


def _standard_names() -> dict[str, Any]:
    return {
        "escape": escape.xhtml_escape,
        "xhtml_escape": escape.xhtml_escape,
        "url_escape": escape.url_escape,
        "json_encode": escape.json_encode,
        "squeeze": escape.squeeze,
        "linkify": escape.linkify,
        "datetime": dt,
        "_tt_utf8": escape.utf8,
        "_tt_string_types": (str, bytes),
        "_tt_bytes": _to_bytes,
        "_tt_escaped": _escaped,
    }


def _module_names(name: str, source: str) -> dict[str, Any]:
    """What makes a namespace that of a module.

    Without ``__builtins__``, functions written in C find no ``__import__``: `time.strptime`, `pickle`, the codecs. Tracebacks find the
    source by the name of the module and its loader, which newer versions of `linecache` want to see in a spec.
    """
    loader: Any = _SourceText(source)
    return {"__name__": name, "__builtins__": builtins.__dict__, "__loader__": loader, "__spec__": ModuleSpec(name, loader)}


def _whitespace_mode(mode: str | None, compress: bool, loader: "BaseLoader | None", name: str) -> str:
    if compress is not _UNSET:
        if mode is not None:
            raise ValueError("cannot set both whitespace and compress_whitespace")
        return "single" if compress else "all"
    return mode or (loader and loader.whitespace) or whitespace.default_mode(name)


# Parser and compiler are imported when there is a template: they are a sixth of what importing `tornadolike.web` takes, and most programs
# that do it have none.


def _parsed(source: str, name: str, autoescape: str | None, mode: str) -> "nodes.File":
    from tornadolike._template import parser, scanner

    try:
        return parser.parse(source, name, autoescape, mode)
    except scanner.SyntaxProblem as e:
        raise ParseError(e.message, name, e.line) from None


def _python_of(file: "nodes.File", load: "Callable[[str, str], nodes.File]") -> str:
    from tornadolike._template import compiler

    return compiler.compile_to_python(file, load)


class BaseLoader:
    """Finds templates by name, for programs and for ``extends`` and ``include``, and keeps them compiled.

    Subclasses define ``resolve_path(name, parent_path)`` and ``_create_template(name)``.
    """

    def __init__(
        self,
        autoescape: str | None = _DEFAULT_AUTOESCAPE,
        namespace: dict[str, Any] | None = None,
        whitespace: str | None = None,
    ) -> None:
        """Make a loader.

        :arg autoescape: the name of the escaping function of its templates, None for none.
        :arg namespace: variables for all of them.
        :arg whitespace: their mode of `filter_whitespace`; by default it depends on the file name.
        """
        # Reentrant, because compiling a template may load others.
        self.lock = threading.RLock()
        self.templates: dict[str, Template] = {}
        self.namespace = namespace or {}
        self.autoescape, self.whitespace = autoescape, whitespace

    def reset(self) -> None:
        """Forget all templates, so that they are read anew."""
        with self.lock:
            self.templates = {}

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """The full name of the template that ``name`` stands for within the template ``parent_path``."""
        raise NotImplementedError

    def load(self, name: str, parent_path: str | None = None) -> Template:
        """The template of this name, compiled when it is asked for the first time."""
        full_name = self.resolve_path(name, parent_path=parent_path)
        with self.lock:
            template = self.templates.get(full_name)
            if template is None:
                template = self.templates[full_name] = self._create_template(full_name)
            return template

    def _create_template(self, name: str) -> Template:
        raise NotImplementedError


def _is_relative(name: str, parent_path: str | None) -> bool:
    """Whether ``name`` is meant relative to its parent, which "<string>" has no directory for."""
    return bool(parent_path) and not str(parent_path).startswith(("<", "/")) and not name.startswith("/")


class Loader(BaseLoader):
    """Loads templates from files below a directory.

    Names are relative to ``root_directory``; within a template they are relative to the directory of its file.
    """

    def __init__(self, root_directory: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = os.path.abspath(root_directory)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        if not parent_path or not _is_relative(name, parent_path):
            return name
        directory = os.path.dirname(os.path.join(self.root, str(parent_path)))
        path = os.path.abspath(os.path.join(directory, name))
        inside = os.path.join(self.root, "")
        return path[len(inside) :] if path.startswith(inside) else name

    def _create_template(self, name: str) -> Template:
        with open(os.path.join(self.root, name), "rb") as file:
            return Template(file.read(), name=name, loader=self)


class DictLoader(BaseLoader):
    """Loads templates from a dict of names and sources; names are resolved as for files."""

    def __init__(self, dict: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dict = dict

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        if not parent_path or not _is_relative(name, parent_path):
            return name
        return posixpath.normpath(posixpath.join(posixpath.dirname(str(parent_path)), name))

    def _create_template(self, name: str) -> Template:
        return Template(self.dict[name], name=name, loader=self)


_imported_names.complete(globals())
