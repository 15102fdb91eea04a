"""How calls of an MCP server end, and how they are approved of, whichever way the SDK asks and whoever answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from nodexa.v1.item_pb2 import Item, Opaque
from nodexa.v1.response_pb2 import Response as CoreResponse
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CreateResponseRequest
from nodexa.v1.tool_pb2 import Tool, ToolSet
from openai.types.responses import Response
from openai.types.responses.response_output_item import McpCall

from tests.conftest import events_in
from tests.fakes.in_thread import in_thread
from tests.fakes.mcp_server import McpServer
from tests.rest_bridge.ladder import TERMINAL
from tests.sdk.stack import Stack
from tests.sdk.told import ended
from tests.service.cli.served import SECONDS

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with McpServer() as running:
        yield running


def tool_of(server: McpServer, **more: Any) -> dict[str, Any]:
    return {"type": "mcp", "server_label": "desk", "server_url": server.url, "require_approval": "never", **more}


async def respond(client: openai.AsyncOpenAI, *, stream: bool, **asked: Any) -> Response:
    if stream:
        return ended([event async for event in await client.responses.create(**asked, stream=True)])
    response: Response = await client.responses.create(**asked)
    return response


def approval(asked: Response, *, approve: bool = True) -> Any:
    """The answer to what a response asked for in the end."""
    request = asked.output[-1]
    assert request.type == "mcp_approval_request"
    return {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve}


def types(response: Response) -> list[str]:
    return [item.type for item in response.output]


def call_in(response: Response) -> McpCall:
    (call,) = [item for item in response.output if isinstance(item, McpCall)]
    return call


@both_ways
async def test_a_tool_that_fails_is_told_to_the_model_and_to_the_client(
    async_client: openai.AsyncOpenAI, assistant: str, server: McpServer, *, stream: bool
) -> None:
    tools = [tool_of(server, allowed_tools=["fail"])]
    response = await respond(async_client, stream=stream, model=assistant, input="call desk__fail", tools=tools)

    call: Any = call_in(response)
    assert (call.status, call.output) == ("failed", None)
    assert call.error.type == "mcp_tool_execution_error"
    assert "No such file: plan.txt" in str(call.error.content)
    assert response.status == "completed"
    assert "No such file: plan.txt" in response.output_text


@both_ways
async def test_a_tool_that_hangs_is_given_up_in_its_time(
    async_client: openai.AsyncOpenAI, assistant: str, stack: Stack, tmp_path: Path, *, stream: bool
) -> None:
    tool = {"type": "mcp", "server_label": "operators", "require_approval": "never", "allowed_tools": ["hang"]}
    (tmp_path / "tools.json").write_text(json.dumps([tool]))
    options = ("--name", "patient", "--model", "fake", "--tools", str(tmp_path / "tools.json"))
    model = stack.nodexa("assistants", "create", *options)["id"]

    response = await respond(async_client, stream=stream, model=model, input="call operators__hang")

    call: Any = call_in(response)
    assert (call.status, call.output) == ("failed", None)
    assert "did not answer in time" in call.error.message
    assert response.status == "completed"


async def test_a_response_that_is_cancelled_ends_its_call(
    async_client: openai.AsyncOpenAI, assistant: str, server: McpServer
) -> None:
    tools: Any = [tool_of(server, allowed_tools=["hang"])]
    asked: dict[str, Any] = {"model": assistant, "input": "call desk__hang", "tools": tools}
    events = []
    async for event in await async_client.responses.create(**asked, stream=True):
        events.append(event)
        if event.type == "response.mcp_call.in_progress":
            await server.begun.wait()
            await async_client.responses.cancel(events[0].response.id)

    assert ended(events).status == "cancelled"
    await server.cancelled.wait()


@both_ways
async def test_what_was_approved_of_is_asked_for_again_when_its_tool_says_another_thing(
    async_client: openai.AsyncOpenAI, assistant: str, server: McpServer, *, stream: bool
) -> None:
    more: dict[str, Any] = {"model": assistant, "tools": [tool_of(server, allowed_tools=["note"])], "stream": stream}
    more["tools"][0].pop("require_approval")
    first = await respond(async_client, input="call desk__note in milk", **more)
    server.redefine("Writes a note, and sends it to a stranger.")

    second = await respond(async_client, input=[approval(first)], previous_response_id=first.id, **more)
    before = list(server.notes)
    third = await respond(async_client, input=[approval(second)], previous_response_id=second.id, **more)

    assert [str(each.status) for each in (first, second, third)] == ["requires_action"] * 2 + ["completed"]
    assert types(second) == ["mcp_list_tools", "mcp_approval_request"]
    assert "stranger" in second.output[0].model_dump_json()
    assert (before, server.notes) == ([], ["milk"])
    assert call_in(third).approval_request_id == second.output[-1].id


Answer = Callable[[Stack, Mapping[str, Any], Response], list[str]]


def over_a_socket(stack: Stack, asked: Mapping[str, Any], first: Response) -> list[str]:
    with (
        openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=stack.key, timeout=SECONDS) as client,
        client.responses.connect() as connection,
    ):
        connection.response.create(**asked, input=[approval(first)], previous_response_id=first.id)
        event: Any = connection.recv()
        while event.type not in TERMINAL:
            event = connection.recv()
    return types(event.response)


def over_grpc(stack: Stack, asked: Mapping[str, Any], first: Response) -> list[str]:
    tools = [Tool(opaque=Opaque(type="mcp", json=json.dumps(tool))) for tool in asked["tools"]]
    answer = Item(opaque=Opaque(type="mcp_approval_response", json=json.dumps(approval(first))))
    request = CreateResponseRequest(
        assistant_id=asked["model"],
        input=[answer],
        previous_response_id=first.id,
        settings=ResponseSettings(tools=ToolSet(tools=tools)),
    )
    with stack.responses() as responses:
        *_, last = events_in(list(responses.StreamResponse(request, metadata=stack.metadata, timeout=SECONDS)))
    response: CoreResponse = last.completed.response
    return [item.opaque.type or str(item.WhichOneof("kind")) for item in response.output]


def test_who_asked_over_http_is_answered_over_anything_after_a_restart_of_everything(
    client: openai.OpenAI, assistant: str, stack: Stack
) -> None:
    with in_thread(McpServer()) as server:
        tool = tool_of(server, allowed_tools=["note"], require_approval="always")
        asked: dict[str, Any] = {"model": assistant, "tools": [tool]}
        said = "call desk__note in milk"
        held = [ended(list(client.responses.create(**asked, input=said, stream=True))) for _ in range(2)]
        assert {str(each.status) for each in held} == {"requires_action"}

        stack.restart()

        assert server.notes == []
        answers: tuple[Answer, ...] = (over_a_socket, over_grpc)
        told = [answer(stack, asked, first) for answer, first in zip(answers, held, strict=True)]

    # What is listed anew is what was listed before, so it isn't shown again.
    assert told == [["mcp_call", "message"]] * 2
    assert server.notes == ["milk", "milk"]
