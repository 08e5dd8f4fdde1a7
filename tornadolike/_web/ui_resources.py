"""What the UI modules of a page ask for besides their own markup, and where in the page it goes."""

from collections.abc import Callable, Iterable
from itertools import chain
from types import ModuleType
from typing import Any, Protocol, cast


class Module(Protocol):
    """The part of `web.UIModule` that a page asks for resources."""

    def embedded_javascript(self) -> str | bytes | None: ...
    def javascript_files(self) -> Iterable[str] | None: ...
    def embedded_css(self) -> str | bytes | None: ...
    def css_files(self) -> Iterable[str] | None: ...
    def html_head(self) -> str | bytes | None: ...
    def html_body(self) -> str | bytes | None: ...


class Renderer(Protocol):
    """The part of `web.RequestHandler` that makes tags of resources."""

    def render_linked_js(self, js_files: Iterable[str]) -> str: ...
    def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes: ...
    def render_linked_css(self, css_files: Iterable[str]) -> str: ...
    def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes: ...


def _octets(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def flattened(files: Iterable[Any]) -> list[Any]:
    """Join entries each of which is one file (``str`` or ``bytes``) or several."""
    names: list[Any] = []
    for entry in files:
        if isinstance(entry, (str, bytes)):
            names.append(entry)
        else:
            names.extend(entry)
    return names


class Resources:
    """Collected from all modules of a page, in the order in which these were first used."""

    __slots__ = ("bodies", "css_embedded", "css_files", "heads", "js_embedded", "js_files")

    def __init__(self, modules: Iterable[Module]) -> None:
        self.js_embedded: list[bytes] = []
        self.js_files: list[str] = []
        self.css_embedded: list[bytes] = []
        self.css_files: list[str] = []
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        for module in modules:
            self._add(module)

    def _add(self, module: Module) -> None:
        for texts, text in (
            (self.js_embedded, module.embedded_javascript()),
            (self.css_embedded, module.embedded_css()),
            (self.heads, module.html_head()),
            (self.bodies, module.html_body()),
        ):
            if text:
                texts.append(_octets(text))
        for names, files in ((self.js_files, module.javascript_files()), (self.css_files, module.css_files())):
            if isinstance(files, bytes):
                names.append(files.decode())
            elif files:
                names.extend([files] if isinstance(files, str) else files)


def _unique(paths: Iterable[str], resolve: Callable[[str], str]) -> list[str]:
    """Return each path once, in order, after ``resolve`` has made it a URL."""
    return list(dict.fromkeys(map(resolve, paths)))


def script_links(paths: Iterable[str], resolve: Callable[[str], str]) -> str:
    """The tags for script files, each once."""
    return "".join([f'<script src="{url}" type="text/javascript"></script>' for url in _unique(paths, resolve)])


def style_links(paths: Iterable[str], resolve: Callable[[str], str]) -> str:
    """The tags for style sheets, each once."""
    return "".join([f'<link href="{url}" type="text/css" rel="stylesheet"/>' for url in _unique(paths, resolve)])


def place(page: bytes, resources: Iterable[tuple[bytes, bytes]], *, last: bool) -> bytes:
    """Put pieces, each with a newline, before the ``last`` or the first occurrence of their tags.

    ``resources`` are pairs of tag and piece; empty pieces are left out. Raises ValueError where a tag is missing.
    """
    for tag, piece in resources:
        if piece:
            at = page.rindex(tag) if last else page.index(tag)
            page = page[:at] + piece + b"\n" + page[at:]
    return page


def completed(page: bytes, modules: Iterable[Module], renderer: Renderer) -> bytes:
    """A page with all that its modules want: scripts at the end of its body, styles at the end of its head."""
    wanted = Resources(modules)
    scripts = [
        (b"</body>", _octets(renderer.render_linked_js(wanted.js_files)) if wanted.js_files else b""),
        (b"</body>", renderer.render_embed_js(wanted.js_embedded) if wanted.js_embedded else b""),
    ]
    rest = [
        (b"</head>", _octets(renderer.render_linked_css(wanted.css_files)) if wanted.css_files else b""),
        (b"</head>", renderer.render_embed_css(wanted.css_embedded) if wanted.css_embedded else b""),
        (b"</head>", b"".join(wanted.heads)),
        (b"</body>", b"".join(wanted.bodies)),
    ]
    return place(place(page, scripts, last=True), rest, last=False)


def named_members(container: Any) -> Iterable[tuple[str, Any]]:
    """The names in a module, a dictionary, or a list of such, with what they are for."""
    if isinstance(container, ModuleType):
        return [(name, getattr(container, name)) for name in dir(container)]
    if isinstance(container, list):
        return chain.from_iterable(map(named_members, container))
    return cast("Iterable[tuple[str, Any]]", container.items())
