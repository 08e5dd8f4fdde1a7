"""URLs put together and taken apart (RFC 3986), as far as HTTP's parties need it."""

import urllib.parse
from collections.abc import Iterable
from typing import Any


def with_query(url: str, arguments: Iterable[tuple[Any, Any]]) -> str:
    """``url`` with ``arguments`` behind those that its query has, before the fragment.

    >>> with_query("/p?x=1#top", [("tag", "a b"), ("tag", 2)])
    '/p?x=1&tag=a+b&tag=2#top'
    """
    # Parameters of the path (RFC 2396) are a part of their own to urlparse() and take longer; what no text is, it judges, too.
    plain = isinstance(url, str) and ";" not in url
    split, join = (urllib.parse.urlsplit, urllib.parse.urlunsplit) if plain else (urllib.parse.urlparse, urllib.parse.urlunparse)
    *before, query, fragment = split(url)
    pairs: list[tuple[Any, Any]] = list(urllib.parse.parse_qsl(query, keep_blank_values=True)) if query else []
    pairs.extend(arguments)
    return join((*before, "&".join([f"{_escaped(name)}={_escaped(value)}" for name, value in pairs]), fragment))


def _escaped(value: Any) -> str:
    text = value if isinstance(value, str | bytes) else str(value)
    # Most are words, which stay as they are.
    return text if isinstance(text, str) and text.isascii() and text.isalnum() else urllib.parse.quote_plus(text)
