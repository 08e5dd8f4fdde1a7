from typing import Any


def render(data: dict[str, Any]) -> str:
    return ""
