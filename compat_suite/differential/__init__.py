"""Scenarios of our own, run on Tornado and on tornadolike, and compared byte for byte: ``python -m compat_suite differential``.

A scenario is a small application and a conversation with it, or calls of the API. What a client or a caller can see of it is
recorded (`recording`), freed of what differs from run to run, and must be equal on both sides. Where tornadolike differs on
purpose the scenario says so and says what each side has to show.

``scenarios/`` holds the table, ``generated`` what Hypothesis draws, ``child`` runs one side, ``runner`` compares the two.
"""
