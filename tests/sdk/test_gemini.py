"""Google's models behind the whole of Nodexa: the OpenAI SDK in front, a fake Gemini API behind Google's SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import openai
import pytest
from pydantic import BaseModel

from tests.fakes.gemini_server import GeminiServer, Turn, piece, refuses, says
from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS

PNG: Final = "data:image/png;base64,iVBORw0KGgo="
USAGE: Final = {
    "promptTokenCount": 9,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 16,
}
CALLS: Final = Turn(
    [
        piece({"text": "Two cities.", "thought": True}),
        piece(
            {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2lnbmVkIPCf"},
            {"functionCall": {"name": "weather", "args": {"city": "Rome"}}},
            finish="STOP",
            usage=USAGE,
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Gemini:
    """The fake API, and the assistant whose model asks it."""

    server: GeminiServer
    assistant: str

    def contents(self) -> list[Any]:
        """What it was told last."""
        contents: list[Any] = self.server.requests[-1].body["contents"]
        return contents


@pytest.fixture
async def gemini(stack: Stack) -> AsyncIterator[Gemini]:
    async with GeminiServer() as server:
        name = f"gemini-{server.port}"
        add = ("models", "add", name, "--kind", "gemini", "--base-url", server.url, "--upstream-model", "gemini-3-pro")
        await asyncio.to_thread(stack.nodexa, *add)
        made = await asyncio.to_thread(stack.nodexa, "assistants", "create", "--name", name, "--model", name)
        yield Gemini(server, made["id"])


@pytest.fixture
def once(async_client: openai.AsyncOpenAI) -> openai.AsyncOpenAI:
    """The SDK without retries, which would use up the turns of the fake API."""
    return async_client.with_options(max_retries=0)


def outputs(output: list[Any]) -> list[Any]:
    """An output for each call."""
    calls = [item for item in output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{degrees} degrees"}
        for call, degrees in zip(calls, (21, 22), strict=True)
    ]


def check_second_turn(gemini: Gemini, output: list[Any]) -> None:
    """The calls came back as they were made, signed where they were, and their outputs behind them."""
    ids = [item.call_id for item in output if item.type == "function_call"]
    _, calls, answers = gemini.contents()
    assert [part["functionCall"]["args"] for part in calls["parts"]] == [{"city": "Paris"}, {"city": "Rome"}]
    assert [part["functionCall"]["id"] for part in calls["parts"]] == ids
    assert [part.get("thoughtSignature") for part in calls["parts"]] == ["c2lnbmVkIPCf", None]
    assert [part["functionResponse"]["response"] for part in answers["parts"]] == [
        {"output": "21 degrees"},
        {"output": "22 degrees"},
    ]
    assert [part["functionResponse"]["id"] for part in answers["parts"]] == ids


async def test_text_and_usage(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns.append(says("Hello", " world", usage=USAGE))
    answer = await once.responses.create(model=gemini.assistant, input="Hi", instructions="Be brief.")
    assert (answer.status, answer.output_text) == ("completed", "Hello world")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (9, 7, 16)
    assert answer.usage.input_tokens_details.cached_tokens == 4
    assert answer.usage.output_tokens_details.reasoning_tokens == 5
    request = gemini.server.requests[0]
    assert request.path == "/v1beta/models/gemini-3-pro:generateContent"
    assert request.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]


async def test_a_stream_and_what_follows_it(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns += [says("Hello", " world"), says("Bye")]
    async with once.responses.stream(model=gemini.assistant, input="Hi") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        first = await stream.get_final_response()
    assert deltas == ["Hello", " world"]
    await once.responses.create(model=gemini.assistant, input="Bye", previous_response_id=first.id)
    assert [(content["role"], content["parts"]) for content in gemini.contents()] == [
        ("user", [{"text": "Hi"}]),
        ("model", [{"text": "Hello world"}]),
        ("user", [{"text": "Bye"}]),
    ]


async def test_parallel_calls_come_back_signed_from_the_store(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns += [CALLS, says("21 and 22.")]
    reasoning: Any = {"effort": "low", "summary": "auto"}
    async with once.responses.stream(
        model=gemini.assistant, input="Weather?", tools=TOOLS, reasoning=reasoning
    ) as stream:
        await stream.until_done()
        asked = await stream.get_final_response()
    assert str(asked.status) == "requires_action"
    assert asked.output[0].type == "reasoning"
    assert asked.output[0].summary[0].text == "Two cities."
    answered = await once.responses.create(
        model=gemini.assistant, input=outputs(asked.output), previous_response_id=asked.id, tools=TOOLS
    )
    assert answered.output_text == "21 and 22."
    check_second_turn(gemini, asked.output)


async def test_parallel_calls_come_back_signed_from_the_client(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns += [CALLS, says("21 and 22.")]
    said: Any = [{"role": "user", "content": "Weather?"}]
    kept: Any = {"store": False, "include": ["reasoning.encrypted_content"], "tools": TOOLS}
    asked = await once.responses.create(model=gemini.assistant, input=said, **kept)
    assert asked.output[0].type == "reasoning"
    assert "c2lnbmVkIPCf" not in (asked.output[0].encrypted_content or "")
    said += [item.model_dump(exclude_none=True) for item in asked.output]
    said += outputs(asked.output)
    answered = await once.responses.create(model=gemini.assistant, input=said, **kept)
    assert answered.output_text == "21 and 22."
    check_second_turn(gemini, asked.output)


async def test_an_image_and_a_file(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns.append(says("A cat."))
    content: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
        {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,SGk="},
    ]
    await once.responses.create(model=gemini.assistant, input=[{"role": "user", "content": content}])
    question, image, name, file = gemini.contents()[0]["parts"]
    assert (question, name) == ({"text": "What is it?"}, {"text": "File a.txt:"})
    assert image["inlineData"]["data"] == "iVBORw0KGgo="
    assert file["inlineData"]["data"] == "SGk="


class City(BaseModel):
    """Where it is."""

    name: str
    in_europe: bool


async def test_structured_output(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns.append(says('{"name": "Paris", ', '"in_europe": true}'))
    answer = await once.responses.parse(model=gemini.assistant, input="Where?", text_format=City)
    assert answer.output_parsed == City(name="Paris", in_europe=True)
    told = gemini.server.requests[0].body["generationConfig"]
    assert told["responseMimeType"] == "application/json"
    assert set(told["responseJsonSchema"]["properties"]) == {"name", "in_europe"}


async def test_a_blocked_prompt_is_incomplete(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    gemini.server.turns.append(Turn([{"promptFeedback": {"blockReason": "SAFETY"}}]))
    answer = await once.responses.create(model=gemini.assistant, input="Hi")
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "content_filter"


async def test_a_refused_key_is_told_in_our_words(gemini: Gemini, once: openai.AsyncOpenAI) -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    gemini.server.turns.append(refuses(400, "INVALID_ARGUMENT", details=[reason]))
    with pytest.raises(openai.APIStatusError) as caught:
        await once.responses.create(model=gemini.assistant, input="Hi")
    assert caught.value.code == "upstream_auth_error"
    assert "secret" not in caught.value.message
