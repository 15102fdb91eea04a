"""Addresses are read as people write them, and are known to be free before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from service.cli.addresses import (
    AddressError,
    TcpAddress,
    UnixAddress,
    check_free,
    is_loopback,
    listen,
    parse_grpc,
    parse_tcp,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8080", "127.0.0.1", 8080), ("localhost:0", "localhost", 0), ("[::1]:65535", "::1", 65535)],
)
def test_a_host_and_a_port_are_read_and_written_alike(text: str, host: str, port: int) -> None:
    assert parse_tcp(text) == TcpAddress(host, port)
    assert str(parse_tcp(text)) == text


@pytest.mark.parametrize("text", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "::1:80", "a:-1"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=r"write host:port, for example 127\.0\.0\.1:8080"):
        parse_tcp(text)


def test_a_relative_socket_path_becomes_absolute() -> None:
    assert parse_grpc("unix:var/core.sock") == UnixAddress(Path("var/core.sock").absolute())


def test_a_socket_path_that_no_kernel_takes_is_refused() -> None:
    with pytest.raises(AddressError, match="too long for a unix socket"):
        parse_grpc("unix:/" + "long/" * 30)


@pytest.mark.parametrize("letter", [",", "?", "#", "%"])
def test_a_socket_path_that_grpc_reads_as_something_else_is_refused(letter: str) -> None:
    with pytest.raises(AddressError, match=r"can't be a unix socket for gRPC: it has a '"):
        parse_grpc(f"unix:/var/a{letter}b/core.sock")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("unix:/tmp/a", True),
        ("0.0.0.0:1", False),
        ("10.0.0.1:1", False),
        ("[::]:1", False),
        ("example.com:1", False),
    ],
)
def test_only_what_stays_on_this_machine_is_loopback(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_loopback(parse_grpc(text)) is expected


def test_an_address_that_listens_everywhere_is_reached_on_this_machine() -> None:
    assert str(parse_tcp("0.0.0.0:80").reachable) == "127.0.0.1:80"
    assert str(parse_tcp("[::]:80").reachable) == "[::1]:80"


def test_port_0_becomes_the_port_that_was_found() -> None:
    listener, address = listen(TcpAddress("127.0.0.1", 0))
    with listener:
        assert address.port == listener.getsockname()[1] != 0


def test_a_used_port_is_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = TcpAddress("127.0.0.1", server.getsockname()[1])
        with pytest.raises(AddressError, match=rf"^{address} is in use by another program"):
            check_free(address)


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(AddressError, match="is not an address of this machine"):
        listen(TcpAddress("192.0.2.1", 0))


def test_a_socket_file_is_free_once_nobody_listens_on_it(tmp_path: Path) -> None:
    address = UnixAddress(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address.path))
        server.listen()
        with pytest.raises(AddressError, match="is in use by another program"):
            check_free(address)
    assert check_free(address) == address
