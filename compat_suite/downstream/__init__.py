"""Packages from PyPI, unmodified, on Tornado and on tornadolike: ``python -m compat_suite downstream``.

Each has a virtual environment of its own, kept between runs in the user's cache directory. What counts is the package's own test
suite where its source distribution ships one, otherwise a program of ours (``programs/``) which uses the package as its users do.
Tornado is measured first, then tornadolike on asyncio and on uvloop. A package counts when it does on both what it does on Tornado, test
by test. ``downstream NAME ...`` picks packages; a table and the exit status tell the result, ``--json FILE`` all of it.
"""

from compat_suite.downstream.runner import add_options, add_own_options, execute

__all__ = ["add_options", "add_own_options", "execute"]
