"""Whatever an administrator changes is in the audit log: who, when, what, and no secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from nodexa.v1.admin_pb2 import ApiKey, AuditEvent
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest, CreateOrganizationRequest, ListAuditEventsRequest

from service.journal import JsonLines
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import organization_id
from tests.service.rpc.rpcs import METHODS, request_of, rpc

ADMIN = "/nodexa.v1.AdminService/"
# Its secret is not there, so that nothing is called.
TOOL = {
    "type": "rest",
    "name": "look",
    "url": "https://api.example/",
    "headers": {"X-Key": {"env": "NODEXA_TOOL_NOT_THERE"}},
}
OPAQUE = {"opaque": {"type": "rest", "json": json.dumps(TOOL)}}
MODEL = {"name": "m", "kind": "KIND_OPENAI_CHAT", "base_url": "http://127.0.0.1:1/v1"}
# One call of every RPC that changes something, in an order in which they can succeed. "$x" is the id that x was given.
STORY: list[tuple[str, dict[str, Any], str, str]] = [
    ("CreateOrganization", {"name": "Acme"}, "organization.create", "$organization"),
    (
        "UpdateOrganization",
        {"organization": {"id": "$organization", "disabled": True}, "update_mask": {"paths": ["disabled"]}},
        "organization.update",
        "$organization",
    ),
    ("CreateModel", {"model": MODEL}, "model.create", "m"),
    (
        "CreateAssistant",
        {
            "assistant": {
                "name": "Anna",
                "model": "m",
                "instructions": "canary",
                "defaults": {"tools": {"tools": [OPAQUE]}},
            }
        },
        "assistant.create",
        "$assistant",
    ),
    (
        "UpdateAssistant",
        {"assistant": {"id": "$assistant", "instructions": "canary 2"}, "update_mask": {"paths": ["instructions"]}},
        "assistant.update",
        "$assistant",
    ),
    ("TryTool", {"assistant_id": "$assistant", "tool": "look"}, "tool.test", "$assistant"),
    ("DeleteAssistant", {"id": "$assistant"}, "assistant.delete", "$assistant"),
    ("DeleteModel", {"name": "m"}, "model.delete", "m"),
    ("CreateApiKey", {"name": "app", "scopes": ["SCOPE_ASSISTANT"]}, "api_key.create", "$api_key"),
    (
        "UpdateApiKey",
        {
            "api_key": {"id": "$api_key", "limits": {"requests_per_minute": 60}},
            "update_mask": {"paths": ["limits"]},
        },
        "api_key.update",
        "$api_key",
    ),
    ("RevokeApiKey", {"id": "$api_key"}, "api_key.revoke", "$api_key"),
    ("Prune", {}, "prune", ""),
]

FIRST_KEY = ("req_CreateOrganization", "api_key.create")


def resolved(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: resolved(inner, ids) for name, inner in value.items()}
    return ids.get(value, value) if isinstance(value, str) else value


async def call(core: CoreUnderTest, name: str, fields: dict[str, Any], request_id: str) -> Any:
    metadata = core.metadata(x_request_id=request_id)
    return await cast(Awaitable[Message], rpc(core.channel, ADMIN + name, request_of(ADMIN + name, **fields), metadata))


async def tell_story(core: CoreUnderTest) -> dict[str, str]:
    """Plays STORY; the ids that its things were given."""
    ids: dict[str, str] = {}
    for name, fields, _, target in STORY:
        answer = await call(core, name, resolved(fields, ids), f"req_{name}")
        if target.startswith("$") and target not in ids:
            thing = getattr(answer, target[1:], answer)
            ids[target] = thing.id
    return ids


async def listed(core: CoreUnderTest, **fields: Any) -> list[AuditEvent]:
    answer = await core.admin.ListAuditEvents(ListAuditEventsRequest(**fields), metadata=core.metadata())
    return list(answer.audit_events)


def test_the_story_has_every_rpc_that_changes_something() -> None:
    changing = {
        method.removeprefix(ADMIN)
        for method in METHODS
        if method.startswith(ADMIN) and not method.removeprefix(ADMIN).startswith(("Get", "List"))
    }

    assert {name for name, *_ in STORY} == changing


async def test_every_act_is_noted_with_who_did_it_and_by_which_request(core: CoreUnderTest) -> None:
    ids = await tell_story(core)

    events = (await listed(core, page_size=100))[::-1]
    noted = [(event.request_id, event.act, event.target_id) for event in events]

    # With an organization comes its first key.
    (first_key,) = [target for request, act, target in noted if (request, act) == FIRST_KEY]
    expected = [(f"req_{name}", act, resolved(target, ids)) for name, _, act, target in STORY]
    # Within a millisecond the order is nobody's.
    assert sorted(noted) == sorted([*expected, (*FIRST_KEY, first_key)])
    assert first_key.startswith("key_")
    assert {event.organization_id for event in events} == {await organization_id(core)}
    assert len({event.api_key_id for event in events}) == 1
    assert events[0].api_key_id.startswith("key_")
    assert all(event.create_time.seconds > 0 for event in events)


async def test_an_event_says_what_changed_and_no_prompt_and_no_secret(core: CoreUnderTest) -> None:
    await tell_story(core)

    changes = {event.act: json.loads(event.changes_json) for event in (await listed(core))[::-1]}

    assert changes["organization.create"] == {"name": {"from": None, "to": "Acme"}}
    assert changes["organization.update"] == {"disabled": {"from": None, "to": True}}
    assert changes["model.create"]["kind"] == {"from": None, "to": "openai_chat"}
    assert changes["assistant.update"] == {"instructions": "changed"}
    assert changes["api_key.create"]["scopes"] == {"from": None, "to": ["assistant"]}
    assert changes["api_key.update"] == {"limits.requests_per_minute": {"from": None, "to": 60}}
    assert changes["api_key.revoke"] == {}
    assert "canary" not in str(changes)
    assert "nxk_" not in str(changes)


async def test_what_is_refused_is_not_noted(core: CoreUnderTest) -> None:
    await call(core, "CreateModel", {"model": MODEL}, "req_1")
    for name, fields in (("CreateModel", {"model": MODEL}), ("CreateApiKey", {}), ("RevokeApiKey", {"id": "key_x"})):
        await refusal(rpc(core.channel, ADMIN + name, request_of(ADMIN + name, **fields), core.metadata()))

    assert [event.request_id for event in await listed(core)] == ["req_1"]


async def test_events_come_in_pages_with_the_newest_first(core: CoreUnderTest) -> None:
    for number in range(5):
        await call(core, "CreateApiKey", {"name": f"k{number}", "scopes": ["SCOPE_USER"]}, f"req_{number}")

    seen: list[AuditEvent] = []
    token = ""
    while True:
        request = ListAuditEventsRequest(page_size=2, page_token=token)
        page = await core.admin.ListAuditEvents(request, metadata=core.metadata())
        seen += page.audit_events
        if not (token := page.next_page_token):
            break

    assert {event.request_id for event in seen} == {f"req_{number}" for number in range(5)}
    # The order is that of the ids, which is that of time to the millisecond.
    assert [event.id for event in seen] == sorted((event.id for event in seen), reverse=True)
    assert len(seen) == 5


async def test_the_operator_sees_what_all_did_and_others_their_own(core: CoreUnderTest) -> None:
    made = await core.admin.CreateOrganization(CreateOrganizationRequest(name="Other"), metadata=core.metadata())
    other = replace(core, quickstart={"NODEXA_API_KEY": made.secret})
    request = CreateApiKeyRequest(name="theirs", scopes=[ApiKey.SCOPE_USER])
    await core.admin.CreateApiKey(request, metadata=other.metadata())

    assert [event.act for event in await listed(other)] == ["api_key.create"]
    assert sorted(event.act for event in await listed(core)) == ["api_key.create"] * 2 + ["organization.create"]
    theirs = await listed(core, organization_id=made.organization.id)
    assert theirs == await listed(other) == await listed(other, organization_id=made.organization.id)


async def test_each_act_is_a_line_in_the_log_of_the_process(
    core: CoreUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="service.store.audit")

    await call(core, "CreateApiKey", {"name": "Bearer canary", "scopes": ["SCOPE_USER"]}, "req_1")

    (event,) = await listed(core)
    (record,) = [record for record in caplog.records if record.name == "service.store.audit"]
    written = json.loads(JsonLines().format(record))
    assert written["message"] == f"api_key.create {event.target_id}"
    assert written["audit"]["request"] == "req_1"
    assert written["audit"]["api_key"] == event.api_key_id
    assert json.loads(event.changes_json)["scopes"]["to"] == ["user"]
    assert "canary" not in json.dumps(written)
