"""What UI modules bring, and where it goes."""

import pytest

from tornadolike._web import ui_resources


def test_resources_are_placed():
    assert ui_resources.place(b"<x><y><x>", [(b"<x>", b"1"), (b"<x>", b"2"), (b"<z>", b"")], last=True) == b"<x><y>1\n2\n<x>"
    assert ui_resources.place(b"<x><x>", [(b"<x>", b"1")], last=False) == b"1\n<x><x>"
    with pytest.raises(ValueError, match="not found"):
        ui_resources.place(b"", [(b"<x>", b"1")], last=False)
    assert ui_resources.flattened(["a", b"b", ["c", "d"]]) == ["a", b"b", "c", "d"]
    assert ui_resources.unique(["a", "A", "b"], str.lower) == ["a", "b"]


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
