"""Which addresses a request may aim a tool at: the public internet, and what the operator allows beside it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PUBLIC_6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_INWARD: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure's own server for its machines, in public dress.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),  # Teredo, documentation, 6to4
    )
)
"""What isn't the public internet, by IANA's registries; so is all of IPv6 outside of 2000::/3."""
_NEVER_BY_NAME: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8")
)
"""What no name may lead to, even an allowed one: cloud metadata and its like. Only a network allows it."""
_INWARD_NAMES: Final = ("localhost", "localdomain", "local", "internal")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
_RULE: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>[0-9]{1,5})")


def inward(address: Address) -> bool:
    """Whether an address may lead anywhere else than to the public internet."""
    plain = unwrapped(address)
    if isinstance(plain, IPv6Address) and (plain not in _PUBLIC_6 or plain.scope_id):
        return True
    return not plain.is_global or _within(plain, _INWARD)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (`::ffff:127.0.0.1`, NAT64), else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def literal(host: str) -> Address | None:
    """The address that a URL's host is, None for a name. Raises ValueError for what is neither, with the reason.

    An address must be written as everybody writes it: `2130706433`, `0x7f.1` and `127.1` lead to 127.0.0.1, and no
    honest caller needs them.
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("its address has a zone")
        return ip_address(host)
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise ValueError("its host is not a name")
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            return IPv4Address(host)
        except ValueError:
            raise ValueError("its address is not written as four plain numbers") from None
    return None


def inward_name(name: str) -> bool:
    """Whether a name is one of the inside whatever it resolves to: `localhost`, `x.internal`, a name without a dot."""
    labels = name.rstrip(".").split(".")
    return len(labels) == 1 or labels[-1] in _INWARD_NAMES or labels[-2:] == ["home", "arpa"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the operator allows beside the public internet."""

    networks: tuple[Network, ...] = ()
    addresses: frozenset[tuple[Address, int]] = frozenset()
    names: frozenset[tuple[str, int]] = frozenset()
    domains: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, rules: Sequence[str]) -> Allowance:
        """Reads `10.0.0.0/8`, `10.0.0.1`, `127.0.0.1:8080`, `[::1]:80`, `search.lan:443`, `*.example:443`.

        Raises ValueError that names the rule which is none.
        """
        networks: list[Network] = []
        doors: list[tuple[str, int]] = []
        for rule in rules:
            try:
                networks.append(ip_network(rule))
            except ValueError:
                doors.append(_door(rule))
        at = [(address, door[1]) for door in doors if (address := _address(door[0])) is not None]
        named = [door for door in doors if _address(door[0]) is None]
        return cls(
            networks=tuple(networks),
            addresses=frozenset(at),
            names=frozenset(door for door in named if not door[0].startswith("*.")),
            domains=tuple((name[1:], port) for name, port in named if name.startswith("*.")),
        )

    def and_door(self, host: str, port: int) -> Allowance:
        """The same and one more host, at one port."""
        address = _address(host)
        if address is not None:
            return Allowance(self.networks, self.addresses | {(address, port)}, self.names, self.domains)
        name = host.lower().rstrip(".")
        return Allowance(self.networks, self.addresses, self.names | {(name, port)}, self.domains)

    def name(self, host: str, port: int) -> bool:
        """Whether a name is allowed, wherever it leads."""
        plain = host.lower().rstrip(".")
        return (plain, port) in self.names or any(
            port == open_port and plain.endswith(domain) for domain, open_port in self.domains
        )

    def reaches(self, address: Address, host: str, port: int) -> bool:
        """Whether a connection to `host`, which is or resolved to `address`, may be opened."""
        plain = unwrapped(address)
        if not inward(address) or _within(plain, self.networks) or (plain, port) in self.addresses:
            return True
        return self.name(host, port) and not _within(plain, _NEVER_BY_NAME)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _address(host: str) -> Address | None:
    try:
        return unwrapped(ip_address(host))
    except ValueError:
        return None


def _door(rule: str) -> tuple[str, int]:
    found = _RULE.fullmatch(rule.strip().lower())
    if found:
        host, port = found["host"].strip("[]").rstrip("."), int(found["port"])
        named = _NAME.fullmatch(host.removeprefix("*."))
        if 0 < port < 65536 and (_address(host) is not None or named):
            return host, port
    raise ValueError(f"{rule!r} is not HOST:PORT, *.DOMAIN:PORT, an address or a network like 10.0.0.0/8")
