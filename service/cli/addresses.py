"""Addresses as people write them, `host:port` and `unix:PATH`, and whether they are free."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

# The kernel's limit on the path of a unix socket is 103 to 107 bytes, by platform; that of bridges has some more.
LONGEST_SOCKET_PATH: Final = 96
# gRPC reads the path of a unix socket as a part of a URI, and a list.
_NOT_IN_A_SOCKET_PATH: Final = ",?#%"
_BACKLOG: Final = 2048
_ANY: Final[Mapping[str, str]] = MappingProxyType({"0.0.0.0": "127.0.0.1", "::": "::1"})  # noqa: S104
_REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.EADDRINUSE: "is in use by another program: stop that one, or choose another address",
        errno.EACCES: "is not allowed to this user: ports below 1024 need privileges",
        errno.EADDRNOTAVAIL: "is not an address of this machine",
    }
)


class AddressError(Exception):
    """An address that can't be used, in words for people."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and a port; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> TcpAddress:
        """Where a client on this machine finds it: `0.0.0.0` listens everywhere and is nowhere to connect to."""
        return TcpAddress(_ANY.get(self.host, self.host), self.port)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse_tcp(text: str) -> TcpAddress:
    """Reads `host:port`, an IPv6 host in brackets. Raises AddressError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or int(port) > 65535 or not host or (":" in host and not bracketed):
        raise AddressError(f"{text!r} is not an address: write host:port, for example 127.0.0.1:8080")
    return TcpAddress(host.strip("[]"), int(port))


def parse_grpc(text: str) -> TcpAddress | UnixAddress:
    """Reads `host:port` or `unix:PATH`; a relative path becomes absolute. Raises AddressError."""
    if not text.startswith("unix:"):
        return parse_tcp(text)
    path = Path(text.removeprefix("unix:")).absolute()
    if problem := socket_problem(path):
        raise AddressError(f"{path} {problem}")
    return UnixAddress(path)


def socket_problem(path: Path) -> str:
    """Why gRPC can't use the path for a unix socket, as the rest of a sentence about it; empty where it can."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        return f"is too long for a unix socket: at most {LONGEST_SOCKET_PATH} bytes"
    if bad := [letter for letter in _NOT_IN_A_SOCKET_PATH if letter in str(path)]:
        return f"can't be a unix socket for gRPC: it has a {bad[0]!r}"
    return ""


def is_loopback(address: TcpAddress | UnixAddress) -> bool:
    """Whether only this machine can reach it. A name other than localhost counts as reachable from outside."""
    if isinstance(address, UnixAddress) or address.host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address.host).is_loopback
    return False


def listen(address: TcpAddress) -> tuple[socket.socket, TcpAddress]:
    """A listening socket, and the address with its real port. Raises AddressError."""
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        reason = _REASONS.get(error.errno or 0, f"can't be listened on: {error.strerror}")
        raise AddressError(f"{address} {reason}") from error
    return listener, TcpAddress(address.host, listener.getsockname()[1])


def check_free(address: TcpAddress | UnixAddress) -> TcpAddress | UnixAddress:
    """The address with its real port, found to be free just now. Raises AddressError.

    gRPC itself would share a port, or take over a socket file, that another server is using.
    """
    if isinstance(address, TcpAddress):
        listener, found = listen(address)
        listener.close()
        return found
    if not address.path.parent.is_dir():
        raise AddressError(f"{address} can't be listened on: {address.path.parent} is not a directory")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.connect(str(address.path))
        raise AddressError(f"{address} {_REASONS[errno.EADDRINUSE]}")
    return address
