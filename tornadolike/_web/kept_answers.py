"""Answers with whole files, for the second in which their headers are true: the same file, asked for in the same way, has the same ones."""

import datetime as dt
import operator
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tornadolike._http.response_head import ResponseHead
from tornadolike._web.kept_files import KeptFiles

MAX_ANSWERS = 1000
"""How many are kept."""


class KeptAnswer(NamedTuple):
    """An answer with a whole file: what its headers were, without its length."""

    absolute_path: str
    modified: dt.datetime | None
    head: ResponseHead
    length: str
    content: bytes


class KeptAnswers:
    """Answers under what they depend on besides the file: keys begin with the head that all answers of that second stand on."""

    def __init__(self, files: KeptFiles) -> None:
        self._files = files
        self._answers: dict[tuple[Any, ...], KeptAnswer] = {}

    def find(self, key: tuple[Any, ...], now: float) -> tuple[KeptAnswer, os.stat_result] | None:
        """An answer, and the file as it is; None where there is none, or the file is not the one that it was made of."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        try:
            found = os.stat(answer.absolute_path)
        except OSError:
            return None
        return (answer, found) if self._files.get(answer.absolute_path, found, now) is answer.content else None

    def note(self, key: tuple[Any, ...], path: str, modified: dt.datetime | None, fields: dict[str, str], content: bytes) -> None:
        """Keep an answer with these header ``fields``. Those of another second are forgotten."""
        answers = self._answers
        if len(answers) >= MAX_ANSWERS or (answers and next(iter(answers))[0] is not key[0]):
            answers.clear()
        length = fields.pop("Content-Length")
        answers[key] = KeptAnswer(path, modified, ResponseHead(fields), length, content)


def as_made(cls: type, names: Iterable[str], base: type, base_names: Iterable[str], before: Iterable[str] = ()) -> Callable[[object], bool]:
    """A function that says whether an object has these methods as they are now.

    Somebody may put others in their place: on the class, on its base, which has the ``base_names``, or on the object. Only who gets hold of
    an object can do the last: one of the methods that are called ``before`` we are asked must have been replaced, too.
    """
    names, base_names, before = tuple(names), tuple(base_names), tuple(before)
    members, base_members = vars(cls), vars(base)
    methods_of, base_methods_of = operator.itemgetter(*names), operator.itemgetter(*base_names)
    made, base_made = methods_of(members), base_methods_of(base_members)
    all_of = operator.itemgetter(*names, *(name for name in before if name in members))
    base_all_of = operator.itemgetter(*base_names, *(name for name in before if name not in members))
    all_made, base_all_made, size = all_of(members), base_all_of(base_members), len(members)
    inherits_from, is_free_of = frozenset(base_names).isdisjoint, frozenset((*names, *base_names)).isdisjoint

    def holds(instance: object) -> bool:
        try:
            if len(members) == size and all_of(members) == all_made and base_all_of(base_members) == base_all_made:
                return True
            if methods_of(members) != made or base_methods_of(base_members) != base_made:
                return False
        except KeyError:
            return False
        # To look at its names makes CPython 3.11 and 3.12 turn the array, in which an object keeps its attributes, into a dictionary, from
        # which each of them is read at four times the price as long as the object lives.
        return inherits_from(members) and is_free_of(vars(instance))

    return holds


def replaceable(cls: type, besides: Iterable[str]) -> tuple[str, ...]:
    """The names of all methods in ``cls`` that can be replaced from outside, but for some."""
    return tuple(
        name
        for name, value in vars(cls).items()
        if (callable(value) or isinstance(value, classmethod | staticmethod)) and name not in besides and "__" not in name
    )
