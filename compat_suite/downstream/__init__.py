"""Packages from PyPI, unmodified, on Tornado and on tornadolike: ``python -m compat_suite downstream``.

Each has a virtual environment of its own, kept between runs in the user's cache directory. What counts is the package's own test
suite where its source distribution ships one, otherwise a program of ours (``programs/``) which uses the package as its users do.
Tornado is measured first. A package counts when it does on tornadolike what it does on Tornado, test by test.
"""

from compat_suite.downstream.runner import add_options, add_own_options, execute

__all__ = ["add_options", "add_own_options", "execute"]
