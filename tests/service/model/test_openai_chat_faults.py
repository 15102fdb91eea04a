"""A bad model server gives one clear error each, in time, and never its own words."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.chunk import TextDelta, text_of
from service.model.deadlines import Deadlines, deadlines_of
from service.model.openai_chat import OpenAIChat
from tests.fakes.chat_server import ChatServer, Raw
from tests.service.model.chat_client import QUICK, Naps, answer, asking, model_on
from tests.service.model.chat_json import delta

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as started:
        yield started


async def failure(model: OpenAIChat, text: str = "Hi", *, streaming: bool = True) -> NodexaError:
    with pytest.raises(NodexaError) as caught:
        await answer(model, asking(text, streaming=streaming))
    assert "secret" not in caught.value.message
    assert "canary" not in caught.value.message
    assert "'m'" in caught.value.message
    return caught.value


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("unauthorized", "upstream_auth_error"),
        ("throttled", "rate_limit_exceeded"),
        ("broken", "upstream_error"),
        ("unavailable", "upstream_error"),
        ("overflow", "context_length_exceeded"),
        ("stall", "upstream_timeout"),
        ("hang", "upstream_timeout"),
        ("reset", "upstream_error"),
        ("garbage", "upstream_protocol_error"),
        ("complain", "upstream_error"),
    ],
)
async def test_each_fault_has_its_code(server: ChatServer, word: str, code: str, *, streaming: bool) -> None:
    assert (await failure(model_on(server.url, deadlines=QUICK), word, streaming=streaming)).code == code


async def test_an_end_without_a_finish_reason_is_nonsense(server: ChatServer) -> None:
    assert (await failure(model_on(server.url), "cut")).code == "upstream_protocol_error"


async def test_throttling_says_how_long(server: ChatServer) -> None:
    assert (await failure(model_on(server.url), "throttled")).retry_after == 7.0


async def test_a_closed_port_is_tried_again_and_then_an_error() -> None:
    async with ChatServer() as server:
        pass
    naps = Naps()
    assert (await failure(model_on(server.url, sleep=naps))).code == "upstream_error"
    assert naps.taken == [0.2, 0.4]


async def test_an_unknown_host_is_an_error() -> None:
    assert (await failure(model_on("http://model.invalid/v1"))).code == "upstream_error"


@pytest.mark.parametrize("word", ["unauthorized", "throttled", "broken", "overflow"])
async def test_what_trying_again_can_not_help_is_asked_once(server: ChatServer, word: str) -> None:
    await failure(model_on(server.url), word)
    assert len(server.requests) == 1


async def test_a_server_that_comes_up_late_is_asked_again(server: ChatServer) -> None:
    busy = Raw((b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",))
    server.replies.extend((busy, Raw(())))  # The second one hangs up without a word.
    naps = Naps()
    assert text_of(await answer(model_on(server.url, sleep=naps), asking("Hi"))) == "Hi"
    assert naps.taken == [0.2, 0.4]


async def test_a_failure_behind_the_first_token_is_not_tried_again(server: ChatServer) -> None:
    stream = model_on(server.url).stream(asking("reset"))
    assert await anext(stream) == [TextDelta("One")]
    with pytest.raises(NodexaError):
        await anext(stream)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answered", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "upstream_protocol_error"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://secret/\r\ncontent-length: 0\r\n\r\n", "upstream_error"),
        (b"HTTP/1.1 204 None\r\n\r\n", "upstream_protocol_error"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n", "upstream_protocol_error"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nda", "upstream_error"),
        (HEAD + b"content-length: 1000\r\n\r\n" + delta(content="Hi"), "upstream_error"),
        (HEAD + b"content-encoding: gzip\r\n\r\n\x1f\x8b\x08\x00", "upstream_protocol_error"),
        (HEAD + b"\r\ndata: " + b"x" * 11_000_000, "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>secret", "upstream_protocol_error"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\nsecret", "upstream_error"),
    ],
)
async def test_broken_http_has_its_code(server: ChatServer, answered: bytes, code: str) -> None:
    server.replies.append(Raw((answered,)))
    assert (await failure(model_on(server.url))).code == code


async def test_a_byte_now_and_then_is_no_silence(server: ChatServer) -> None:
    text = "slow " + "word " * 8  # 0.4 s in all, which is more than the idle limit.
    assert text_of(await answer(model_on(server.url, deadlines=QUICK), asking(text))) == ("word " * 8).rstrip()


async def test_no_secret_and_no_words_of_the_server_are_logged(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for word in ("unauthorized", "broken", "complain", "garbage", "reset"):
        await failure(model_on(server.url), word)
    assert "invalid_api_key" in caplog.text
    assert "secret" not in caplog.text
    assert "canary" not in caplog.text


def certificate(folder: Path) -> Path:
    """Writes a key and a self-signed certificate for 127.0.0.1 into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "model server")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + cert.public_bytes(serialization.Encoding.PEM))
    return path


async def test_tls_works_with_a_certificate_that_is_trusted_and_only_then(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    async with ChatServer(tls=context) as server:
        trusting = model_on(server.url, tls_context=lambda: ssl.create_default_context(cafile=str(path)))
        assert text_of(await answer(trusting, asking("Hello world"))) == "Hello world"
        assert (await failure(model_on(server.url))).code == "upstream_error"


async def test_an_answer_may_not_take_for_ever(server: ChatServer) -> None:
    hasty = Deadlines(idle=10.0, total=0.3)
    assert (await failure(model_on(server.url, deadlines=hasty), "slow " + "word " * 100)).code == "upstream_timeout"
    assert (await failure(model_on(server.url, deadlines=hasty), "stall")).code == "upstream_timeout"


async def test_an_administrator_says_how_long() -> None:
    config = ModelConfig(idle_seconds=7.0)
    assert deadlines_of(config, Deadlines()) == Deadlines(idle=7.0, reply=7.0)
    assert deadlines_of(ModelConfig(total_seconds=9.0), Deadlines()) == Deadlines(total=9.0)
    assert deadlines_of(ModelConfig(), Deadlines()) == Deadlines()
