"""A bad Messages server gives one clear error each, in time, and never its own words."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.errors import NodexaError
from service.model.anthropic_model import AnthropicModel
from service.model.chunk import TextDelta, text_of
from service.model.deadlines import Deadlines
from tests.fakes.anthropic_frames import Failed, says
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.chat_server import Raw
from tests.service.model.anthropic_client import model_on
from tests.service.model.chat_client import QUICK, Naps, answer, asking
from tests.service.model.test_openai_chat_faults import certificate

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


@pytest.fixture
async def server() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as started:
        yield started


async def failure(model: AnthropicModel, *, streaming: bool = True) -> NodexaError:
    with pytest.raises(NodexaError) as caught:
        await answer(model, asking("Hi", streaming=streaming))
    assert "secret" not in caught.value.message
    assert "canary" not in caught.value.message
    assert "'m'" in caught.value.message
    return caught.value


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (Failed(401, "authentication_error"), "upstream_auth_error"),
        (Failed(403, "permission_error"), "upstream_auth_error"),
        (Failed(402, "billing_error"), "upstream_error"),
        (Failed(404, "not_found_error"), "upstream_error"),
        (Failed(429, "rate_limit_error"), "rate_limit_exceeded"),
        (Failed(500, "api_error"), "upstream_error"),
        (Failed(529, "overloaded_error"), "upstream_error"),
        (Failed(400, "invalid_request_error"), "upstream_error"),
        (
            Failed(400, "invalid_request_error", "prompt is too long: 204802 tokens > 200000 maximum"),
            "context_length_exceeded",
        ),
        (
            Failed(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
            "context_length_exceeded",
        ),
        (Failed(413, "request_too_large"), "context_length_exceeded"),
        (
            Failed(400, "invalid_request_error", "This model does not support assistant message prefill."),
            "input_not_supported_for_model",
        ),
    ],
)
async def test_each_status_has_its_code(server: AnthropicServer, failed: Failed, code: str, *, streaming: bool) -> None:
    server.script.extend([failed] * 3)
    assert (await failure(model_on(server.url), streaming=streaming)).code == code


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("stall", "upstream_timeout"),
        ("hang", "upstream_timeout"),
        ("reset", "upstream_error"),
        ("garbage", "upstream_protocol_error"),
        ("overloaded_error", "upstream_error"),
        ("rate_limit_error", "rate_limit_exceeded"),
        ("authentication_error", "upstream_auth_error"),
        ("api_error", "upstream_error"),
    ],
)
async def test_each_fault_has_its_code(server: AnthropicServer, fault: str, code: str, *, streaming: bool) -> None:
    server.script.extend([says("Hello, wide world", fault=fault)] * 3)
    assert (await failure(model_on(server.url, deadlines=QUICK), streaming=streaming)).code == code


async def test_an_end_without_a_stop_reason_is_nonsense(server: AnthropicServer) -> None:
    server.script.append(says("Hello, wide world", fault="cut"))
    assert (await failure(model_on(server.url))).code == "upstream_protocol_error"


async def test_a_pause_for_tools_of_the_server_is_no_end(server: AnthropicServer) -> None:
    server.script.append(says("Hello", stop_reason="pause_turn"))
    assert (await failure(model_on(server.url))).code == "upstream_error"


async def test_what_came_before_an_error_is_given_out_first(server: AnthropicServer) -> None:
    server.script.append(says("Hello, wide world", fault="overloaded_error"))
    stream = model_on(server.url).stream(asking("Hi"))
    assert await anext(stream) == [TextDelta("Hello, w")]
    with pytest.raises(NodexaError, match="overloaded"):
        await anext(stream)
    assert len(server.requests) == 1


async def test_throttling_says_how_long_and_is_not_tried_again(server: AnthropicServer) -> None:
    server.script.append(Failed(429, "rate_limit_error", headers={"retry-after": "7"}))
    naps = Naps()
    assert (await failure(model_on(server.url, sleep=naps))).retry_after == 7.0
    assert (naps.taken, len(server.requests)) == ([], 1)


async def test_a_busy_server_is_asked_again(server: AnthropicServer) -> None:
    server.script.extend([Failed(529, "overloaded_error"), Raw(())])  # The second one hangs up without a word.
    naps = Naps()
    assert text_of(await answer(model_on(server.url, sleep=naps), asking("Hi"))) == "Hi"
    assert naps.taken == [0.2, 0.4]


async def test_a_closed_port_is_tried_again_and_then_an_error() -> None:
    async with AnthropicServer() as server:
        pass
    naps = Naps()
    assert (await failure(model_on(server.url, sleep=naps))).code == "upstream_error"
    assert naps.taken == [0.2, 0.4]


@pytest.mark.parametrize(
    ("answered", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "upstream_protocol_error"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://secret/\r\ncontent-length: 0\r\n\r\n", "upstream_error"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n", "upstream_protocol_error"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nda", "upstream_error"),
        (HEAD + b"content-length: 1000\r\n\r\ndata", "upstream_error"),
        (HEAD + b"\r\ndata: " + b"x" * 11_000_000, "upstream_protocol_error"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>secret", "upstream_protocol_error"),
        (HEAD + b'\r\ndata: {"type":"content_block_start","content_block":7}\n\n', "upstream_protocol_error"),
        (HEAD + b'\r\ndata: {"type":"message_delta"}\n\n', "upstream_protocol_error"),
        (
            HEAD + b'\r\ndata: {"type":"content_block_delta","delta":{"type":"text_delta"}}\n\n',
            "upstream_protocol_error",
        ),
    ],
)
async def test_broken_answers_have_their_code(server: AnthropicServer, answered: bytes, code: str) -> None:
    server.script.extend([Raw((answered,))] * 3)
    assert (await failure(model_on(server.url))).code == code


@pytest.mark.parametrize("words", [b'{"input_tokens": "7"}', b'{"input_tokens": -1}', b"[]", b"{"])
async def test_a_count_that_is_none_is_nonsense(server: AnthropicServer, words: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    server.counts = Raw((head + words,))
    with pytest.raises(NodexaError, match="sent"):
        await model_on(server.url).count(asking("Hi"))


async def test_a_count_that_fails_has_its_code(server: AnthropicServer) -> None:
    server.counts = Failed(401, "authentication_error")
    with pytest.raises(NodexaError) as caught:
        await model_on(server.url).count(asking("Hi"))
    assert caught.value.code == "upstream_auth_error"


async def test_a_key_that_is_missing_is_told_as_it_is(server: AnthropicServer) -> None:
    def missing() -> str:
        raise NodexaError("upstream_auth_error", "The model 'm' can't be asked: no key.")

    assert "no key" in (await failure(model_on(server.url, api_key=missing))).message
    assert not server.requests


async def test_no_secret_and_no_words_of_the_server_are_logged(
    server: AnthropicServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script.append(Failed(401, "authentication_error"))
    server.script.extend(says("Hello, wide world", fault=fault) for fault in ("api_error", "garbage", "reset"))
    for _ in range(4):
        await failure(model_on(server.url))
    assert "authentication_error" in caplog.text
    assert '"Hi"' not in caplog.text
    assert "secret" not in caplog.text
    assert "canary" not in caplog.text


async def test_a_wrong_base_url_is_said_when_the_model_is_opened() -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        model_on("ftp://example.org")


async def test_silence_is_bounded_for_unary_answers_too(server: AnthropicServer) -> None:
    server.script.append(says("Hello", fault="hang"))
    deadlines = Deadlines(idle=60.0, reply=0.3)
    assert (await failure(model_on(server.url, deadlines=deadlines), streaming=False)).code == "upstream_timeout"


async def test_tls_works_with_a_certificate_that_is_trusted_and_only_then(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    async with AnthropicServer(tls=context) as server:
        trusting = model_on(server.url, tls_context=lambda: ssl.create_default_context(cafile=str(path)))
        assert text_of(await answer(trusting, asking("Hello"))) == "Hello"
        assert (await failure(model_on(server.url))).code == "upstream_error"
