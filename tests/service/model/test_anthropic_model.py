"""A model behind Anthropic's Messages API, over real sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import pytest

from service.errors import NodexaError
from service.model.chunk import (
    Annotation,
    Chunk,
    Finish,
    FinishReason,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
    TokenUsage,
    text_of,
)
from service.model.deadlines import Deadlines
from tests.fakes.anthropic_frames import Said, calls, says, thinking
from tests.fakes.anthropic_server import AnthropicServer
from tests.service.model.anthropic_client import model_on
from tests.service.model.chat_client import answer, asking, batches
from tests.service.model.chat_json import STOP, joined

CITY = '{"type":"object","properties":{"city":{"type":"string"}}}'
WEATHER = {"function": {"name": "weather", "parametersJson": CITY}}


@pytest.fixture
async def server() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as started:
        yield started
        assert started.refused == []


def of_kind(chunks: Sequence[Chunk], kind: type) -> list[Chunk]:
    return [chunk for chunk in chunks if isinstance(chunk, kind)]


@pytest.mark.parametrize("streaming", [True, False])
async def test_text_and_usage_arrive_streamed_or_not(server: AnthropicServer, *, streaming: bool) -> None:
    chunks = await answer(model_on(server.url), asking("Hello, wide world", streaming=streaming))
    assert text_of(chunks) == "Hello, wide world"
    assert chunks[-2:] == [TokenUsage(10, 5), STOP]
    assert server.requests[0].path == "/v1/messages"
    assert server.requests[0].body.get("stream", False) is streaming
    assert server.requests[0].body["model"] == "claude-opus-5-5"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
async def test_an_answer_may_be_split_at_any_byte(server: AnthropicServer, size: int) -> None:
    server.script.append(says("Grüße, 世界! Plain text follows it.", size=size))
    chunks = await answer(model_on(server.url), asking("Hi"))
    assert text_of(chunks) == "Grüße, 世界! Plain text follows it."


async def test_what_comes_in_one_read_is_one_batch(server: AnthropicServer) -> None:
    server.script.append(says("Eight by eight letters", size=1 << 20))
    assert await batches(model_on(server.url), asking("Hi")) == [
        [TextDelta("Eight by"), TextDelta(" eight l"), TextDelta("etters")],
        [TokenUsage(10, 5), STOP],
    ]


async def test_the_key_is_sent_and_nothing_of_this_machine(
    server: AnthropicServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://environment.invalid")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-custom: environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    keys = iter(["one", "two", ""])
    model = model_on(server.url, api_key=lambda: next(keys))
    for _ in range(3):
        await answer(model, asking("Hi"))
    assert [each.headers.get("authorization") for each in server.requests] == ["Bearer one", "Bearer two", None]
    assert "environment" not in str(server.requests)
    assert server.requests[0].headers.keys() == {
        "host",
        "accept",
        "accept-encoding",
        "anthropic-version",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "user-agent",
    }


def test_the_sdk_is_not_loaded_before_a_model_is_asked() -> None:
    program = "import sys, service.model.anthropic_model, service.model.directory; sys.exit('anthropic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


async def test_a_base_url_may_end_with_the_version(server: AnthropicServer) -> None:
    assert text_of(await answer(model_on(f"{server.url}/v1/"), asking("Hi"))) == "Hi"


@pytest.mark.parametrize("streaming", [True, False])
async def test_parallel_calls_arrive_streamed_or_not(server: AnthropicServer, *, streaming: bool) -> None:
    both = calls(("toolu_1", "weather", {"city": "Paris"}), ("toolu_2", "weather", {}))
    server.script.append(both)
    chunks = await answer(model_on(server.url), asking("Weather?", streaming=streaming, tools={"tools": [WEATHER]}))
    told = joined(chunks)
    assert (told[0][:2], json.loads(told[0][2])) == (("weather", "toolu_1"), {"city": "Paris"})
    assert (told[1][:2], json.loads(told[1][2] or "{}")) == (("weather", "toolu_2"), {})
    assert chunks[-1] == STOP


@pytest.mark.parametrize("streaming", [True, False])
async def test_thinking_ends_with_what_anthropic_wants_to_see_again(
    server: AnthropicServer, *, streaming: bool
) -> None:
    hidden = {"type": "redacted_thinking", "data": "blob"}
    content = [thinking("Let me think.", "sig"), hidden, thinking("", "sig2"), {"type": "text", "text": "Hi"}]
    server.script.append(Said(content))
    chunks = await answer(model_on(server.url), asking("Hi", streaming=streaming))
    assert "".join(each.text for each in chunks if isinstance(each, ReasoningDelta)) == "Let me think."
    assert of_kind(chunks, ReasoningEnd) == [
        ReasoningEnd("anthropic:signature:sig"),
        ReasoningEnd("anthropic:redacted:blob"),
        ReasoningEnd("anthropic:signature:sig2"),
    ]
    assert text_of(chunks) == "Hi"


async def test_thinking_is_a_summary_where_one_was_asked_for(server: AnthropicServer) -> None:
    server.script.append(Said([thinking("Let me think.", "sig"), {"type": "text", "text": "Hi"}]))
    chunks = await answer(model_on(server.url), asking("Hi", reasoning={"summary": "auto"}))
    assert "".join(each.text for each in chunks if isinstance(each, SummaryDelta)) == "Let me think."
    assert not of_kind(chunks, ReasoningDelta)
    assert server.requests[0].body["thinking"] == {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize("streaming", [True, False])
async def test_usage_counts_the_cache_as_input(server: AnthropicServer, *, streaming: bool) -> None:
    usage = {
        "input_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    server.script.append(says("Hi", usage=usage))
    chunks = await answer(model_on(server.url), asking("Hi", streaming=streaming))
    assert of_kind(chunks, TokenUsage) == [
        TokenUsage(123, 9, cached_tokens=100, reasoning_tokens=4, cache_write_tokens=20)
    ]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("refusal", FinishReason.CONTENT_FILTER),
    ],
)
async def test_each_stop_reason_has_its_end(
    server: AnthropicServer, said: str, reason: FinishReason, *, streaming: bool
) -> None:
    server.script.append(says("Hi", stop_reason=said))
    assert (await answer(model_on(server.url), asking("Hi", streaming=streaming)))[-1] == Finish(reason)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_refusal_says_why(server: AnthropicServer, *, streaming: bool) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No malware."}
    server.script.append(Said(stop_reason="refusal", stop_details=details))
    chunks = await answer(model_on(server.url), asking("Hi", streaming=streaming))
    assert chunks[0] == RefusalDelta("No malware.")
    assert chunks[-1] == Finish(FinishReason.CONTENT_FILTER)


@pytest.mark.parametrize("streaming", [True, False])
async def test_citations_have_the_place_of_their_text(server: AnthropicServer, *, streaming: bool) -> None:
    found = {"type": "web_search_result_location", "url": "https://a.example/", "title": "A", "cited_text": "x"}
    unnamed = {"type": "page_location", "document_index": 0, "start_page_number": 1, "cited_text": "x"}
    cited = {"type": "text", "text": "the sky is blue", "citations": [found, unnamed]}
    server.script.append(Said([{"type": "text", "text": "I know: "}, cited]))
    chunks = await answer(model_on(server.url), asking("Hi", streaming=streaming))
    told = [json.loads(each.json) for each in chunks if isinstance(each, Annotation)]
    assert told == [
        {"type": "url_citation", "url": "https://a.example/", "title": "A", "start_index": 8, "end_index": 23}
    ]


async def test_blocks_and_events_that_are_not_known_say_nothing(server: AnthropicServer) -> None:
    hosted = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    server.script.append(Said([hosted, {"type": "text", "text": "Hi"}]))
    assert text_of(await answer(model_on(server.url), asking("Hi"))) == "Hi"


async def test_tokens_are_counted_by_the_server(server: AnthropicServer) -> None:
    model = model_on(server.url)
    prompt = asking("Hi", tools={"tools": [WEATHER]}, user="me", maxOutputTokens=7, stop=["x"])
    assert await model.count(prompt) == 42
    assert server.requests[0].path == "/v1/messages/count_tokens"
    server.tokens = None
    assert await model.count(prompt) is None


async def test_one_connection_serves_many_turns(server: AnthropicServer) -> None:
    model = model_on(server.url)
    for streaming in (True, False) * 3:
        await answer(model, asking("Hi", streaming=streaming))
    assert server.connections <= 2


async def test_many_turns_at_once_do_not_mix(server: AnthropicServer) -> None:
    model = model_on(server.url)
    texts = [f"I am caller number {n}" for n in range(32)]
    answers = await asyncio.gather(*(answer(model, asking(text)) for text in texts))
    assert [text_of(each) for each in answers] == texts


async def test_closing_the_generator_closes_the_socket(server: AnthropicServer) -> None:
    server.script.append(says("Hello, wide world", fault="hang"))
    stream = model_on(server.url).stream(asking("Hi"))
    async with asyncio.timeout(20):
        await anext(stream)
        await stream.aclose()
        await server.hung_up.wait()


@pytest.mark.parametrize("fault", ["stall", "hang"])
async def test_cancelling_closes_the_socket(server: AnthropicServer, fault: str) -> None:
    server.script.append(says("Hello, wide world", fault=fault))
    task = asyncio.ensure_future(answer(model_on(server.url), asking("Hi")))
    async with asyncio.timeout(20):
        await server.asked.wait()
        task.cancel()
        await server.hung_up.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_model_ends_what_is_under_way(server: AnthropicServer) -> None:
    server.script.append(says("Hello, wide world", fault="hang"))
    model = model_on(server.url, deadlines=Deadlines(idle=1.0))
    stream = model.stream(asking("Hi"))
    async with asyncio.timeout(20):
        await anext(stream)
        await model.close()
        await server.hung_up.wait()
        with pytest.raises(NodexaError):
            await anext(stream)
