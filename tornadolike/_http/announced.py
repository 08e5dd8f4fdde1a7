"""Attributes that instances get late in their lives, made known to the interpreter before there is one.

CPython keeps the attributes of an instance in an array, whose places are named by a table that all instances of a class share, and reads
them from there at a third of the price. The table takes new names from the first few instances only. Where thirty requests arrive at
once, thirty handlers have been made before one of them sets what it sets while it works: from then on each instance of the class has a
dictionary of its own, as long as the process lives.
"""

import inspect
from collections.abc import Iterable


def announce(cls: type, names: Iterable[str]) -> None:
    """Have the instances of ``cls`` keep places for ``names``. Does nothing for classes that need more than this to be made, or unmade."""
    if hasattr(cls, "__del__"):
        return
    try:
        instance: object = object.__new__(cls)
    except TypeError:
        return
    for name in names:
        if not hasattr(inspect.getattr_static(cls, name, None), "__set__"):
            object.__setattr__(instance, name, None)
