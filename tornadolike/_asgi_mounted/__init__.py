"""ASGI applications inside ours: their lifespans, and one call of them."""
