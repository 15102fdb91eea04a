"""Bad input that is bad for what was there before it, and outages, through the whole HTTP stack."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest

from rest_bridge.settings import Settings
from service.model.scripted import calls, says
from service.server import DATABASE
from service.store.sqlite import sqlite3
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.test_bad_input import check_error
from tests.service.keys import as_another_organization, disable

Json = dict[str, Any]
TOOLS = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("look", "listen")]


def output(call_id: str) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": "x"}


async def waiting(bridge: BridgeUnderTest, core: CoreUnderTest) -> tuple[str, list[str]]:
    """A response that waits for two results: its id, and those of its calls."""
    core.model.add(calls(("look", "{}"), ("listen", "{}")))
    async with bridge.http() as http:
        made = (await http.post("/v1/responses", json=bridge.body(tools=TOOLS))).json()
    assert made["status"] == "requires_action"
    return made["id"], [item["call_id"] for item in made["output"] if item["type"] == "function_call"]


@pytest.mark.parametrize("stream", [False, True])
async def test_results_that_do_not_fit_the_calls_are_refused(
    bridge: BridgeUnderTest, core: CoreUnderTest, *, stream: bool
) -> None:
    parent, (first, second) = await waiting(bridge, core)
    cases: list[tuple[list[Json], str, str]] = [
        ([{"role": "user", "content": "Well?"}], "missing_tool_output", "input"),
        ([output(first)], "missing_tool_output", "input"),
        ([output(first), output(second), output("call_other")], "unknown_call_id", "input[2].call_id"),
        ([output(first), output(second), output(first)], "unknown_call_id", "input[2].call_id"),
        ([output(first), {"type": "function_call_output", "output": "x"}], "missing_call_id", "input[1].call_id"),
    ]
    async with bridge.http() as http:
        for given, code, param in cases:
            body = bridge.body(previous_response_id=parent, input=given, tools=TOOLS, stream=stream)
            check_error(await http.post("/v1/responses", json=body), 400, code, param)
    assert len(core.model.prompts) == 1


async def test_a_turn_behind_a_failed_one_is_refused(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([RuntimeError("secret")])
    async with bridge.http() as http:
        check_error(await http.post("/v1/responses", json=bridge.body()), 500, "internal_error")
        (failed,) = (await http.get("/v1/responses")).json()["data"]
        answer = await http.post("/v1/responses", json=bridge.body(previous_response_id=failed["id"]))
    assert failed["status"] == "failed"
    check_error(answer, 400, "previous_response_failed", "previous_response_id")


async def test_the_keys_of_a_disabled_organization_are_not_valid(
    core: CoreUnderTest, bridge_settings: Settings
) -> None:
    theirs, organization = await as_another_organization(core)
    await disable(core, organization)
    async with running_bridge(core.address, bridge_settings, key=theirs.key) as bridge, bridge.http() as http:
        check_error(await http.get("/v1/models"), 401, "invalid_api_key")


async def test_a_database_that_is_locked_refuses_writes_and_is_read(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    # That the database is locked is noticed when the model was asked already.
    core.model.add(says("Before"), says("Lost"), says("After"))
    await core.core.database.write(lambda db: db.conn.execute("pragma busy_timeout=1"))
    async with bridge.http() as http:
        before = (await http.post("/v1/responses", json=bridge.body())).json()
        with closing(sqlite3.connect(core.data / DATABASE, isolation_level=None)) as other:
            other.execute("begin immediate")
            refused = await http.post("/v1/responses", json=bridge.body())
            read = await http.get(f"/v1/responses/{before['id']}")
        after = await http.post("/v1/responses", json=bridge.body())
    check_error(refused, 503, "storage_unavailable")
    assert refused.headers["retry-after"] == "1"
    assert read.json() == before
    assert after.json()["output_text"] == "After"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 65 + "1" + "}" * 65,
        '{"a": 9223372036854775808}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        '{"a": 1, "a": 1}',
    ],
    ids=["too deep", "too large an integer", "infinity", "too large a number", "a key twice"],
)
async def test_json_beyond_reason_is_refused(bridge: BridgeUnderTest, text: str) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", content=text, headers={"content-type": "application/json"})
    check_error(answer, 400, "invalid_request")


async def test_a_scope_that_does_not_reach_is_told(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:

    request = CreateApiKeyRequest(name="user", scopes=[ApiKey.SCOPE_USER])
    made = await core.admin.CreateApiKey(request, metadata=core.metadata())
    async with replace(bridge, key=made.secret).http() as http:
        error = check_error(await http.post("/v1/responses", json=bridge.body()), 403, "insufficient_scope")
    assert error["type"] == "permission_error"
