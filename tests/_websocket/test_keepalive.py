"""When pings are due."""

import pytest

from tornadolike._websocket import keepalive


@pytest.mark.parametrize(("last", "now", "seconds"), [(100, 100, 10), (100, 106, 4), (100, 110, 0), (100, 500, 0)])
def test_pings_keep_their_distance(last: float, now: float, seconds: float) -> None:
    assert keepalive.seconds_to_next_ping(last, 10, now) == seconds


@pytest.mark.parametrize(
    ("interval", "timeout", "effective"), [(10, None, 10), (10, 4, 4), (10, 0, 0), (10, 11, 10), (0, 5, 5), (0, None, 0)]
)
def test_the_timeout_is_never_longer_than_the_interval(interval: float, timeout: float | None, effective: float) -> None:
    assert keepalive.effective_timeout(interval, timeout) == effective
