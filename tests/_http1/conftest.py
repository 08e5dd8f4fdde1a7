"""The parsers that the engines run on."""

import pytest

from tornadolike._http1 import select
from tornadolike._http1.engine import HeadParser


@pytest.fixture(params=["h11", "httptools"])
def parser(request: pytest.FixtureRequest) -> HeadParser:
    """Every HTTP/1 test runs on every engine."""
    return select.parser(request.param)
