"""TLS contexts: from keyword options, and the defaults for those who set none."""

import functools
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
