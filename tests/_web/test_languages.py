"""Accept-Language."""

from hypothesis import given
from hypothesis import strategies as st

from tornadolike._web import languages


def test_languages():
    assert languages.preferred("de;q=0.2, en ,fr;q=0.9,it;q=0,es;q=-1,nl;q=x,pt;level=1,xx;q=nan") == ("en", "pt", "fr", "de")
    assert languages.preferred("") == ("",)
    assert languages.preferred(",".join(f"x{index}" for index in range(1000))) == tuple([f"x{index}" for index in range(100)])


@given(
    st.one_of(st.text(max_size=200), st.lists(st.sampled_from(["de", "en-GB", "fr;q=0.5", "it;q=0", " *;q=x"]), max_size=40).map(",".join))
)
def test_what_is_remembered_is_what_was_worked_out(header):
    for _ in range(2):
        assert languages.preferred(header) == languages._ranked(header)


def test_what_is_remembered_is_bounded():
    languages._remembered.cache_clear()
    languages.preferred("x" * (languages._MAX_REMEMBERED_LENGTH + 1))
    assert languages._remembered.cache_info().currsize == 0
    for index in range(1000):
        languages.preferred(f"x{index}")
    assert languages._remembered.cache_info().currsize == 256
