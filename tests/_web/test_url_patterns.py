"""URL patterns read backwards."""

import pytest

from tornadolike._web import url_patterns


def test_url_patterns():
    assert url_patterns.template("^/(a)/x(b)$", 2, str) == "/%s/x%s"
    assert url_patterns.template("/(?:a)", 0, str) is None
    assert url_patterns.fill("/%s/%x%s", ["1", "%s"]) == "/1/%x%s"
    with pytest.raises(ValueError, match="1 slots, not 2"):
        url_patterns.fill("/%s", ["1", "2"])
