"""A model server that runs tools of its own, behind the whole of Nodexa: the SDK sees them at work, and they go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseStreamEvent, WebSearchPreviewToolParam

from tests.fakes.responses_events import Json, answer, message, reasoning, web_search
from tests.fakes.responses_server import ResponsesServer, Script
from tests.sdk.stack import Stack
from tests.sdk.told import ended

SEARCH: WebSearchPreviewToolParam = {"type": "web_search_preview", "search_context_size": "low"}
CITED: Json = {"type": "url_citation", "url": "https://a.b/", "title": "A", "start_index": 0, "end_index": 2}
FOUND = answer(
    reasoning(summary=["Look it up", "Then say it"], encrypted="gAAA"),
    web_search("weather in Paris"),
    message("It", " rains.", annotations=[CITED]),
)


@pytest.fixture
async def server() -> AsyncIterator[ResponsesServer]:
    async with ResponsesServer() as started:
        yield started


@pytest.fixture
def searcher(stack: Stack, server: ResponsesServer) -> str:
    """The id of an assistant whose model's server searches the web."""
    name = f"searcher-{server.port}"
    stack.nodexa("models", "add", name, "--kind", "openai_responses", "--base-url", server.url)
    made: str = stack.nodexa("assistants", "create", "--name", name, "--model", name)["id"]
    return made


async def asked(client: openai.AsyncOpenAI, assistant: str, **more: Any) -> list[ResponseStreamEvent]:
    stream = await client.responses.create(model=assistant, input="Weather?", tools=[SEARCH], stream=True, **more)
    return [event async for event in stream]


async def test_a_search_is_seen_on_its_way(
    async_client: openai.AsyncOpenAI, server: ResponsesServer, searcher: str
) -> None:
    server.scripts.append(Script(FOUND))

    events = await asked(async_client, searcher, tool_choice={"type": "web_search_preview"})

    response = ended(events)
    steps = [event.type.rpartition(".")[2] for event in events if "web_search_call" in event.type]
    assert steps == ["in_progress", "searching", "completed"]
    assert [item.type for item in response.output] == ["reasoning", "web_search_call", "message"]
    thought, search, said = response.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.summary] == ["Look it up", "Then say it"]
    assert search.id != "ws_up"
    assert said.type == "message"
    assert said.content[0].type == "output_text"
    assert [note.type for note in said.content[0].annotations] == ["url_citation"]
    assert (response.model_extra or {}).get("nodexa", {}).get("ignored", []) == []
    assert server.requests[0].body["tools"] == [SEARCH]
    assert server.requests[0].body["tool_choice"] == {"type": "web_search_preview"}


async def test_its_server_gets_back_what_it_made(
    async_client: openai.AsyncOpenAI, server: ResponsesServer, searcher: str
) -> None:
    server.scripts.append(Script(FOUND))
    first = ended(await asked(async_client, searcher))

    await async_client.responses.create(model=searcher, input="Sure?", previous_response_id=first.id)

    made = {item["type"]: item for item in server.requests[1].body["input"][1:-1]}
    assert list(made) == ["reasoning", "web_search_call", "message"]
    assert (made["reasoning"]["id"], made["reasoning"]["encrypted_content"]) == ("rs_up", "gAAA")
    assert (made["web_search_call"]["id"], made["web_search_call"]["status"]) == ("ws_up", "completed")
    assert made["message"]["content"] == [{"type": "output_text", "text": "It rains.", "annotations": [CITED]}]
    assert made["message"]["id"].startswith("msg_")


async def test_a_client_that_keeps_the_conversation_itself_loses_none_of_it(
    async_client: openai.AsyncOpenAI, server: ResponsesServer, searcher: str
) -> None:
    server.scripts.append(Script(FOUND))
    first = ended(await asked(async_client, searcher, store=False, include=["reasoning.encrypted_content"]))
    kept: Any = [item.model_dump(exclude_none=True) for item in first.output]
    again: Any = [{"role": "user", "content": "Weather?"}, *kept, {"role": "user", "content": "Sure?"}]

    await async_client.responses.create(model=searcher, input=again, store=False)

    made = {item["type"]: item for item in server.requests[1].body["input"][1:-1]}
    assert list(made) == ["reasoning", "web_search_call", "message"]
    assert (made["reasoning"]["id"], made["reasoning"]["encrypted_content"]) == ("rs_up", "gAAA")
    assert made["web_search_call"]["id"] == first.output[1].id
    assert str(first.output[1].id).startswith("ws_")


async def test_tokens_are_counted_by_the_server(
    async_client: openai.AsyncOpenAI, server: ResponsesServer, searcher: str
) -> None:
    server.counts = 42
    counted = await async_client.responses.input_tokens.count(model=searcher, input="Weather?")
    assert counted.input_tokens == 42


async def test_another_model_has_no_such_tool_to_choose(async_client: openai.AsyncOpenAI, assistant: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await asked(async_client, assistant, tool_choice={"type": "image_generation"})
    assert (caught.value.code, caught.value.param) == ("tool_not_supported_for_model", "tool_choice")
