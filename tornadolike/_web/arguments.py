"""Text as it comes from query strings, bodies and paths, made safe to use."""

import re
from collections.abc import Callable, Iterable
from typing import Any

# Tab, newline, vertical tab, form feed and carriage return may stand in a text; the other C0 controls never do.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def texts(values: Iterable[bytes], decode: Callable[..., Any], name: str, strip: bool) -> list[Any]:
    """Decode ``values`` with ``decode(value, name=name)``, put a space for each control character and, with ``strip``, trim white
    space at both ends.

    ``decode`` is the application's; what it returns is left as it is where that is no ``str``, apart from trimming.
    """
    tidy = []
    for value in values:
        text: Any = decode(value, name=name)
        if isinstance(text, str) and not text.isprintable():
            text = CONTROL.sub(" ", text)
        tidy.append(text.strip() if strip else text)
    return tidy
