"""An administrator lists the tools of an assistant, and calls one, without a response."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import (
    AssistantTool,
    ListAssistantToolsRequest,
    ListAssistantToolsResponse,
    ListAuditEventsRequest,
    TryToolRequest,
    TryToolResponse,
    UpdateAssistantRequest,
)
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_service_pb2 import ListResponsesRequest
from nodexa.v1.tool_pb2 import FunctionTool, Tool

from service.model.scripted import ScriptedModel
from service.settings import Settings
from service.tools.tool import ToolError
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.tool_kind import FakeKind, FakeTool, fake_tool
from tests.service.refusals import refusal

TOKEN = "canary-token"


@pytest.fixture
def kind() -> FakeKind:
    return FakeKind(
        FakeTool("look", "It rains.", description="Looks out."),
        FakeTool("write", "Written.", approval=True),
        FakeTool("break", ToolError("tool_error", "The server is down.", done=None)),
        FakeTool("burst", "x" * 300_000),
        FakeTool("read_drive", "A file.", provider="drive"),
    )


@pytest.fixture
async def core(settings: Settings, model: ScriptedModel, kind: FakeKind) -> AsyncIterator[CoreUnderTest]:
    """A core whose assistant has the tools of `kind`, and a function."""
    async with running_core(settings, model, kinds={"mcp": kind}) as running:
        await equip(running, Tool(function=FunctionTool(name="clients_own")), fake_tool())
        yield running


async def equip(core: CoreUnderTest, *tools: Tool) -> None:
    assistant = Assistant(id=core.assistant_id)
    assistant.defaults.tools.tools.extend(tools)
    request = UpdateAssistantRequest(assistant=assistant, update_mask={"paths": ["defaults.tools"]})
    await core.admin.UpdateAssistant(request, metadata=core.metadata())


async def listed(core: CoreUnderTest, **fields: Any) -> ListAssistantToolsResponse:
    request = ListAssistantToolsRequest(assistant_id=core.assistant_id, **fields)
    return await core.admin.ListAssistantTools(request, metadata=core.metadata())


async def tried(core: CoreUnderTest, tool: str, arguments: str = "{}", **fields: Any) -> TryToolResponse:
    request = TryToolRequest(assistant_id=core.assistant_id, tool=tool, arguments_json=arguments, **fields)
    return await core.admin.TryTool(request, metadata=core.metadata())


async def test_the_tools_of_an_assistant_are_listed_with_who_runs_them(core: CoreUnderTest) -> None:
    tools = (await listed(core)).tools

    assert [(tool.name, tool.type, tool.approval) for tool in tools] == [
        ("clients_own", "function", False),
        ("look", "mcp", False),
        ("write", "mcp", True),
        *((name, "mcp", False) for name in ("break", "burst", "read_drive")),
    ]
    assert [tool.runner for tool in tools[:2]] == [AssistantTool.RUNNER_CLIENT, AssistantTool.RUNNER_PLATFORM]
    assert tools[1].description == "Looks out."


async def test_a_call_is_made_and_told_and_kept_nowhere(core: CoreUnderTest, kind: FakeKind) -> None:
    told = await tried(core, "look", '{"at": "sky"}')

    assert (told.tool.name, told.arguments_json, told.output) == ("look", '{"at": "sky"}', "It rains.")
    assert kind.tools["look"].calls[0].values == {"at": "sky"}
    assert (kind.opened, kind.closed) == (1, 1)
    kept = await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())
    assert not kept.responses
    assert not core.model.prompts


async def test_a_call_that_needs_approval_is_made_and_said_to_need_it(core: CoreUnderTest) -> None:
    told = await tried(core, "write")

    assert (told.output, told.tool.approval) == ("Written.", True)


async def test_a_call_that_fails_says_how_and_whether_it_was_done(core: CoreUnderTest) -> None:
    broken, burst = await tried(core, "break"), await tried(core, "burst")

    assert (broken.failure.code, broken.failure.message) == ("tool_error", "The server is down.")
    assert not broken.failure.HasField("done")
    assert (burst.failure.code, burst.failure.done) == ("tool_response_too_large", True)


async def test_a_tool_that_wants_a_token_says_whose_until_it_has_one(core: CoreUnderTest) -> None:
    without = await tried(core, "read_drive")
    given = await tried(core, "read_drive", user_tokens={"drive": TOKEN})

    assert (without.token_wanted.provider, without.token_wanted.url) == ("drive", "https://drive.test/allow")
    assert given.output == "A file."


async def test_a_source_that_wants_a_token_is_told_before_any_tool(settings: Settings, model: ScriptedModel) -> None:
    async with running_core(settings, model, kinds={"mcp": FakeKind(FakeTool("look", ""), wants="drive")}) as core:
        await equip(core, fake_tool())

        assert [wanted.provider for wanted in (await listed(core)).tokens_wanted] == ["drive"]
        assert (await tried(core, "look")).token_wanted.provider == "drive"
        assert [tool.name for tool in (await listed(core, user_tokens={"drive": TOKEN})).tools] == ["look"]


async def test_a_server_without_tools_says_why(settings: Settings, model: ScriptedModel) -> None:
    gone = {"type": "mcp", "server_label": "gone", "server_url": "https://127.0.0.1:1/"}
    (settings.data).mkdir(mode=0o700)
    (settings.data / "nodexa.toml").write_text('[egress]\nallow = ["127.0.0.0/8"]\n')
    async with running_core(settings, model) as core:
        await equip(core, Tool(opaque=Opaque(type="mcp", json=json.dumps(gone))))

        assert (await listed(core)).problems == ["gone: The MCP server can't be reached."]
        answer = await refusal(tried(core, "look"))
        assert "gone: The MCP server can't be reached." in answer.message


async def test_a_tool_that_is_not_there_is_refused_with_the_names_of_those_that_are(core: CoreUnderTest) -> None:
    answer = await refusal(tried(core, "clients_own"))

    assert (answer.status, answer.reason, answer.param) == ("NOT_FOUND", "tool_not_found", "tool")
    assert "it runs: break, burst, look, read_drive, write." in answer.message


@pytest.mark.parametrize("arguments", ["[]", "{", "7", "[" * 100_000])
async def test_arguments_that_are_no_object_are_refused(core: CoreUnderTest, kind: FakeKind, arguments: str) -> None:
    answer = await refusal(tried(core, "look", arguments))

    assert (answer.reason, answer.param) == ("invalid_request", "arguments_json")
    assert kind.opened == 0


async def test_the_log_says_who_called_which_tool_and_not_with_what(core: CoreUnderTest) -> None:
    await tried(core, "read_drive", '{"path": "canary"}', user_tokens={"drive": TOKEN})

    request = ListAuditEventsRequest(page_size=1)
    (event,) = (await core.admin.ListAuditEvents(request, metadata=core.metadata())).audit_events
    assert (event.act, event.target_id) == ("tool.test", core.assistant_id)
    assert json.loads(event.changes_json) == {"tool": {"from": None, "to": "read_drive"}}


async def test_tokens_that_can_t_be_are_refused(core: CoreUnderTest) -> None:
    assert (await refusal(tried(core, "look", user_tokens={"drive": ""}))).reason == "invalid_user_tokens"
