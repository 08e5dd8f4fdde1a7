"""Other people's readers of event streams, directly and through nginx. Chromium is left to ``python -m compat_suite event-streams``."""

import importlib.util
import os
from pathlib import Path

import pytest

from compat_suite.event_streams import runner
from compat_suite.rooms.servers import CannotRun
from tests.conftest import tool


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where npm has put `eventsource`."""
    directory = tmp_path_factory.mktemp("npm")
    try:
        runner.install_eventsource(directory)
    except CannotRun as error:
        _missing(str(error))
    return directory


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "nginx"])
async def test_eventsource_of_npm(packages: Path, proxied: bool) -> None:
    if proxied:
        tool("nginx")
    assert await runner.check("eventsource", packages, proxied=proxied) == []


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "nginx"])
async def test_httpx_sse(tmp_path: Path, proxied: bool) -> None:
    if importlib.util.find_spec("httpx_sse") is None:
        _missing("httpx-sse is not installed")
    if proxied:
        tool("nginx")
    assert await runner.check("httpx-sse", tmp_path, proxied=proxied) == []
