"""Decisions of the web framework: computed from values, answered with values."""
