"""Where templates are, and how the settings of an application want them to be read."""

import os
from collections.abc import Mapping
from types import FrameType
from typing import Any

_OPTIONS = {"autoescape": "autoescape", "template_whitespace": "whitespace"}


def directory_of_caller(frame: FrameType) -> str:
    """The directory of the source file, other than that of ``frame``, which called it."""
    here = frame.f_code.co_filename
    caller: FrameType | None = frame
    while caller is not None and caller.f_code.co_filename == here:
        caller = caller.f_back
    return os.path.dirname((caller or frame).f_code.co_filename)


def options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `template.Loader` is to be told."""
    return {option: settings[name] for name, option in _OPTIONS.items() if name in settings}
