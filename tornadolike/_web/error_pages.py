"""The pages that say what went wrong."""

# As `html.escape` does it: that module has the names of 2,200 characters with it.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def page(status: int, reason: str) -> str:
    """Return the HTML for an error; ``reason`` may hold anything, it is escaped."""
    text = f"{status}: {reason.translate(_ESCAPES)}"
    return f"<html><title>{text}</title><body>{text}</body></html>"
