"""Accept-Language."""

from tornadolike._web import languages


def test_languages():
    assert languages.preferred("de;q=0.2, en ,fr;q=0.9,it;q=0,es;q=-1,nl;q=x,pt;level=1,xx;q=nan") == ["en", "pt", "fr", "de"]
    assert languages.preferred("") == [""]
    assert languages.preferred(",".join(f"x{index}" for index in range(1000))) == [f"x{index}" for index in range(100)]
