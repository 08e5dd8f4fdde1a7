"""Names of headers that handlers set: looked at once, since programs use few of them."""

from tornadolike._http import grammar

MAX_CHECKED = 1000
"""How many are remembered: programs that make names up fill it once."""

checked: dict[str, str] = {}
"""Names that were found to be tokens, with their spelling."""


def check(name: str) -> None:
    """Raise ValueError for a name that is no token (RFC 9110 §5.1); remember one that is."""
    if not grammar.field_name.fullmatch(name):
        raise ValueError(f"Unsafe header name {name!r}")
    if len(checked) < MAX_CHECKED:
        checked[name] = grammar.SPELLINGS[name]
