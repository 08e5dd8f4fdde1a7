"""What UI modules bring, and where it goes."""

import pytest

from tornadolike._web import ui_resources


def test_resources_are_placed():
    assert ui_resources.place(b"<x><y><x>", [(b"<x>", b"1"), (b"<x>", b"2"), (b"<z>", b"")], last=True) == b"<x><y>1\n2\n<x>"
    assert ui_resources.place(b"<x><x>", [(b"<x>", b"1")], last=False) == b"1\n<x><x>"
    with pytest.raises(ValueError, match="not found"):
        ui_resources.place(b"", [(b"<x>", b"1")], last=False)
    assert ui_resources.flattened(["a", b"b", ["c", "d"]]) == ["a", b"b", "c", "d"]


def test_files_are_linked_once():
    assert ui_resources.script_links(["a", "A", "b"], str.lower) == (
        '<script src="a" type="text/javascript"></script><script src="b" type="text/javascript"></script>'
    )
    assert ui_resources.style_links(["A", "a"], str.lower) == '<link href="a" type="text/css" rel="stylesheet"/>'
    assert ui_resources.style_links([], str.lower) == ""


class Piece:
    def embedded_javascript(self):
        return b"js"

    def javascript_files(self):
        return b"f.js"

    def embedded_css(self):
        return ""

    def css_files(self):
        return ()

    def html_head(self):
        return None

    def html_body(self):
        return "é"


def test_resources_are_collected():
    found = ui_resources.Resources([Piece(), Piece()])
    assert (found.js_embedded, found.js_files, found.css_embedded, found.css_files) == ([b"js"] * 2, ["f.js"] * 2, [], [])
    assert (found.heads, found.bodies) == ([], ["é".encode()] * 2)


class Tags:
    """Renders each kind as its name, and what it was asked for."""

    def render_linked_js(self, js_files):
        return f"js {js_files}"

    def render_embed_js(self, js_embed):
        return b"JS %d" % len(js_embed)

    def render_linked_css(self, css_files):
        return f"css {css_files}"

    def render_embed_css(self, css_embed):
        return b"CSS %d" % len(css_embed)


def test_a_page_is_completed():
    page = b"<head></head><body></body>"
    assert ui_resources.completed(page, [], Tags()) == page
    piece = Piece()
    assert ui_resources.completed(page, [piece], Tags()) == "<head></head><body>js ['f.js']\nJS 1\né\n</body>".encode()
    piece.html_head, piece.embedded_css, piece.css_files = lambda: "H", lambda: "C", lambda: "f.css"
    assert ui_resources.completed(page, [piece, piece], Tags()).startswith(b"<head>css ['f.css', 'f.css']\nCSS 2\nHH\n</head>")


def test_members_of_all_kinds_of_containers():
    members = dict(ui_resources.named_members([{"a": 1}, [{"b": 2}], ui_resources]))
    assert (members["a"], members["b"], members["Resources"]) == (1, 2, ui_resources.Resources)
