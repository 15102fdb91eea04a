"""A model behind the Gemini API, over real sockets and through Google's own SDK."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.model.chunk import (
    Finish,
    FinishReason,
    ReasoningEnd,
    SummaryDelta,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
    text_of,
)
from service.model.deadlines import Deadlines
from service.model.gemini_model import GeminiModel
from service.model.gemini_signature import Signature
from tests.fakes.gemini_server import GeminiServer, Turn, piece, says
from tests.service.model.chat_client import answer, asking, batches
from tests.service.model.gemini_client import gemini_on

STOP = Finish(FinishReason.STOP)
USAGE = {
    "promptTokenCount": 9,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 16,
}
WEATHER = {"function": {"name": "weather", "parametersJson": '{"type":"object","properties":{"a_city":{}}}'}}


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    async with GeminiServer() as started:
        yield started


@pytest.mark.parametrize("streaming", [True, False])
async def test_text_and_usage_arrive_streamed_or_not(server: GeminiServer, *, streaming: bool) -> None:
    server.turns.append(says("Hello,", " wide", " world", usage=USAGE))
    chunks = await answer(gemini_on(server.url), asking("Hi", streaming=streaming))
    assert text_of(chunks) == "Hello, wide world"
    assert chunks[-2:] == [TokenUsage(9, 7, cached_tokens=4, reasoning_tokens=5), STOP]
    request = server.requests[0]
    method = "streamGenerateContent?alt=sse" if streaming else "generateContent"
    assert request.path == f"/v1beta/models/gemini-up:{method}"
    assert request.body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


async def test_the_key_is_sent_in_a_header_and_is_asked_for_at_each_request(server: GeminiServer) -> None:
    keys = iter(["one", "two", ""])
    model = gemini_on(server.url, api_key=lambda: next(keys))
    for _ in range(3):
        server.turns.append(says("Hello"))
        await answer(model, asking("Hi"))
    assert [each.headers.get("x-goog-api-key") for each in server.requests] == ["one", "two", None]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_an_answer_may_be_split_at_any_byte(server: GeminiServer, size: int) -> None:
    server.turns.append(Turn([piece({"text": "Grüße 🌍\u2028"}), piece({"text": " – ok"}, finish="STOP")], split=size))
    assert text_of(await answer(gemini_on(server.url), asking("Hi"))) == "Grüße 🌍\u2028 – ok"


async def test_a_piece_is_given_out_before_the_next_one_is_written(server: GeminiServer) -> None:
    server.turns.append(says("Hello", " world"))
    server.gate.clear()
    stream = gemini_on(server.url).stream(asking("Hi"))
    async with asyncio.timeout(10):
        assert await anext(stream) == [TextDelta("Hello")]
        server.gate.set()
        assert text_of([chunk async for batch in stream for chunk in batch]) == " world"


@pytest.mark.parametrize("streaming", [True, False])
async def test_calls_arrive_with_the_signature_right_before_them(server: GeminiServer, *, streaming: bool) -> None:
    calls = [
        {"functionCall": {"name": "weather", "args": {"a_city": "Paris"}}, "thoughtSignature": "c2lnbmVk"},
        {"functionCall": {"name": "weather", "id": "own", "args": {"a_city": "Rome"}}},
    ]
    server.turns.append(Turn([piece(*calls, finish="STOP", usage=USAGE)]))
    prompt = asking("Weather?", streaming=streaming, tools={"tools": [WEATHER]})
    assert await answer(gemini_on(server.url), prompt) == [
        ReasoningEnd(Signature("call", b"signed").keep()),
        ToolCallDelta(0, "weather", "", '{"a_city":"Paris"}'),
        ToolCallDelta(1, "weather", "own", '{"a_city":"Rome"}'),
        TokenUsage(9, 7, cached_tokens=4, reasoning_tokens=5),
        STOP,
    ]
    (tool,) = server.requests[0].body["tools"]
    (function,) = tool["functionDeclarations"]
    assert "a_city" in str(function)


async def test_thinking_is_told_as_a_summary(server: GeminiServer) -> None:
    server.turns.append(Turn([piece({"text": "Hm.", "thought": True}), piece({"text": "Yes"}, finish="STOP")]))
    chunks = await answer(gemini_on(server.url), asking("Hi", reasoning={"summary": "auto"}))
    assert chunks == [SummaryDelta("Hm."), TextDelta("Yes"), STOP]
    assert server.requests[0].body["generationConfig"]["thinkingConfig"] == {"include_thoughts": True}


async def test_each_piece_is_a_batch_and_none_is_empty(server: GeminiServer) -> None:
    server.turns.append(Turn([piece(), piece({"text": "a"}), piece({"text": "b"}), piece(finish="STOP")]))
    assert await batches(gemini_on(server.url), asking("Hi")) == [[TextDelta("a")], [TextDelta("b")], [STOP]]


async def test_closing_the_stream_closes_the_connection_at_once(server: GeminiServer) -> None:
    server.turns.append(says("Hello", " world"))
    server.gate.clear()
    stream = gemini_on(server.url).stream(asking("Hi"))
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(5):
        await server.hung_up.wait()


@pytest.mark.parametrize("streaming", [True, False])
async def test_cancelling_the_wait_closes_the_connection_at_once(server: GeminiServer, *, streaming: bool) -> None:
    server.turns.append(Turn([piece({"text": "never"})] * (not streaming), fault="hang"))
    asked = asyncio.create_task(answer(gemini_on(server.url), asking("Hi", streaming=streaming)))
    async with asyncio.timeout(10):
        await server.asked.wait()
        asked.cancel()
        await server.hung_up.wait()


async def test_a_server_that_lingers_behind_a_whole_answer_is_left(server: GeminiServer) -> None:
    server.turns.append(Turn([piece({"text": "Hello"}, finish="STOP")], linger=True))
    model = gemini_on(server.url, deadlines=Deadlines(closing=0.1))
    assert await answer(model, asking("Hi")) == [TextDelta("Hello"), STOP]


async def test_a_connection_is_used_again(server: GeminiServer) -> None:
    model = gemini_on(server.url)
    for _ in range(3):
        server.turns.append(says("Hello"))
        await answer(model, asking("Hi"))
    assert server.connections == 1


async def test_nothing_is_taken_from_the_environment(server: GeminiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "beta")
    server.turns.append(says("Hello"))
    assert text_of(await answer(gemini_on(server.url, api_key=lambda: ""), asking("Hi"))) == "Hello"
    assert server.requests[0].path.startswith("/v1beta/models/")
    assert "x-goog-api-key" not in server.requests[0].headers


async def test_a_warm_model_can_be_closed_and_used_by_several_turns_at_once(server: GeminiServer) -> None:
    model = gemini_on(server.url)
    await model.warm()
    server.turns += [says("Hello") for _ in range(4)]
    answers = await asyncio.gather(*(answer(model, asking("Hi")) for _ in range(4)))
    assert [text_of(chunks) for chunks in answers] == ["Hello"] * 4
    await model.close()


async def test_it_does_not_count_beforehand(server: GeminiServer) -> None:
    assert await gemini_on(server.url).count(asking("Hi")) is None


@pytest.mark.parametrize("name", ["gemini?key=x", "../files", "a&b"])
def test_a_model_name_that_would_change_the_address_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="upstream_model"):
        GeminiModel(ModelConfig(name="m", upstream_model=name), api_key=str)


def test_the_sdk_is_not_imported_before_it_is_used() -> None:
    code = "import sys, service.model.gemini_model, service.model.directory; sys.exit('google.genai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
