"""Web searches and REST tools from end to end: an SDK in front, a search service and a web server behind."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import UpdateAssistantRequest
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import Tool

from service.model.scripted import ScriptedModel, calls, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.web_server import Page, WebServer, shows
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import events_of

SECRET, TOKEN, OTHER = "canary-env-secret", "canary-user-token", "canary-other-token"
PAGES = [
    {"url": "https://a.example/rain", "title": "Rain", "content": "It rains."},
    {"url": "https://b.example/", "title": "B", "content": "Nothing."},
]


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with WebServer() as server:
        server.pages["/search"] = shows({"results": PAGES})
        server.pages["/orders/7"] = Page(f"order 7 of {TOKEN}, by {SECRET}".encode())
        server.pages["/open"] = Page(b"open to all")
        yield server


@pytest.fixture
async def core(settings: Settings, model: ScriptedModel, web: WebServer) -> AsyncIterator[CoreUnderTest]:
    settings.data.mkdir(mode=0o700)
    (settings.data / "nodexa.toml").write_text(
        f'[egress]\nallow = ["127.0.0.1:{web.port}"]\n[web_search]\nkind = "searxng"\nbase_url = "{web.url}"\n'
    )
    async with running_core(replace(settings, environment={"NODEXA_TOOL_CRM": SECRET}), model) as running:
        yield running


async def given(core: CoreUnderTest, *tools: dict[str, Any]) -> None:
    """Gives these tools to the assistant."""
    assistant = Assistant(id=core.assistant_id)
    assistant.defaults.tools.tools.extend(
        Tool(opaque=Opaque(type=tool["type"], json=json.dumps(tool))) for tool in tools
    )
    request = UpdateAssistantRequest(assistant=assistant, update_mask=FieldMask(paths=["defaults.tools"]))
    await core.admin.UpdateAssistant(request, metadata=core.metadata())


def order(web: WebServer) -> dict[str, Any]:
    """A tool with a secret of the environment's and a token of the user's."""
    return {
        "type": "rest",
        "name": "order",
        "url": web.url + "/orders/{id}",
        "parameters": {"properties": {"id": {"type": "string"}}, "required": ["id"]},
        "headers": {"X-Key": {"env": "NODEXA_TOOL_CRM"}},
        "provider": "crm",
    }


async def test_a_search_is_told_and_cited(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    for type_word in ("web_search", "web_search_preview_2025_03_11"):
        core.model.add(calls(("web_search", '{"query": "rain"}')), says("It rains [1], and that is all."))
        async with bridge.http() as http:
            body = bridge.body(stream=True, tools=[{"type": type_word}])
            answer = await http.post("/v1/responses", json=body)

        events = events_of(answer.content)
        search, message = events[-1]["response"]["output"]
        assert search["action"] == {"type": "search", "query": "rain", "queries": ["rain"]}
        assert [e["type"].rpartition(".")[2] for e in events if "web_search_call" in e["type"]] == [
            *("in_progress", "searching", "completed")
        ]
        [annotation] = message["content"][0]["annotations"]
        assert (annotation["url"], annotation["title"]) == ("https://a.example/rain", "Rain")
        assert message["content"][0]["text"][annotation["start_index"] : annotation["end_index"]] == "[1]"
        assert (
            core.model.prompts[-1].items[-1].function_call_output.text.startswith("[1] Rain\nhttps://a.example/rain\n")
        )


async def test_the_sources_of_a_search_are_shown_to_who_asks(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("web_search", '{"query": "rain"}')), says("Rain."))

    async with bridge.sdk() as client:
        response = await client.responses.create(
            model=bridge.assistant_id,
            input="Weather?",
            tools=[{"type": "web_search"}],
            include=["web_search_call.action.sources"],
        )

    [search] = [item for item in response.output if item.type == "web_search_call"]
    assert search.action.type == "search"
    assert [source.url for source in search.action.sources or ()] == [page["url"] for page in PAGES]


async def test_an_option_of_a_search_that_can_not_be_is_named(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        tool = {"type": "web_search", "filters": {"allowed_domains": ["https://a.example"]}}
        answer = await http.post("/v1/responses", json=bridge.body(tools=[tool]))

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "tools[0].filters.allowed_domains")


async def test_secrets_reach_the_one_call_that_they_are_for(
    bridge: BridgeUnderTest, core: CoreUnderTest, web: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await given(core, order(web), {"type": "rest", "name": "open", "url": web.url + "/open"})
    core.model.add(calls(("order", '{"id": "7"}'), ("open", "{}")), says("Done."))

    async with bridge.http() as http:
        tokens = {"x-user-tokens": json.dumps({"crm": TOKEN, "mail": OTHER})}
        answer = await http.post("/v1/responses", json=bridge.body(stream=True), headers=tokens)

    asked = {each.target: each.headers for each in web.asked}
    assert (asked["/orders/7"]["authorization"], asked["/orders/7"]["x-key"]) == (f"Bearer {TOKEN}", SECRET)
    assert not {"authorization", "x-key"} & asked["/open"].keys()
    output = events_of(answer.content)[-1]["response"]["output"]
    assert {item["name"]: item["output"] for item in output if item["type"] == "mcp_call"} == {
        "order": "order 7 of [redacted], by [redacted]",
        "open": "open to all",
    }
    kept = b"".join(path.read_bytes() for path in core.data.iterdir() if path.is_file())
    for secret in (SECRET, TOKEN, OTHER):
        assert secret not in answer.text
        assert secret.encode() not in kept
        assert secret not in str(core.model.prompts)
        assert secret not in caplog.text
        assert sum(secret in str(each) for each in web.asked) == (secret != OTHER)


async def test_what_changes_something_waits_for_approval(
    bridge: BridgeUnderTest, core: CoreUnderTest, web: WebServer
) -> None:
    await given(core, {"type": "rest", "name": "make", "url": web.url + "/orders", "method": "POST"})
    core.model.add(calls(("make", "{}")))

    async with bridge.http() as http:
        response = (await http.post("/v1/responses", json=bridge.body())).json()

    assert [item["type"] for item in response["output"]] == ["mcp_approval_request"]
    assert (response["output"][0]["server_label"], web.asked) == ("make", [])


async def test_what_was_approved_of_is_done_once(bridge: BridgeUnderTest, core: CoreUnderTest, web: WebServer) -> None:
    web.pages["/orders"] = shows({"made": 1})
    await given(core, {"type": "rest", "name": "make", "url": web.url + "/orders", "method": "POST"})
    core.model.add(calls(("make", "{}")), says("Made."))

    async with bridge.sdk() as client:
        first = await client.responses.create(model=bridge.assistant_id, input="Make one")
        request = first.output[0]
        assert request.type == "mcp_approval_request"
        second = await client.responses.create(
            model=bridge.assistant_id,
            input=[{"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}],
            previous_response_id=first.id,
        )

    call = second.output[0]
    assert call.type == "mcp_call"
    assert (call.name, call.output, call.approval_request_id) == ("make", '{"made": 1}', request.id)
    (asked,) = web.asked
    assert (asked.method, bool(asked.headers["idempotency-key"])) == ("POST", True)


async def test_a_tool_of_an_assistant_that_leads_inwards_is_refused(core: CoreUnderTest) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await given(core, {"type": "rest", "name": "metadata", "url": "http://169.254.169.254/latest"})

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "leads inwards" in (refused.value.details() or "")


async def test_a_request_can_bring_no_rest_tool(bridge: BridgeUnderTest, web: WebServer) -> None:
    async with bridge.http() as http:
        tool = {"type": "rest", "name": "mine", "url": web.url + "/open"}
        answer = await http.post("/v1/responses", json=bridge.body(tools=[tool]))

    assert (answer.status_code, web.asked) == (400, [])
