"""How compatible tornadolike is, measured against an installed Tornado 6.6.1: ``python -m compat_suite``.

``upstream`` runs Tornado's own tests against tornadolike and against Tornado, ``surface`` compares the two public APIs name by
name. Both use the distribution from PyPI (``pip install '.[compat]'``); nothing of Tornado's tests is kept in this repository.
"""
