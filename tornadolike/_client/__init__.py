"""Decisions of the HTTP client: what to send, where a redirect leads, which connection to use again."""
