"""HTTP dates (RFC 9110 §5.6.7)."""

from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=64)
def http_date(seconds: int) -> str:
    """The IMF-fixdate of a Unix time, ``Sun, 06 Nov 1994 08:49:37 GMT``.

    A server asks for the same second over and over, so recent answers are kept. Raises `ValueError` or
    `OverflowError` outside the years that `datetime` knows.
    """
    when = datetime.fromtimestamp(seconds, UTC)
    # strftime() would follow the process's locale.
    time = f"{when.hour:02}:{when.minute:02}:{when.second:02}"
    return f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} {time} GMT"
