"""The pages that say what went wrong."""

import html


def page(status: int, reason: str) -> str:
    """Return the HTML for an error; ``reason`` may hold anything, it is escaped."""
    text = f"{status}: {html.escape(reason)}"
    return f"<html><title>{text}</title><body>{text}</body></html>"
