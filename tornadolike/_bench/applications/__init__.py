"""The programs that the built-in scenarios measure. Each is a script of its own: it is run, never imported."""
