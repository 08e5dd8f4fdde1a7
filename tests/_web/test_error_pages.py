"""The page for an error."""

from tornadolike._web import error_pages


def test_pages_escape():
    assert error_pages.page(404, "<b>&'\"").count("404: &lt;b&gt;&amp;&#x27;&quot;") == 2
