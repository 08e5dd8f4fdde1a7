"""TLS contexts: from keyword options, and the defaults for those who set none."""

import functools
import os
import ssl
from typing import Any

#: Options that belong to the context; they are those of the ``ssl.wrap_socket`` of old.
CONTEXT_KEYWORDS = frozenset({"ssl_version", "certfile", "keyfile", "cert_reqs", "ca_certs", "ciphers"})

_PROTOCOLS = {None: "PROTOCOL_TLS", True: "PROTOCOL_TLS_SERVER", False: "PROTOCOL_TLS_CLIENT"}


def _without_compression(context: ssl.SSLContext) -> ssl.SSLContext:
    context.options |= ssl.OP_NO_COMPRESSION  # CRIME (CVE-2012-4929)
    return context


@functools.cache
def default_context(purpose: ssl.Purpose) -> ssl.SSLContext:
    """The shared default context for ``purpose``, built when first asked for.

    Not at import: reading the system's certificates starts threads on some platforms, and a process may still want to fork.
    """
    return _without_compression(ssl.create_default_context(purpose))


def context_from_options(options: dict[str, Any], server_side: bool | None) -> ssl.SSLContext:
    """A context made from ``options``, whose keys are :data:`CONTEXT_KEYWORDS`."""
    side = None if server_side is None else bool(server_side)
    version = options["ssl_version"] if "ssl_version" in options else getattr(ssl, _PROTOCOLS[side])
    context = ssl.SSLContext(version)
    if "certfile" in options:
        context.load_cert_chain(options["certfile"], keyfile=options.get("keyfile"))
    if (requirement := options.get("cert_reqs")) is not None:
        if requirement == ssl.CERT_NONE:
            context.check_hostname = False  # a client context has it on, and then refuses CERT_NONE
        context.verify_mode = requirement
    if "ca_certs" in options:
        context.load_verify_locations(cafile=options["ca_certs"])
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    return _without_compression(context)


def _fingerprint(options: dict[str, Any]) -> tuple[Any, ...]:
    files = [options[name] for name in ("certfile", "keyfile", "ca_certs") if options.get(name) is not None]
    states = [os.stat(file) for file in files]
    return (*sorted((name, repr(value)) for name, value in options.items()), *((state.st_mtime_ns, state.st_size) for state in states))


class ServerContexts:
    """The context for a server's options, made anew only when the options or the files they name have changed.

    Reading a certificate and its key costs as much as a handshake, and clients can resume sessions only with the context that
    issued them; but a server that runs for long must see a renewed certificate.
    """

    __slots__ = ("_context", "_made_from")

    def __init__(self) -> None:
        self._made_from: tuple[Any, ...] | None = None
        self._context: ssl.SSLContext | None = None

    def current(self, options: dict[str, Any]) -> ssl.SSLContext:
        fingerprint = _fingerprint(options)
        if self._context is None or fingerprint != self._made_from:
            self._context = context_from_options(options, server_side=True)
            self._made_from = fingerprint
        return self._context
