"""Host names to socket addresses: the blocking look-up, and the answers that need none."""

import socket
from typing import Any

#: A family and an address to give to ``socket.connect``.
Address = tuple[int, Any]

# Beyond this no address literal is meant; longer texts are not given to the C library's parser.
_MAX_LITERAL_CHARS = 255
_LAST_OF_A_NUMBER = frozenset("0123456789abcdefABCDEFx \t\n\v\f\r")  # white space ends what glibc reads


def _packed(family: int, text: str) -> bytes | None:
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def literal_address(host: str, port: int, family: int) -> Address | None:
    """The address that ``host`` spells out, in the form ``getaddrinfo`` gives it; None where a look-up has to decide."""
    if not isinstance(host, str) or not isinstance(port, int) or not 0 <= port <= 0xFFFF:
        return None
    if family != socket.AF_INET6 and _packed(socket.AF_INET, host):
        return socket.AF_INET, (host, port)
    packed = _packed(socket.AF_INET6, host) if family != socket.AF_INET and socket.has_ipv6 else None
    return (socket.AF_INET6, (socket.inet_ntop(socket.AF_INET6, packed), port, 0, 0)) if packed else None


def is_address_literal(text: str) -> bool:
    """Whether ``text`` is an IP address as the C library reads it (this includes ``127.1`` and a scope, ``fe80::1%lo``)."""
    if not text or "\0" in text or len(text) > _MAX_LITERAL_CHARS or not text.isascii():
        # The empty text would be localhost, NUL would end the text early, and IDNA would turn foreign digits into ASCII ones.
        return False
    if ":" not in text and text[-1] not in _LAST_OF_A_NUMBER:
        return False  # a name: the last part of an IPv4 address is a number, decimal, octal or hexadecimal
    if _packed(socket.AF_INET, text) or (":" in text and _packed(socket.AF_INET6, text)):
        return True
    try:
        return bool(socket.getaddrinfo(text, 0, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST))
    except UnicodeError:
        return False
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return False
        raise


def look_up(host: str, port: int, family: int) -> list[Address]:
    """Ask the system's resolver, blocking. Raises OSError (``socket.gaierror``) for a name that it cannot resolve."""
    # A socket type must be named: without one some systems want a known service at the port, all repeat each address thrice.
    return [(info[0], info[4]) for info in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)]
