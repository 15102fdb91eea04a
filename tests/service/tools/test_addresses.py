"""What the operator may write under `[egress]`, and what it lets through."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from service.tools.addresses import Allowance

RULES = (
    "127.0.0.1:8080",
    "[::1]:8080",
    "10.0.0.0/8",
    "192.168.7.7",
    "fd00::/8",
    "Search.lan:443",
    "*.corp.example:443",
)
REACHED = (
    ("127.0.0.1", "127.0.0.1", 8080),
    ("127.0.0.1", "any.example", 8080),
    ("::ffff:127.0.0.1", "::ffff:127.0.0.1", 8080),
    ("::1", "::1", 8080),
    ("10.9.8.7", "10.9.8.7", 1),
    ("192.168.7.7", "any.example", 99),
    ("fd12::1", "fd12::1", 80),
    ("192.168.1.1", "search.lan", 443),
    ("127.0.0.1", "SEARCH.lan.", 443),
    ("172.16.0.1", "a.b.corp.example", 443),
    ("8.8.8.8", "dns.google", 53),
)
NOT_REACHED = (
    ("127.0.0.1", "127.0.0.1", 8081),
    ("127.0.0.2", "127.0.0.2", 8080),
    ("192.168.7.8", "192.168.7.8", 80),
    ("192.168.1.1", "search.lan", 80),
    ("192.168.1.1", "xsearch.lan", 443),
    ("172.16.0.1", "corp.example", 443),
    ("172.16.0.1", "evilcorp.example", 443),
    ("169.254.169.254", "a.corp.example", 443),
    ("fe80::1", "a.corp.example", 443),
)


def test_a_rule_allows_what_it_says_and_nothing_else() -> None:
    allowed = Allowance.of(RULES)

    for address, host, port in REACHED:
        assert allowed.reaches(ip_address(address), host, port), (address, host, port)
    for address, host, port in NOT_REACHED:
        assert not allowed.reaches(ip_address(address), host, port), (address, host, port)


@pytest.mark.parametrize(
    "rule",
    ["", "host", "host:0", "host:65536", "*:80", "a.*.b:80", "10.0.0.1/8", "http://x:80", "x:y", "::1:80/x", "a b:1"],
)
def test_a_rule_that_is_none_is_named(rule: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT") as refused:
        Allowance.of([rule])

    assert repr(rule) in str(refused.value)
