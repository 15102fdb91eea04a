"""Anthropic's models behind the whole of Nodexa: OpenAI's SDK in front, a fake Messages API behind Anthropic's SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import openai
import pytest
from pydantic import BaseModel

from tests.fakes.anthropic_frames import Failed, Said, calls, says, thinking
from tests.fakes.anthropic_server import AnthropicServer
from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS
from tests.sdk.told import deltas, ended

PNG: Final = "data:image/png;base64,iVBORw0KGgo="
PDF: Final = "data:application/pdf;base64,JVBERi0="
USAGE: Final = {
    "input_tokens": 3,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4},
}
THOUGHT: Final = thinking("Two cities.", "c2lnbmVk")
HIDDEN: Final = {"type": "redacted_thinking", "data": "aGlkZGVu"}
CALLS: Final = calls(
    ("toolu_01A", "weather", {"city": "Paris"}),
    ("toolu_01B", "weather", {"city": "Rome"}),
    before=[THOUGHT, HIDDEN, {"type": "text", "text": "I'll look."}],
    usage=USAGE,
)


@dataclass(frozen=True, slots=True)
class Claude:
    """The fake API, and the assistant whose model asks it."""

    server: AnthropicServer
    assistant: str

    def messages(self) -> list[Any]:
        """What it was told last, without the marks of the cache."""
        messages: list[Any] = json.loads(json.dumps(self.server.requests[-1].body["messages"]))
        for message in messages:
            for block in message["content"]:
                block.pop("cache_control", None)
        return messages


@pytest.fixture
async def claude(stack: Stack) -> AsyncIterator[Claude]:
    async with AnthropicServer() as server:
        name = f"claude-{server.port}"
        of = ("--upstream-model", "claude-opus-5-5")
        add = ("models", "add", name, "--kind", "anthropic", "--base-url", server.url, *of)
        await asyncio.to_thread(stack.nodexa, *add)
        made = await asyncio.to_thread(stack.nodexa, "assistants", "create", "--name", name, "--model", name)
        yield Claude(server, made["id"])
        assert server.refused == []


def outputs(output: list[Any]) -> list[Any]:
    """An output for each call, the last call's first."""
    asked = [item for item in output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in asked] == [{"city": "Paris"}, {"city": "Rome"}]
    degrees = {"toolu_01A": "21 degrees", "toolu_01B": "22 degrees"}
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": degrees[call.call_id]}
        for call in reversed(asked)
    ]


def check_second_turn(claude: Claude) -> None:
    """The model read its own turn as it had written it, and the results behind it."""
    _, own, results = claude.messages()
    assert own == {"role": "assistant", "content": list(CALLS.content)}
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_01A", "content": [{"type": "text", "text": "21 degrees"}]},
        {"type": "tool_result", "tool_use_id": "toolu_01B", "content": [{"type": "text", "text": "22 degrees"}]},
    ]


async def test_text_and_usage(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    claude.server.script.append(says("Hello, wide world", usage=USAGE))
    response = await async_client.responses.create(model=claude.assistant, input="Hi", instructions="Be brief.")
    assert (response.status, response.output_text) == ("completed", "Hello, wide world")
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens) == (123, 9)
    assert response.usage.input_tokens_details.cached_tokens == 100
    assert response.usage.output_tokens_details.reasoning_tokens == 4
    assert claude.server.requests[-1].body["system"][0]["text"] == "Be brief."


async def test_a_stream_brings_the_text_piece_by_piece(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    claude.server.script.append(says("Hello, wide world"))
    stream = await async_client.responses.create(model=claude.assistant, input="Hi", stream=True)
    events = [event async for event in stream]
    assert deltas(events) == ["Hello, w", "ide worl", "d"]
    assert ended(events).output_text == "Hello, wide world"


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_and_two_calls_come_back_in_the_second_turn(
    claude: Claude, async_client: openai.AsyncOpenAI, *, stream: bool
) -> None:
    claude.server.script.extend([CALLS, says("Mild in both.")])
    asked: dict[str, Any] = {"model": claude.assistant, "tools": TOOLS, "reasoning": {"effort": "high"}}
    if stream:
        events = [e async for e in await async_client.responses.create(input="Weather?", stream=True, **asked)]
        first = ended(events)
    else:
        first = await async_client.responses.create(input="Weather?", **asked)
    assert [item.type for item in first.output] == [
        "reasoning",
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    second = await async_client.responses.create(input=outputs(first.output), previous_response_id=first.id, **asked)
    assert second.output_text == "Mild in both."
    check_second_turn(claude)


async def test_a_client_may_carry_the_thinking_itself(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    claude.server.script.extend([CALLS, says("Mild in both.")])
    asked: dict[str, Any] = {
        "model": claude.assistant,
        "tools": TOOLS,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    first = await async_client.responses.create(input="Weather?", **asked)
    carried = [item.to_dict(mode="json") for item in first.output]
    sealed = [item["encrypted_content"] for item in carried if item["type"] == "reasoning"]
    assert len(sealed) == 2
    assert not any("c2lnbmVk" in each or "aGlkZGVu" in each for each in sealed)
    question: Any = {"role": "user", "content": "Weather?"}
    second = await async_client.responses.create(input=[question, *carried, *outputs(first.output)], **asked)
    assert second.output_text == "Mild in both."
    check_second_turn(claude)


async def test_a_summary_of_the_thinking_where_one_was_asked_for(
    claude: Claude, async_client: openai.AsyncOpenAI
) -> None:
    claude.server.script.extend([Said([THOUGHT, {"type": "text", "text": "Hi"}]), says("Bye")])
    asked: dict[str, Any] = {"model": claude.assistant, "reasoning": {"effort": "low", "summary": "auto"}}
    first = await async_client.responses.create(input="Hi", **asked)
    assert [part.text for item in first.output if item.type == "reasoning" for part in item.summary] == ["Two cities."]
    await async_client.responses.create(input="Bye", previous_response_id=first.id, **asked)
    assert claude.messages()[1]["content"][0] == THOUGHT


async def test_images_and_files_reach_the_model(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    content: list[Any] = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
        {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
    ]
    claude.server.script.append(says("A picture and a page."))
    await async_client.responses.create(model=claude.assistant, input=[{"role": "user", "content": content}])
    assert [block["type"] for block in claude.messages()[0]["content"]] == ["text", "image", "document"]


class City(BaseModel):
    """A place."""

    name: str
    people: int


async def test_structured_output(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    claude.server.script.append(says('{"name": "Rome", "people": 3}'))
    response = await async_client.responses.parse(model=claude.assistant, input="A city", text_format=City)
    assert response.output_parsed == City(name="Rome", people=3)
    form = claude.server.requests[-1].body["output_config"]["format"]
    assert (form["type"], form["schema"]["additionalProperties"]) == ("json_schema", False)


async def test_a_cut_answer_is_incomplete_and_a_refusal_is_one(
    claude: Claude, async_client: openai.AsyncOpenAI
) -> None:
    refused = Said(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No malware."})
    claude.server.script.extend([says("Hel", stop_reason="max_tokens"), refused])
    cut = await async_client.responses.create(model=claude.assistant, input="Hi", max_output_tokens=1)
    assert cut.incomplete_details
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    told = await async_client.responses.create(model=claude.assistant, input="Hi")
    assert told.incomplete_details
    assert (told.status, told.incomplete_details.reason) == ("incomplete", "content_filter")
    assert "No malware." in told.to_json()


async def test_what_the_api_has_no_word_for_is_listed_as_ignored(
    claude: Claude, async_client: openai.AsyncOpenAI
) -> None:
    response = await async_client.responses.create(model=claude.assistant, input="Hi", temperature=0.3, top_p=0.9)
    assert {"temperature", "top_p"} <= set(response.to_dict()["nodexa"]["ignored"])  # type: ignore[index]


async def test_input_tokens_are_counted_by_the_api(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    counted = await async_client.responses.input_tokens.count(model=claude.assistant, input="Hi")
    assert counted.input_tokens == 42


async def test_a_refused_key_is_said(claude: Claude, async_client: openai.AsyncOpenAI) -> None:
    claude.server.script.append(Failed(401, "authentication_error"))
    once = async_client.with_options(max_retries=0)
    with pytest.raises(openai.APIStatusError) as caught:
        await once.responses.create(model=claude.assistant, input="Hi")
    assert caught.value.code == "upstream_auth_error"
    assert "secret" not in caught.value.message
