"""When pings are due. Times and spans are in seconds."""


def seconds_to_next_ping(last_ping: float, interval: float, now: float) -> float:
    """How long to wait so that pings come ``interval`` apart, whatever happened since the last one; never negative."""
    return max(0, last_ping + interval - now)


def effective_timeout(interval: float, timeout: float | None) -> float:
    """How long to wait for a pong: ``timeout``, by default as long as the interval and never longer; 0 is for ever."""
    if timeout is None or (interval and timeout > interval):
        return interval
    return timeout
