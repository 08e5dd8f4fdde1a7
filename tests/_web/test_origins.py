"""Who asks, and whether they may."""

from tornadolike._web import origins


def test_origins():
    asked = []
    assert origins.refusal("same-origin", None, "h", asked.append) is None
    assert origins.refusal(None, "http://H", "h", asked.append) is None
    assert asked == []
    assert origins.refusal("cross-site", None, "h", asked.append) == "Sec-Fetch-Site cross-site & origin None not allowed"
    assert asked == []
    assert origins.refusal(None, "http://x", None, lambda origin: False) == "Origin 'http://x' not allowed"
    assert not origins.is_host("http://x", None)
