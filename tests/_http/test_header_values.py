"""Parameters of field values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http.header_values import format_parameters, parse_parameters, split_parameters


@pytest.mark.parametrize(
    ("text", "value", "parameters"),
    [
        ("", "", {}),
        ("text/plain", "text/plain", {}),
        ("a; B=c ;d", "a", {"b": "c"}),
        ('a; n="x;y"; m=1', "a", {"n": "x;y", "m": "1"}),
        (r'a; n="say \"hi\""', "a", {"n": 'say "hi"'}),
        (r'a; f="C:\new\file"', "a", {"f": r"C:\new\file"}),
        ('a; n="open; m=1', "a", {"n": '"open; m=1'}),
        ("a; n=1; n=2", "a", {"n": "2"}),
        ("a; f*=UTF-8'en'%E2%82%AC", "a", {"f": "€"}),
        ("a; f=plain; f*=UTF-8''%C3%BC", "a", {"f": "ü"}),
        ("a; f*=UTF-8''%C3%BC; f=plain", "a", {"f": "ü"}),
        ("a; f*1=b; f*0=a; f*10=c", "a", {"f": "abc"}),
        ("a; f*0*=UTF-8''%41; f*1=b", "a", {"f": "Ab"}),
        ("a; f*=bare", "a", {"f": "bare"}),
        ("a; f*=no-such-charset''%41", "a", {"f": "A"}),
        ("a; f*=utf-8''€", "a", {"f": "€"}),
        ("a; f*=idna''" + "a" * 20, "a", {"f": "a" * 20}),
        ("a; f*=x\0y''b", "a", {"f": "b"}),
        ("a; f*=hex''41", "a", {"f": "41"}),
        ("a; f*" + "1" * 5000 + "=v", "a", {"f*" + "1" * 5000: "v"}),
    ],
)
def test_parse(text: str, value: str, parameters: dict[str, str]) -> None:
    assert parse_parameters(text) == (value, parameters)


def test_of_more_than_200_parameters_the_first_count() -> None:
    value, parameters = parse_parameters("a" + "".join(f";n{index}=v" for index in range(1000)))
    assert (value, list(parameters)) == ("a", [f"n{index}" for index in range(200)])
    assert parse_parameters('a; n="' + ";" * 1000 + '"; m=1') == ("a", {"n": ";" * 1000, "m": "1"})


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab;=\"\\*'0% ", max_size=40))
def test_parse_never_raises_and_loses_no_text(text: str) -> None:
    parse_parameters(text)
    assert ";".join(split_parameters(text)).replace(" ", "") == text.replace(" ", "")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(alphabet="abc-", min_size=1), st.text(alphabet="xyz01", min_size=1)))
def test_round_trip(parameters: dict[str, str]) -> None:
    assert parse_parameters(format_parameters("v", parameters)) == ("v", parameters)


def test_format_bare_names() -> None:
    assert format_parameters("x", {"b": None, "a": 3}) == "x; a=3; b"
    assert format_parameters("x", {}) == "x"


@pytest.mark.parametrize("unit", ['";', '\\";', ';"', 'a="b;c";', "n*0=x;", "a*=utf-8''%41;"])
def test_cve_2025_67726_cost_is_linear(unit: str) -> None:
    """CVE-2025-67726 / GHSA-jhmp-mqwm-3gq8: semicolons in quotes made the parser start over. This took minutes."""
    parse_parameters("form-data; " + unit * 50_000)
