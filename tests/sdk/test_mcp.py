"""Tools of a real MCP server and searches behind all of Nodexa, through the SDKs: called, approved of, told of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from openai.types.responses.tool_param import Mcp

from tests.fakes.mcp_server import McpServer
from tests.fakes.web_server import WebServer, shows
from tests.sdk.node_sdk import Run
from tests.sdk.told import ended

ASKED = "call desk__note in milk"
NOTED = "The tools said: Noted: milk"
FOUND = {"url": "https://a.example/rain", "title": "Rain", "content": "It rains."}


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with McpServer() as running:
        yield running


def tool_of(server: McpServer, **more: Any) -> Mcp:
    tool: dict[str, Any] = {"type": "mcp", "server_label": "desk", "server_url": server.url, "allowed_tools": ["note"]}
    return {**tool, **more}  # type: ignore[typeddict-item]


def types(response: Response) -> list[str]:
    return [item.type for item in response.output]


async def test_a_call_is_seen_on_its_way(async_client: openai.AsyncOpenAI, assistant: str, server: McpServer) -> None:
    tool = tool_of(server, require_approval="never", headers={"X-Key": "canary"})
    stream = await async_client.responses.create(model=assistant, input=ASKED, tools=[tool], stream=True)
    events = [event async for event in stream]

    response = ended(events)
    assert (response.status, response.output_text) == ("completed", NOTED)
    listed, call, _ = response.output
    assert listed.type == "mcp_list_tools"
    assert [tool.name for tool in listed.tools] == ["note"]
    assert call.type == "mcp_call"
    assert (call.name, call.server_label, call.output, call.error) == ("note", "desk", "Noted: milk", None)
    assert json.loads(call.arguments) == {"text": "milk"}
    told = [event.type.removeprefix("response.") for event in events if ".mcp_" in event.type]
    assert told == [
        *("mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_call.in_progress"),
        *("mcp_call_arguments.done", "mcp_call.completed"),
    ]
    assert server.notes == ["milk"]
    assert "canary" not in response.model_dump_json()


async def test_servers_can_have_tools_of_the_same_name(
    async_client: openai.AsyncOpenAI, assistant: str, server: McpServer
) -> None:
    async with McpServer() as other:
        tools = [
            tool_of(server, require_approval="never"),
            tool_of(other, require_approval="never", server_label="shelf"),
        ]
        asked = "call shelf__note in milk"
        response = await async_client.responses.create(model=assistant, input=asked, tools=tools)

    assert types(response) == ["mcp_list_tools", "mcp_list_tools", "mcp_call", "message"]
    call = response.output[2]
    assert call.type == "mcp_call"
    assert (call.name, call.server_label, call.output) == ("note", "shelf", "Noted: milk")
    assert (server.notes, other.notes) == ([], ["milk"])


@pytest.mark.parametrize("approve", [True, False])
async def test_a_call_waits_until_somebody_approves_of_it(
    async_client: openai.AsyncOpenAI, assistant: str, server: McpServer, *, approve: bool
) -> None:
    tools = [tool_of(server)]
    asked = await async_client.responses.create(model=assistant, input=ASKED, tools=tools)
    assert str(asked.status) == "requires_action"
    assert types(asked) == ["mcp_list_tools", "mcp_approval_request"]
    assert server.notes == []

    request_id = str(asked.output[1].id)
    answered = await async_client.responses.create(
        model=assistant,
        previous_response_id=asked.id,
        input=[{"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve}],
        tools=tools,
    )

    assert server.notes == (["milk"] if approve else [])
    assert "mcp_list_tools" not in types(answered)
    if approve:
        call = answered.output[0]
        assert call.type == "mcp_call"
        assert (call.approval_request_id, call.output) == (request_id, "Noted: milk")
        assert answered.output_text == NOTED


async def test_a_server_that_is_gone_leaves_the_model_without_its_tools(
    async_client: openai.AsyncOpenAI, assistant: str
) -> None:
    async with McpServer() as gone:
        tool = tool_of(gone)
    response = await async_client.responses.create(model=assistant, input="Hello", tools=[tool])
    assert (response.status, response.output_text) == ("completed", "Hello")
    listed = response.output[0]
    assert listed.type == "mcp_list_tools"
    assert (listed.tools, listed.error) == ([], "The MCP server can't be reached.")


async def test_a_server_inside_is_refused_before_it_is_asked(async_client: openai.AsyncOpenAI, assistant: str) -> None:
    inside: Mcp = {"type": "mcp", "server_label": "desk", "server_url": "http://169.254.169.254/mcp"}
    with pytest.raises(openai.BadRequestError) as refused:
        await async_client.responses.create(model=assistant, input="Hello", tools=[inside])
    assert (refused.value.code, refused.value.param) == ("url_not_allowed", "tools[0].server_url")


async def test_a_server_of_the_operators_is_used_by_assistants_alone(
    async_client: openai.AsyncOpenAI, assistant: str
) -> None:
    tool: Mcp = {"type": "mcp", "server_label": "operators"}
    with pytest.raises(openai.BadRequestError) as refused:
        await async_client.responses.create(model=assistant, input="Hello", tools=[tool])
    assert refused.value.param == "tools[0].server_url"


@pytest.mark.node
async def test_the_node_sdk_sees_calls_and_searches_and_approves(run: Run, server: McpServer, web: WebServer) -> None:
    web.pages["/search"] = shows({"results": [FOUND]})
    result = await asyncio.to_thread(run, "mcp.mjs", server.url)

    assert result["whole"] == result["streamed"]
    assert result["whole"] == {
        "called": ["mcp_list_tools", "mcp_call", "message"],
        "failed": "mcp_tool_execution_error",
        "held": ["mcp_list_tools", "mcp_approval_request"],
        "approved": ["mcp_call", "message"],
        "text": NOTED,
        "refused": ["message"],
        "found": ["web_search_call", "message"],
        "cited": [FOUND["url"]],
    }
    assert server.notes == ["milk"] * 4


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_search_is_cited_where_the_text_says_it(
    async_client: openai.AsyncOpenAI, assistant: str, web: WebServer, *, stream: bool
) -> None:
    web.pages["/search"] = shows({"results": [FOUND]})
    asked: dict[str, Any] = {"model": assistant, "input": "call web_search in rain", "tools": [{"type": "web_search"}]}
    if stream:
        response = ended([event async for event in await async_client.responses.create(**asked, stream=True)])
    else:
        response = await async_client.responses.create(**asked)

    search, said = response.output
    assert search.type == "web_search_call"
    assert search.action.model_dump(include={"type", "query"}) == {"type": "search", "query": "rain"}
    assert said.type == "message"
    (part,) = said.content
    assert part.type == "output_text"
    (note,) = part.annotations
    assert note.type == "url_citation"
    assert (note.url, note.title) == (FOUND["url"], FOUND["title"])
    assert part.text[note.start_index : note.end_index] == "[1]"
