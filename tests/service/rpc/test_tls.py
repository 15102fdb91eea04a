"""gRPC with TLS: real certificates, and a core that lets in who should come in and nobody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from nodexa.v1.admin_service_pb2 import GetOrganizationRequest

from service.model.scripted import ScriptedModel
from service.rpc.listening import AddressError
from service.settings import Settings
from service.tls import TlsError, TlsFiles, tls_files
from tests.certificates import Authority, Pair
from tests.conftest import CoreUnderTest, running_core

SECONDS = 10


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def encrypted(settings: Settings, pair: Pair, *, client_ca: Path | None = None) -> Settings:
    """Settings with TLS on TCP, and a unix socket for the test's own way in."""
    inner = f"unix:{pair.cert.parent}/core.sock"
    return replace(settings, listen=(inner, *settings.listen), tls=TlsFiles(pair.cert, pair.key, client_ca))


def shown(ca: Path, own: Pair | None) -> grpc.ChannelCredentials:
    """What a client trusts, and what it shows of itself."""
    pair = (own.key.read_bytes(), own.cert.read_bytes()) if own else (None, None)
    return grpc.ssl_channel_credentials(ca.read_bytes(), *pair)


async def calls(core: CoreUnderTest, ca: Path, own: Pair | None = None) -> str:
    """The status of a call over TLS."""
    async with grpc.aio.secure_channel(core.core.addresses[1], shown(ca, own)) as channel:
        call = replace(core, channel=channel).admin.GetOrganization(
            GetOrganizationRequest(), metadata=core.metadata(), timeout=SECONDS
        )
        return (await call.code()).name


async def test_a_client_that_trusts_the_certificate_gets_in(settings: Settings, authority: Authority) -> None:
    async with running_core(encrypted(settings, authority.sign("core")), ScriptedModel()) as core:
        assert await calls(core, authority.cert) == "OK"


async def test_a_client_that_trusts_others_only_does_not(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    async with running_core(encrypted(settings, authority.sign("core")), ScriptedModel()) as core:
        assert await calls(core, Authority(tmp_path, "another").cert) == "UNAVAILABLE"


async def test_an_expired_certificate_is_refused_and_the_core_says_so(
    settings: Settings, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_core(encrypted(settings, authority.sign("core", expired=True)), ScriptedModel()) as core:
        assert await calls(core, authority.cert) == "UNAVAILABLE"
    assert "core.pem was good until" in caplog.text


async def test_nobody_gets_in_without_tls(settings: Settings, authority: Authority) -> None:
    async with (
        running_core(encrypted(settings, authority.sign("core")), ScriptedModel()) as core,
        grpc.aio.insecure_channel(core.core.addresses[1]) as channel,
    ):
        call = replace(core, channel=channel).admin.GetOrganization(
            GetOrganizationRequest(), metadata=core.metadata(), timeout=SECONDS
        )
        assert (await call.code()).name == "UNAVAILABLE"


async def test_with_a_client_ca_only_its_clients_get_in(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    friends, strangers = Authority(tmp_path, "friends"), Authority(tmp_path, "strangers")
    open_to_friends = encrypted(settings, authority.sign("core"), client_ca=friends.cert)
    async with running_core(open_to_friends, ScriptedModel()) as core:
        assert await calls(core, authority.cert, friends.sign("friend")) == "OK"
        assert await calls(core, authority.cert) == "UNAVAILABLE"
        assert await calls(core, authority.cert, strangers.sign("stranger")) == "UNAVAILABLE"
        assert await calls(core, authority.cert, friends.sign("late", expired=True)) == "UNAVAILABLE"


async def test_an_open_address_is_no_danger_with_tls(settings: Settings, authority: Authority) -> None:
    everywhere = replace(settings, listen=("0.0.0.0:0",))
    with pytest.raises(AddressError, match="--tls-cert"):
        async with running_core(everywhere, ScriptedModel()):
            pass
    pair = authority.sign("core")
    async with running_core(encrypted(everywhere, pair), ScriptedModel()) as core:
        assert core.core.addresses[1].startswith("0.0.0.0:")


def spoilt(folder: Path, pair: Pair, what: str) -> TlsFiles:
    """The files of a pair, one of them not as it should be."""
    other = Authority(folder, "other").sign("theirs")
    (folder / "words").write_text("no certificate")
    files = {
        "no certificate": TlsFiles(folder / "none.pem", pair.key),
        "no key": TlsFiles(pair.cert, folder / "none.key"),
        "a folder": TlsFiles(folder, pair.key),
        "words": TlsFiles(folder / "words", pair.key),
        "another's key": TlsFiles(pair.cert, other.key),
        "no client CA": TlsFiles(pair.cert, pair.key, folder / "none.pem"),
        "words for a client CA": TlsFiles(pair.cert, pair.key, folder / "words"),
    }
    return files[what]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no certificate", "none.pem can't be read: No such file or directory"),
        ("no key", "none.key can't be read: No such file or directory"),
        ("a folder", "can't be read: Is a directory"),
        ("words", "words and .*core.key are not a certificate and its key in PEM"),
        ("another's key", "theirs.key does not belong to the certificate .*core.pem"),
        ("no client CA", "none.pem can't be read: No such file or directory"),
        ("words for a client CA", "words holds no certificates in PEM"),
    ],
)
async def test_a_file_that_is_no_good_is_named(
    settings: Settings, authority: Authority, tmp_path: Path, what: str, said: str
) -> None:
    files = spoilt(tmp_path, authority.sign("core"), what)
    with pytest.raises(TlsError, match=said):
        async with running_core(replace(settings, tls=files), ScriptedModel()):
            pass


def test_half_of_the_files_are_too_few() -> None:
    for given in ((Path("cert"), None, None), (None, Path("key"), None), (None, None, Path("ca"))):
        with pytest.raises(TlsError, match="both --tls-cert and --tls-key"):
            tls_files(*given)
    assert tls_files(None, None, None) is None
