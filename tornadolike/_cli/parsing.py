"""Words of a command line: whose they are, what they mean, and one-line errors that name what was probably meant."""

import argparse
import difflib
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

USAGE_ERROR = 2

_ATTRIBUTE = re.compile(r"(?P<module>\w+(\.\w+)*):(?P<attribute>\w+(\.\w+)*)(\(\))?")
_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
# Understood between a script and its arguments, too, as they always were.
_BEHIND_TARGET = frozenset({"--loop", "--http", "--drain"})


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description, but breaks those that are wider than the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = super()._fill_text(text, width, indent).splitlines()
        return "\n".join(line if len(line) <= width else textwrap.fill(line, width) for line in lines)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest valid name, and status 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs = {"formatter_class": _Help, "allow_abbrev": False, **kwargs}
        super().__init__(*args, **kwargs)
        self.elsewhere: dict[str, str] = {}  # options of similar commands, and how that is said here
        self.suggest_on_error = False  # Python 3.14 and later would add a suggestion of their own

    def refuse_unknown(self, word: str) -> NoReturn:
        """End because of a word that no option is called."""
        if word.startswith("-"):
            name = word.partition("=")[0]
            here = self.elsewhere.get(name)
            self.error(f"no such option: {word}{nearest(name, self.option_words()) if here is None else f' (here: {here})'}")
        self.error(f"unexpected argument: {word}")

    def option_words(self) -> list[str]:
        """The options of this command, as they are written."""
        return [word for word in self._option_string_actions if word.startswith("--")]

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument (\S+?)(/\S+)*: ", r"\1: ", message)
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice is not None:
            choices = re.findall(r"[\w.-]+", choice[2])
            message = f"{message[: choice.start()]}{choice[1]!r} is none of {', '.join(choices)}{nearest(choice[1], choices)}"
        print(f"{self.prog}: {message} (--help lists the options)", file=sys.stderr)  # noqa: T201 - a command's own message
        sys.exit(USAGE_ERROR)


def nearest(word: str, choices: Iterable[str]) -> str:
    """`` (did you mean X?)``, where something like ``word`` is among the choices."""
    found = difflib.get_close_matches(word, list(choices), 1, 0.6)
    return f" (did you mean {found[0]}?)" if found else ""


def split(argv: list[str], actions: dict[str, argparse.Action]) -> tuple[list[str], list[str]]:
    """What of the words behind ``run`` is ours, and what the program's.

    As with Python itself, a script or module ends our options, and what follows is the program's. Before ``--`` may stand options of ours
    behind the target, too, if nothing else does; and ``--loop``, ``--http`` and ``--drain`` directly behind it in any case. With
    ``package.module:attribute`` all is ours up to ``--``.
    """
    at = _target_end(argv, actions)
    if at is None:
        return _cut(argv, len(argv))
    if is_attribute(argv[at - 1]):
        return _cut(argv, len(argv))
    end = _options_end(argv, at, actions)
    if argv[end : end + 1] == ["--"]:
        return _cut(argv, end)
    while at < len(argv) and argv[at].partition("=")[0] in _BEHIND_TARGET:
        at += 1 if "=" in argv[at] else 2
    return _cut(argv, min(at, len(argv)))


def _cut(argv: list[str], at: int) -> tuple[list[str], list[str]]:
    own, rest = argv[:at], argv[at:]
    if "--" in own:
        at = own.index("--")
        return argv[:at], argv[at + 1 :]
    return own, rest[1:] if rest[:1] == ["--"] else rest


def _target_end(argv: list[str], actions: dict[str, argparse.Action]) -> int | None:
    """The index behind the target: a script's path, or the module of ``-m``."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if word == "--":
            return None
        if word == "-m":
            return at + 2 if at + 2 <= len(argv) else None
        if word.startswith("-m") and not word.startswith("--"):
            return at + 1
        if not word.startswith("-") or word == "-":
            return at + 1
        at += _width(word, actions)
    return None


def _options_end(argv: list[str], at: int, actions: dict[str, argparse.Action]) -> int:
    while at < len(argv) and argv[at].partition("=")[0] in actions:
        at += _width(argv[at], actions)
    return min(at, len(argv))


def _width(word: str, actions: dict[str, argparse.Action]) -> int:
    action = actions.get(word)
    return 1 if action is None or action.nargs == 0 else 2


def is_attribute(target: str) -> bool:
    """Whether a target is written ``package.module:attribute``."""
    return _ATTRIBUTE.fullmatch(target) is not None


def attribute(target: str) -> tuple[str, str]:
    """Module and attribute of such a target."""
    found = _ATTRIBUTE.fullmatch(target)
    assert found is not None
    return found["module"], found["attribute"]


def seconds(least: float = 0.0, *, above: bool = False) -> Callable[[str], float]:
    """The type of an option that takes a time in seconds: a finite number, ``least`` or more."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
        if not math.isfinite(value) or value < least or (above and value == least):
            raise argparse.ArgumentTypeError(
                f"{text!r}: must be a finite number of seconds, {'more than' if above else 'at least'} {least:g}"
            )
        return value

    return parse


def number(*, above: float) -> Callable[[str], float]:
    """The type of an option that takes a finite number of more than ``above``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value <= above:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of more than {above:g}")
        return value

    return parse


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes a whole number within limits."""

    def parse(text: str) -> int:
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        if re.fullmatch(r"-?[0-9]+", text) is None or not least <= int(text) <= (int(text) if most is None else most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limits}")
        return int(text)

    return parse


def size(text: str) -> int:
    """The type of an option that takes a number of bytes, such as 512, 64k, 10M or 2G."""
    found = re.fullmatch(r"([0-9]+) ?([kmg]?)(i?b)?", text.lower())
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes, such as 512, 64k, 10M or 2G")
    return int(found[1]) * _SIZES[found[2]]


def path(text: str) -> str:
    """The type of an option that takes the path of a URL."""
    if re.fullmatch(r"/[\w./~-]*", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not the path of a URL, such as /healthz")
    return text
