"""Tools that the platform runs, as HTTP clients see them: every answer is judged by the SDK and the documents."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai.types.responses.tool_param import Mcp

from service.model.scripted import ScriptedModel, calls, says
from service.settings import Settings
from service.tools.tool import ToolError
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.tool_kind import LABEL, PROVIDER, FakeKind, FakeTool, described
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import events_of


@pytest.fixture
def kind() -> FakeKind:
    """The kind `mcp` of `core`."""
    return FakeKind(
        FakeTool("look", "It rains."),
        FakeTool("break", ToolError("tool_error", "The server is down.")),
        FakeTool("search", "Found it.", type="web_search_call", phases=("in_progress", "searching")),
        FakeTool("send", "Sent.", approval=True),
        FakeTool("open", "A file.", provider=PROVIDER),
    )


@pytest.fixture
async def core(settings: Settings, model: ScriptedModel, kind: FakeKind) -> AsyncIterator[CoreUnderTest]:
    async with running_core(settings, model, kinds={"mcp": kind}) as running:
        yield running


async def test_a_stream_tells_of_every_call(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("look", '{"at":"sky"}'), ("search", '{"q":"rain"}'), ("break", "{}")), says("Rain."))

    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(stream=True, tools=[described()]))

    events = events_of(answer.content)
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == [
        *("mcp_list_tools", "mcp_call", "web_search_call", "mcp_call", "message"),
    ]
    assert [item.get("status") for item in output[1:]] == ["completed", "completed", "failed", "completed"]
    (arguments,) = [e for e in events if e["type"].startswith("response.mcp_call_arguments") and e["output_index"] == 1]
    assert (arguments["item_id"], arguments["arguments"]) == (output[1]["id"], '{"at":"sky"}')
    assert [e["type"] for e in events if "web_search_call" in e["type"]] == [
        f"response.web_search_call.{phase}" for phase in ("in_progress", "searching", "completed")
    ]
    assert "response.mcp_call.failed" in {e["type"] for e in events}
    assert "run" not in output[1]


async def test_an_answer_that_is_not_streamed_says_the_same(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}")), says("Rain."))

    async with bridge.sdk() as client:
        tool: Mcp = {"type": "mcp", "server_label": LABEL}
        response = await client.responses.create(
            model=bridge.assistant_id, input="Weather?", tools=[tool], max_tool_calls=3
        )

    assert [item.type for item in response.output] == ["mcp_list_tools", "mcp_call", "message"]
    assert response.output_text == "Rain."
    assert (response.model_extra or {})["nodexa"]["ignored"] == []


async def test_a_limit_of_calls_says_which(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}"), ("look", "{}")))

    async with bridge.http() as http:
        body = bridge.body(tools=[described()], max_tool_calls=1)
        response = (await http.post("/v1/responses", json=body)).json()

    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_tool_calls"})


async def test_a_wanted_token_is_told_to_everybody_in_their_own_way(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add(*[calls(("open", "{}"))] * 4)
    body = bridge.body(tools=[described()])
    ours = {"x-nodexa-dialect": "nodexa"}

    async with bridge.http() as http:
        plain = (await http.post("/v1/responses", json=body)).json()
        own = (await http.post("/v1/responses", json=body, headers=ours)).json()
        streamed = events_of((await http.post("/v1/responses", json={**body, "stream": True})).content)
        own_stream = events_of((await http.post("/v1/responses", json={**body, "stream": True}, headers=ours)).content)

    for response in (plain, streamed[-1]["response"]):
        assert [item["type"] for item in response["output"]] == ["mcp_list_tools", "mcp_call"]
        (wanted,) = response["nodexa"]["oauth_required"]
        assert (wanted["provider"], wanted["name"]) == (PROVIDER, "open")
    for response in (own, own_stream[-1]["response"]):
        assert response["output"][-1]["type"] == "oauth_required"
        assert "oauth_required" not in response["nodexa"]
        assert response["status"] == "requires_action"
    assert "oauth_required" not in {event.get("item", {}).get("type") for event in streamed}
    assert [e["type"] for e in own_stream if e.get("item", {}).get("type") == "oauth_required"] == [
        *("response.output_item.added", "response.output_item.done"),
    ]


async def test_a_call_is_approved_of_through_the_sdk(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("send", "{}")), says("Sent."))
    tool: Mcp = {"type": "mcp", "server_label": LABEL}

    async with bridge.sdk() as client:
        first = await client.responses.create(model=bridge.assistant_id, input="Send it", tools=[tool])
        request = first.output[-1]
        assert request.type == "mcp_approval_request"
        second = await client.responses.create(
            model=bridge.assistant_id,
            input=[{"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}],
            previous_response_id=first.id,
            tools=[tool],
        )

    call = second.output[0]
    assert call.type == "mcp_call"
    assert (call.output, call.approval_request_id) == ("Sent.", request.id)


async def test_a_token_in_the_header_lets_a_call_go_on(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("open", "{}")), says("A file."))

    async with bridge.http() as http:
        first = (await http.post("/v1/responses", json=bridge.body(tools=[described()]))).json()
        body = bridge.body(tools=[described()], input=[], previous_response_id=first["id"])
        brought = {"x-user-tokens": '{"drive": "canary"}'}
        second = (await http.post("/v1/responses", json=body, headers=brought)).json()

    assert [item["type"] for item in second["output"]] == ["mcp_call", "message"]
