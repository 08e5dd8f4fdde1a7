"""What `importlib.metadata` is told about ``tornado`` while tornadolike stands in for it.

Libraries such as OpenTelemetry ask ``importlib.metadata.version("tornado")`` before they do anything. Where the real
distribution is installed as well, its own metadata stays the answer.
"""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from typing import Any

import tornadolike

_METADATA = f"""\
Metadata-Version: 2.1
Name: tornado
Version: {tornadolike.version}
Summary: The API of Tornado {tornadolike.version}, served by tornadolike {tornadolike.__version__}
"""


class StandIn(Distribution):
    """The distribution ``tornado`` at the API level that tornadolike offers. It lists no files: it owns none."""

    def read_text(self, filename: str) -> str | None:
        return _METADATA if filename == "METADATA" else None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        return Path(tornadolike.__file__).parent.parent / path


def stand_in(finder: object, context: DistributionFinder.Context | None) -> Iterator[Distribution]:
    """`StandIn`, where ``context`` asks for it, for the paths of this process, and no other finder knows a ``tornado``."""
    context = context or DistributionFinder.Context()
    if context.name not in (None, "tornado") or context.path is not sys.path:
        return
    question = DistributionFinder.Context(name="tornado")
    for other in sys.meta_path:
        find: Any = getattr(other, "find_distributions", None)
        if other is not finder and find is not None and any(True for _ in find(question)):
            return
    yield StandIn()
