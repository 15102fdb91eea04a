"""`nodexa serve` with certificates: HTTPS, gRPC with TLS, and the ways in for this machine and for others."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.certificates import Authority, Pair
from tests.service.cli.served import COMMAND, SECONDS, Running, Served, nodexa


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A Nodexa that speaks TLS only, its CA, and a certificate that it lets in."""

    served: Served
    grpc: str
    ca: Path
    friend: Pair
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """What a friend elsewhere has in the environment."""
        return {
            "NODEXA_GRPC": self.grpc,
            "NODEXA_API_KEY": self.served.quickstart["NODEXA_API_KEY"],
            "NODEXA_GRPC_CA": str(self.ca),
            "NODEXA_GRPC_CERT": str(self.friend.cert),
            "NODEXA_GRPC_KEY": str(self.friend.key),
            **more,
        }


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("tls")
    authority, friends = Authority(folder), Authority(folder, "friends")
    own = authority.sign("nodexa")
    files = ("--tls-cert", str(own.cert), "--tls-key", str(own.key), "--tls-client-ca", str(friends.cert))
    served = Served(folder / "var", *files)
    try:
        grpc = served.wait_for(r"gRPC +(127\.0\.0\.1:\d+)")[1]
        served.ready()
        yield Encrypted(served, grpc, authority.cert, friends.sign("friend"), folder)
    finally:
        served.stop()


def test_http_is_encrypted(encrypted: Encrypted) -> None:
    address = encrypted.served.quickstart["NODEXA_BASE_URL"]
    assert address.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=encrypted.ca)
    assert httpx.get(f"{address}/readyz", verify=trusting, trust_env=False, timeout=SECONDS).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{address}/readyz", verify=ssl.create_default_context(), trust_env=False, timeout=SECONDS)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http{address.removeprefix('https')}/readyz", trust_env=False, timeout=SECONDS)


def test_commands_of_this_machine_need_no_certificate(encrypted: Encrypted) -> None:
    listed = nodexa("keys", "list", "--data", str(encrypted.served.data), cwd=encrypted.folder)
    assert listed.code == 0, listed.err
    assert encrypted.served.quickstart["NODEXA_GRPC"].startswith("unix:")


def test_commands_from_elsewhere_get_in_with_a_certificate(encrypted: Encrypted) -> None:
    listed = nodexa("keys", "list", cwd=encrypted.folder, env=encrypted.environment())
    assert listed.code == 0, listed.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"NODEXA_GRPC_CA": "friends.pem"}, "can't agree on TLS: certificate verify failed"),
        ({"NODEXA_GRPC_CA": "none.pem"}, "none.pem can't be read: No such file or directory"),
        ({"NODEXA_GRPC_CERT": "nodexa.pem"}, "friend.key does not belong to the certificate nodexa.pem"),
        ({"NODEXA_GRPC_CERT": ""}, "NODEXA_GRPC_CERT and NODEXA_GRPC_KEY in the environment need each other"),
    ],
    ids=["wrong CA", "no CA", "another's certificate", "half a pair"],
)
def test_what_is_wrong_with_tls_is_said(encrypted: Encrypted, more: dict[str, str], said: str) -> None:
    refused = nodexa("keys", "list", cwd=encrypted.folder, env=encrypted.environment(**more))
    assert refused.code == 1
    assert said in " ".join(refused.err.split())


@pytest.mark.parametrize("missing", [(), ("NODEXA_GRPC_CA",)], ids=["a certificate", "TLS"])
def test_nobody_gets_in_without(encrypted: Encrypted, missing: tuple[str, ...]) -> None:
    more = dict.fromkeys(("NODEXA_GRPC_CERT", "NODEXA_GRPC_KEY", *missing), "")
    refused = nodexa("keys", "list", cwd=encrypted.folder, env=encrypted.environment(**more))
    assert refused.code == 1


def test_a_bridge_elsewhere_finds_the_core_with_a_certificate(encrypted: Encrypted) -> None:
    command = (*COMMAND, "bridge", "--http", "127.0.0.1:0", "--core", encrypted.grpc)
    bridge = Running(*command, cwd=encrypted.folder, env=encrypted.environment())
    stranger = Running(
        *command, cwd=encrypted.folder, env=encrypted.environment(NODEXA_GRPC_CERT="", NODEXA_GRPC_KEY="")
    )
    try:
        for running, status in ((bridge, 200), (stranger, 503)):
            address = running.wait_for(r"listening on (http://[\d.:]+)")[1]
            with httpx.Client(base_url=address, trust_env=False, timeout=SECONDS) as http:
                assert http.get("/readyz").status_code == status
    finally:
        bridge.stop()
        stranger.stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tls-cert", "none.pem", "--tls-key", "none.key"), "none.pem can't be read: No such file or directory"),
        (("--tls-cert", "none.pem"), "TLS needs both --tls-cert and --tls-key"),
    ],
    ids=["missing file", "half a pair"],
)
def test_serve_checks_the_files_before_it_starts_anything(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    refused = nodexa("serve", "--no-weights", "--http", "127.0.0.1:0", *options, cwd=tmp_path)
    assert refused.code in (1, 2)
    assert said in " ".join(refused.err.split())
    assert not (tmp_path / "var").exists()


def test_a_bridge_checks_its_files_too(tmp_path: Path) -> None:
    for options, env, said in (
        (("--tls-cert", "none.pem", "--tls-key", "none.key"), {}, "none.pem can't be read"),
        (("--tls-cert", "none.pem"), {}, "both --tls-cert and --tls-key"),
        ((), {"NODEXA_GRPC_CA": "none.pem"}, "none.pem can't be read"),
        ((), {"NODEXA_GRPC_KEY": "none.key"}, "need NODEXA_GRPC_CA"),
    ):
        refused = nodexa("bridge", "--http", "127.0.0.1:0", *options, cwd=tmp_path, env=env)
        assert refused.code == 2
        assert said in refused.err
