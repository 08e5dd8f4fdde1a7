"""What ``--ssl-certfile`` and its companions come to, with one line for each way in which they cannot be used."""

import argparse
import ssl
from pathlib import Path


class Unusable(ValueError):
    """Why the files cannot be used, in one line."""


def context(arguments: argparse.Namespace) -> ssl.SSLContext:
    """The server's side of TLS. Raises `Unusable`."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    password = _Password(arguments.ssl_keyfile_password)
    certificate, key = arguments.ssl_certfile, arguments.ssl_keyfile or arguments.ssl_certfile
    try:
        made.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:
        raise Unusable(_fault(certificate, key, password, error)) from error
    if arguments.ssl_ca_certs:
        try:
            made.load_verify_locations(arguments.ssl_ca_certs)
        except OSError as error:
            raise Unusable(f"--ssl-ca-certs: no certificate can be read from {arguments.ssl_ca_certs}") from error
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class _Password:
    """Gives the password of a key, and knows whether it was asked for."""

    def __init__(self, given: str | None) -> None:
        self.given = given
        self.was_asked_for = False

    def __call__(self) -> str:
        self.was_asked_for = True
        if self.given is None:
            raise ValueError  # else OpenSSL would ask the terminal, in each worker
        if not self.given.startswith("@"):
            return self.given
        return Path(self.given[1:]).read_text(encoding="utf-8").rstrip("\r\n")


def _fault(certificate: str, key: str, password: _Password, error: Exception) -> str:
    if password.was_asked_for:
        if password.given is None:
            return f"--ssl-keyfile: the key in {key} is encrypted: give --ssl-keyfile-password"
        if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
            return f"--ssl-keyfile-password: cannot read {password.given[1:]}: {error.strerror}"
        return f"--ssl-keyfile-password: the password does not open the key in {key}"
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"--ssl-keyfile: the key in {key} does not belong to the certificate in {certificate}"
    if "-----BEGIN CERTIFICATE" not in _text(certificate):
        return f"--ssl-certfile: there is no certificate (PEM) in {certificate}"
    if "PRIVATE KEY-----" not in _text(key):
        more = "" if key != certificate else ": name its file with --ssl-keyfile"
        return f"--ssl-keyfile: there is no private key (PEM) in {key}{more}"
    return f"cannot speak TLS with {certificate}: {getattr(error, 'strerror', None) or error}"


def _text(path: str) -> str:
    return Path(path).read_text(encoding="latin-1")
