"""Where the core listens: plainly on this machine, encrypted with TLS, or elsewhere only when told to."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import grpc

from service.tls import TlsFiles, read_authorities, read_identity

log = logging.getLogger(__name__)


class AddressError(Exception):
    """An address can't be listened on; the message says which and what to do."""


def bind(server: grpc.aio.Server, addresses: Sequence[str], *, tls: TlsFiles | None) -> list[str]:
    """Listens on every address, with TLS on all but unix sockets; returns them with the ports that 0 became.

    Raises AddressError and TlsError.
    """
    bound = []
    credentials = _credentials(tls) if tls else None
    for address in addresses:
        if address.startswith("unix:"):
            Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        own = None if address.startswith("unix:") else credentials
        try:
            port = server.add_secure_port(address, own) if own else server.add_insecure_port(address)
        except RuntimeError as error:
            raise AddressError(
                f"{address} can't be listened on: it is in use, or not an address of this machine."
            ) from error
        host, _, _ = address.rpartition(":")
        bound.append(address if address.startswith("unix:") else f"{host}:{port}")
    return bound


def private_socket(path: Path) -> tuple[socket.socket, int]:
    """A unix socket for its owner only, bound and not listened on yet, and its inode.

    One that a killed core left there is replaced. Raises AddressError.
    """
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        found.bind(str(path))
        path.chmod(0o600)
        inode = path.stat().st_ino
    except OSError as error:
        found.close()
        raise AddressError(f"{path}, where bridges reach the core, can't be listened on: {error.strerror}.") from error
    return found, inode


def expect_private(addresses: Sequence[str], *, encrypted: bool, insecure: bool) -> None:
    """Raises AddressError for an address that others could reach without TLS, unless `insecure` says that is meant."""
    for address in addresses:
        host = address.rpartition(":")[0].strip("[]")
        private = address.startswith("unix:") or host in ("localhost", "::1") or host.startswith("127.")
        if not private and not insecure and not encrypted:
            raise AddressError(
                f"{address} is open to the network, and gRPC here isn't encrypted. Name --tls-cert and --tls-key, "
                "listen on 127.0.0.1 or unix:PATH, or say --insecure where something else protects it."
            )


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    identity = read_identity(tls.cert, tls.key)
    if (until := identity.expires()) < datetime.now(UTC):
        log.warning("the certificate %s was good until %s: clients will refuse it", tls.cert, until)
    authorities = read_authorities(tls.client_ca) if tls.client_ca else None
    return grpc.ssl_server_credentials(
        [(identity.key, identity.chain)], authorities, require_client_auth=authorities is not None
    )
