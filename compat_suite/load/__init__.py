"""What a tornadolike server does under load that lasts, beside clients that misbehave, and over a long time.

``python -m compat_suite load steady|rough|soak|all``; docs/hardening.md says what each measures. Linux only: descriptors and
memory are those that ``/proc`` tells. Load generators are processes of their own.
"""
