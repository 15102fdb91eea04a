"""TLS files of the bridge: its own for HTTPS, and those by which it and a core know each other."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CA: Final = "NODEXA_GRPC_CA"
CERT: Final = "NODEXA_GRPC_CERT"
KEY: Final = "NODEXA_GRPC_KEY"


@dataclasses.dataclass(frozen=True, slots=True)
class HttpsFiles:
    """Where the certificate chain and the key of the HTTPS side are, in PEM."""

    cert: Path
    key: Path


@dataclasses.dataclass(frozen=True, slots=True)
class CoreTls:
    """How to speak to a core with TLS: whom to trust, and what to show of oneself (None: nothing). All PEM."""

    authorities: bytes
    chain: bytes | None = None
    key: bytes | None = dataclasses.field(default=None, repr=False)


def https_files(cert: Path | None, key: Path | None) -> HttpsFiles | None:
    """The files, found to be good; None where none is given. Raises ValueError."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise ValueError("HTTPS needs both --tls-cert and --tls-key.")
    _check_pair(cert, key)
    return HttpsFiles(cert, key)


def core_tls(environ: Mapping[str, str]) -> CoreTls | None:
    """What the NODEXA_GRPC_… variables say; None where TLS is not asked for. Raises ValueError."""
    ca, cert, key = (Path(environ[name]) if environ.get(name) else None for name in (CA, CERT, KEY))
    if ca is None:
        if cert is not None or key is not None:
            raise ValueError(f"{CERT} and {KEY} need {CA}, the certificates that the core's is checked with.")
        return None
    authorities = _read(ca)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca)
    except ssl.SSLError:
        raise ValueError(f"{ca} holds no certificates in PEM.") from None
    if cert is None and key is None:
        return CoreTls(authorities)
    if cert is None or key is None:
        raise ValueError(f"{CERT} and {KEY} need each other.")
    return CoreTls(authorities, *_check_pair(cert, key))


def _check_pair(cert: Path, key: Path) -> tuple[bytes, bytes]:
    pair = _read(cert), _read(key)
    try:
        # An empty password: a key that needs one is refused, and nobody is asked on a terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"The key {key} does not belong to the certificate {cert}.") from None
        raise ValueError(f"{cert} and {key} are not a certificate and its key in PEM, the key unencrypted.") from None
    return pair


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}.") from None
