"""What becomes of the blanks in a template's text."""

import re
from collections.abc import Callable

from tornadolike._http.lazy import pattern

_RUN = pattern(r"\s+")
_BLANKS = pattern(r"[\t ]+")


def _keep(text: str) -> str:
    return text


def _condense(text: str) -> str:
    return _RUN.sub(_condensed_run, text)


def _condensed_run(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else _BLANKS.sub(" ", run[0])


def _join_lines(text: str) -> str:
    return _RUN.sub(" ", text)


_MODES: dict[str, Callable[[str], str]] = {"all": _keep, "single": _condense, "oneline": _join_lines}


def filter_for(mode: str) -> Callable[[str], str]:
    """The function that treats text as ``mode`` says; `ValueError` for an unknown mode."""
    try:
        return _MODES[mode]
    except KeyError:
        raise ValueError(f"invalid whitespace mode {mode}") from None


def default_mode(file_name: str) -> str:
    """The mode for files whose author chose none: blanks mean nothing in HTML and little in JavaScript."""
    return "single" if file_name.endswith((".html", ".js")) else "all"
