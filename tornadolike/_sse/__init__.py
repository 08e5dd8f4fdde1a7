"""Event streams as text (HTML standard, "Server-sent events"): writing events, and reading them piece by piece."""
