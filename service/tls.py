"""TLS files, read and found to be good before they are used; what is wrong with one is said for the operator."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

_MISMATCH = "KEY_VALUES_MISMATCH"


class TlsError(Exception):
    """A file can't be used for TLS; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a server's certificate chain and key are, in PEM; with `client_ca`, only clients that it signed get in."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate chain and its key, in PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    def expires(self) -> datetime:
        """When the certificate itself stops being good."""
        from cryptography import x509  # noqa: PLC0415 - slow to import, and of use to the core only

        return x509.load_pem_x509_certificates(self.chain)[0].not_valid_after_utc


def tls_files(cert: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """The files of the options of these names; None where none is given. Raises TlsError for half of them."""
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise TlsError("TLS needs both --tls-cert and --tls-key; --tls-client-ca comes on top of them")
    return TlsFiles(cert, key, client_ca)


def read_identity(cert: Path, key: Path) -> Identity:
    """What a server or client shows of itself. Raises TlsError."""
    chain, secret = _read(cert), _read(key)
    try:
        # An empty password: a key that needs one is refused, and nobody is asked on a terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == _MISMATCH:
            raise TlsError(f"the key {key} does not belong to the certificate {cert}") from None
        raise TlsError(f"{cert} and {key} are not a certificate and its key in PEM, the key unencrypted") from None
    return Identity(chain, secret)


def read_authorities(path: Path) -> bytes:
    """The certificates that are trusted. Raises TlsError."""
    content = _read(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise TlsError(f"{path} holds no certificates in PEM") from None
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path} can't be read: {error.strerror}") from None
