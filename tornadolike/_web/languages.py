"""The ``Accept-Language`` header (RFC 9110 §12.5.4)."""

from functools import lru_cache

# People know fewer. As many as a sender likes would take dozens of times their bytes.
_MAX_LANGUAGES = 100
# Those of browsers are shorter, and each browser sends the same with every request.
_MAX_REMEMBERED_LENGTH = 128


def preferred(header: str) -> tuple[str, ...]:
    """Return the language tags of ``header``, best first, without those refused by ``q=0`` or a weight that is none.

    Of more than a hundred the first hundred count.
    """
    return _remembered(header) if len(header) <= _MAX_REMEMBERED_LENGTH else _ranked(header)


def _ranked(header: str) -> tuple[str, ...]:
    weighted = []
    for entry in header.split(",", _MAX_LANGUAGES)[:_MAX_LANGUAGES]:
        tag, _, parameters = entry.strip().partition(";")
        weight = _weight(parameters.partition(";")[0].strip()) if parameters else 1.0
        if weight > 0:
            weighted.append((tag, weight))
    weighted.sort(key=lambda pair: pair[1], reverse=True)
    return tuple([tag for tag, _ in weighted])


_remembered = lru_cache(maxsize=256)(_ranked)


def _weight(parameter: str) -> float:
    if not parameter.startswith("q="):
        return 1.0
    try:
        return float(parameter[2:])
    except ValueError:
        return 0.0
