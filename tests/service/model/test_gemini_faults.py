"""A bad Gemini API gives one clear error each, in time, and never its own words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from service.errors import NodexaError
from service.model.chunk import Finish, FinishReason, TextDelta, text_of
from service.model.gemini_model import GeminiModel
from tests.fakes.chat_server import ChatServer, Raw
from tests.fakes.gemini_server import GeminiServer, Turn, piece, refuses, says
from tests.service.model.chat_client import QUICK, Naps, answer, asking
from tests.service.model.gemini_client import gemini_on

BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    async with GeminiServer() as started:
        yield started


async def failure(model: GeminiModel, *, streaming: bool = True) -> NodexaError:
    with pytest.raises(NodexaError) as caught:
        await answer(model, asking("Hi", streaming=streaming))
    assert "secret" not in caught.value.message
    assert "canary" not in caught.value.message
    assert "'m'" in caught.value.message
    return caught.value


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("turn", "code"),
    [
        (refuses(400, "INVALID_ARGUMENT", details=[BAD_KEY]), "upstream_auth_error"),
        (refuses(401, "UNAUTHENTICATED"), "upstream_auth_error"),
        (refuses(403, "PERMISSION_DENIED"), "upstream_auth_error"),
        (refuses(400, "INVALID_ARGUMENT"), "upstream_error"),
        (refuses(400, "INVALID_ARGUMENT", message=TOO_LONG), "context_length_exceeded"),
        (refuses(404, "NOT_FOUND"), "upstream_error"),
        (refuses(429, "RESOURCE_EXHAUSTED"), "rate_limit_exceeded"),
        (refuses(500, "INTERNAL"), "upstream_error"),
        (Turn(status=400, error=b"<html>secret</html>"), "upstream_error"),
        (Turn(status=400, error=[{"error": {"details": [BAD_KEY, "secret"]}}]), "upstream_auth_error"),
        (Turn(status=302, error={}, headers={"location": "http://127.0.0.1:9/"}), "upstream_error"),
        (Turn([piece(finish="MALFORMED_FUNCTION_CALL")]), "invalid_tool_call"),
        (Turn([piece(finish="OTHER")]), "upstream_error"),
        (Turn([piece(finish="A_NEW_REASON")]), "upstream_error"),
        (Turn([piece({"functionCall": {"args": {}}})]), "upstream_protocol_error"),
        (Turn([piece({"text": "a"})]), "upstream_protocol_error"),
        (Turn([{}]), "upstream_protocol_error"),
        (Turn([{"candidates": "secret"}]), "upstream_protocol_error"),
        (Turn(fault="hang"), "upstream_timeout"),
        (Turn(fault="garbage"), "upstream_protocol_error"),
    ],
)
async def test_each_fault_has_its_code(server: GeminiServer, turn: Turn, code: str, *, streaming: bool) -> None:
    server.turns.append(turn)
    assert (await failure(gemini_on(server.url, deadlines=QUICK), streaming=streaming)).code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("cut", "upstream_error"),
        ("reset", "upstream_error"),
        ("hang", "upstream_timeout"),
        ("garbage", "upstream_protocol_error"),
        ("complain", "upstream_error"),
    ],
)
async def test_what_came_before_a_fault_is_shown_and_nothing_is_asked_twice(
    server: GeminiServer, fault: str, code: str
) -> None:
    server.turns.append(Turn([piece({"text": "Hello"})], fault=fault))
    stream = gemini_on(server.url, deadlines=QUICK).stream(asking("Hi"))
    async with asyncio.timeout(10):
        assert await anext(stream) == [TextDelta("Hello")]
        with pytest.raises(NodexaError) as caught:
            await anext(stream)
    assert caught.value.code == code
    assert "secret" not in caught.value.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("streaming", [True, False])
async def test_what_may_be_gone_is_tried_again(server: GeminiServer, *, streaming: bool) -> None:
    server.turns += [refuses(503, "UNAVAILABLE"), Turn(fault="reset"), says("Hello")]
    naps = Naps()
    assert text_of(await answer(gemini_on(server.url, sleep=naps), asking("Hi", streaming=streaming))) == "Hello"
    assert naps.taken == [0.2, 0.4]


async def test_it_is_not_tried_for_ever(server: GeminiServer) -> None:
    server.turns += [refuses(503, "UNAVAILABLE") for _ in range(4)]
    assert (await failure(gemini_on(server.url))).code == "upstream_error"
    assert len(server.requests) == 3


async def test_a_closed_port_is_tried_again_and_then_an_error() -> None:
    async with GeminiServer() as server:
        pass
    naps = Naps()
    assert (await failure(gemini_on(server.url, sleep=naps))).code == "upstream_error"
    assert naps.taken == [0.2, 0.4]


async def test_an_unknown_host_is_an_error() -> None:
    assert (await failure(gemini_on("http://model.invalid/v1"))).code == "upstream_error"


async def test_a_server_that_is_none_is_an_error() -> None:
    async with ChatServer() as server:
        server.replies += [Raw((b"220 mail.example ESMTP secret\r\n",))] * 3
        assert (await failure(gemini_on(server.url))).code == "upstream_error"


async def test_throttling_says_how_long(server: GeminiServer) -> None:
    server.turns.append(refuses(429, "RESOURCE_EXHAUSTED", details=[RETRY]))
    assert (await failure(gemini_on(server.url))).retry_after == 34.5


async def test_a_key_that_is_missing_is_told_before_anything_is_asked(server: GeminiServer) -> None:
    def no_key() -> str:
        raise NodexaError("upstream_auth_error", "The model 'm' can't be asked.")

    assert (await failure(gemini_on(server.url, api_key=no_key))).code == "upstream_auth_error"
    assert server.requests == []


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_prompt_that_is_blocked_ends_the_answer_by_a_filter(server: GeminiServer, *, streaming: bool) -> None:
    server.turns.append(Turn([{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}]))
    chunks = await answer(gemini_on(server.url), asking("Hi", streaming=streaming))
    assert chunks == [Finish(FinishReason.CONTENT_FILTER)]


async def test_neither_key_nor_google_s_words_are_logged(
    server: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.turns += [refuses(400, "INVALID_ARGUMENT"), Turn(fault="garbage")]
    for _ in range(2):
        await failure(gemini_on(server.url))
    assert "INVALID_ARGUMENT" in caplog.text
    assert "secret" not in caplog.text
    assert "canary" not in caplog.text
