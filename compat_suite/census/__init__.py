"""Which names of Tornado the published packages use, and whether tornadolike has them: ``python -m compat_suite census``."""
