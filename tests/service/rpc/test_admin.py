"""What an administrator makes, changes and removes: organizations, assistants, keys, models."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1 import admin_service_pb2 as pb
from nodexa.v1.admin_pb2 import ApiKey, Assistant, Organization
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import ReasoningSettings, ResponseSettings
from nodexa.v1.tool_pb2 import FunctionTool, Tool, ToolSet

from service.ids import new_id
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import create, get

MODEL = "smollm2-135m"
LOOK = Tool(function=FunctionTool(name="look"))
SEARCH = Tool(opaque=Opaque(type="web_search", json='{"type": "web_search"}'))
FULL = ApiKey.SCOPE_FULL_ACCESS


async def make(core: CoreUnderTest, **fields: Any) -> Assistant:
    assistant = Assistant(**{"name": "Anna", "model": MODEL, **fields})
    return await core.admin.CreateAssistant(pb.CreateAssistantRequest(assistant=assistant), metadata=core.metadata())


async def update(core: CoreUnderTest, assistant: Assistant, *paths: str) -> Assistant:
    request = pb.UpdateAssistantRequest(assistant=assistant, update_mask=FieldMask(paths=paths))
    return await core.admin.UpdateAssistant(request, metadata=core.metadata())


async def test_an_assistant_is_read_back_as_it_was_made(core: CoreUnderTest) -> None:
    defaults = ResponseSettings(temperature=0.5, tools=ToolSet(tools=[LOOK]))
    made = await make(core, instructions="Be kind.", defaults=defaults)

    assert made.id.startswith("asst_")
    assert made.create_time == made.update_time
    assert made.defaults == defaults
    read = await core.admin.GetAssistant(pb.GetAssistantRequest(id=made.id), metadata=core.metadata())
    assert read == made


async def test_an_update_changes_what_its_mask_names_and_nothing_else(core: CoreUnderTest) -> None:
    defaults = ResponseSettings(temperature=0.5, top_p=0.5, tools=ToolSet(tools=[LOOK]))
    made = await make(core, instructions="Be kind.", defaults=defaults)
    wanted = Assistant(id=made.id, name="Berta", defaults=ResponseSettings(temperature=1.5))

    renamed = await update(core, wanted, "name")
    assert (renamed.name, renamed.instructions, renamed.defaults) == ("Berta", "Be kind.", defaults)
    warmer = await update(core, wanted, "defaults.temperature")
    assert warmer.defaults == ResponseSettings(temperature=1.5, top_p=0.5, tools=ToolSet(tools=[LOOK]))
    replaced = await update(core, wanted, "defaults", "instructions")
    assert replaced.defaults == ResponseSettings(temperature=1.5)
    assert replaced.instructions == ""
    assert replaced.model == MODEL
    assert replaced.create_time == made.create_time


async def test_the_tools_of_an_assistant_can_be_taken_away_through_the_mask(core: CoreUnderTest) -> None:
    made = await make(core, defaults=ResponseSettings(temperature=0.5, tools=ToolSet(tools=[LOOK])))

    changed = await update(core, Assistant(id=made.id), "defaults.tools")

    assert changed.defaults == ResponseSettings(temperature=0.5)


async def test_every_kind_of_preset_is_taken_over_by_its_own_path(core: CoreUnderTest) -> None:
    wanted = ResponseSettings(
        stop=["a"],
        seed=3,
        parallel_tool_calls=False,
        tools=ToolSet(),
        max_tool_calls=4,
        reasoning=ReasoningSettings(effort="low"),
    )
    made = await make(core, defaults=ResponseSettings(stop=["b", "c"], top_p=0.5))

    paths = [f"defaults.{field.name}" for field, _ in wanted.ListFields()]
    changed = await update(core, Assistant(id=made.id, defaults=wanted), *paths)

    wanted.top_p = 0.5
    assert changed.defaults == wanted


async def test_a_changed_assistant_answers_anew_at_once(core: CoreUnderTest) -> None:
    core.model.add(says("a"), says("b"))
    made = await make(core, instructions="Be kind.")
    await create(core, assistant_id=made.id)

    await update(core, Assistant(id=made.id, instructions="Be brief."), "instructions")
    await create(core, assistant_id=made.id)

    assert [prompt.instructions for prompt in core.model.prompts] == ["Be kind.", "Be brief."]


async def test_a_deleted_assistant_s_responses_stay_readable(core: CoreUnderTest) -> None:
    core.model.add(says("a"))
    made = await make(core)
    response = await create(core, assistant_id=made.id)

    await core.admin.DeleteAssistant(pb.DeleteAssistantRequest(id=made.id), metadata=core.metadata())

    assert await get(core, response.id) == response
    listed = await core.admin.ListAssistants(pb.ListAssistantsRequest(), metadata=core.metadata())
    assert made.id not in [assistant.id for assistant in listed.assistants]


BAD_ASSISTANTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an id": ({"id": new_id("asst")}, "invalid_request", "assistant.id"),
    "no name": ({"name": ""}, "missing_required_field", "assistant.name"),
    "a long name": ({"name": "n" * 129}, "invalid_request", "assistant.name"),
    "a name of two lines": ({"name": "a\nb"}, "invalid_request", "assistant.name"),
    "no model": ({"model": ""}, "missing_required_field", "assistant.model"),
    "an unknown model": ({"model": "gpt-9"}, "model_not_found", "assistant.model"),
    "endless instructions": ({"instructions": "é" * 131_073}, "invalid_request", "assistant.instructions"),
    "a preset that is none": (
        {"defaults": ResponseSettings(background=True)},
        "invalid_request",
        "assistant.defaults.background",
    ),
    "a preset out of range": ({"defaults": ResponseSettings(temperature=9)}, "invalid_request", "temperature"),
    "the same tool twice": (
        {"defaults": ResponseSettings(tools=ToolSet(tools=[LOOK, LOOK]))},
        "duplicate_tool_name",
        "tools[1].name",
    ),
    "a search that nobody does": (
        {"defaults": ResponseSettings(tools=ToolSet(tools=[LOOK, SEARCH]))},
        "tool_not_supported_for_model",
        "assistant.defaults.tools[1]",
    ),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("fields", "code", "param"), BAD_ASSISTANTS.values(), ids=BAD_ASSISTANTS)
async def test_an_assistant_that_could_not_answer_is_refused(
    shared: CoreUnderTest, fields: dict[str, Any], code: str, param: str
) -> None:
    answer = await refusal(make(shared, **fields))

    assert (answer.reason, answer.param) == (code, param)


BAD_MASKS = {
    "nothing": ([], "missing_required_field"),
    "the id": (["id"], "invalid_request"),
    "a time": (["update_time"], "invalid_request"),
    "everything": (["*"], "invalid_request"),
    "a field that isn't there": (["defaults.color"], "invalid_request"),
    "a field of a text": (["name.first"], "invalid_request"),
    "an element of a list": (["defaults.stop.first"], "invalid_request"),
    "half a path": (["defaults."], "invalid_request"),
    "an empty path": ([""], "invalid_request"),
    "far too much": (["x" * 100_000], "invalid_request"),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("paths", "code"), BAD_MASKS.values(), ids=BAD_MASKS)
async def test_a_mask_that_names_something_else_is_refused(shared: CoreUnderTest, paths: list[str], code: str) -> None:
    assistant = await refusal(update(shared, Assistant(id=shared.assistant_id, name="N"), *paths))
    own = await shared.admin.GetOrganization(pb.GetOrganizationRequest(), metadata=shared.metadata())
    request = pb.UpdateOrganizationRequest(organization=own, update_mask=FieldMask(paths=paths))
    organization = await refusal(shared.admin.UpdateOrganization(request, metadata=shared.metadata()))

    assert (assistant.reason, assistant.param) == (code, "update_mask")
    assert (organization.reason, organization.param) == (code, "update_mask")


async def test_an_update_is_checked_like_a_new_assistant(core: CoreUnderTest) -> None:
    wanted = Assistant(
        id=core.assistant_id, defaults=ResponseSettings(temperature=9, reasoning=ReasoningSettings(effort="low"))
    )

    answer = await refusal(update(core, wanted, "defaults"))

    assert (answer.reason, answer.param) == ("invalid_request", "temperature")
    kept = await core.admin.GetAssistant(pb.GetAssistantRequest(id=core.assistant_id), metadata=core.metadata())
    assert not kept.defaults.HasField("temperature")


async def test_a_key_is_listed_without_its_secret_and_revoked_once(core: CoreUnderTest) -> None:
    request = pb.CreateApiKeyRequest(name="app", scopes=[ApiKey.SCOPE_ASSISTANT, ApiKey.SCOPE_USER])
    made = await core.admin.CreateApiKey(request, metadata=core.metadata())
    assert made.secret.startswith("nxk_")

    revoked = await core.admin.RevokeApiKey(pb.RevokeApiKeyRequest(id=made.api_key.id), metadata=core.metadata())
    again = await core.admin.RevokeApiKey(pb.RevokeApiKeyRequest(id=made.api_key.id), metadata=core.metadata())
    listed = await core.admin.ListApiKeys(pb.ListApiKeysRequest(), metadata=core.metadata())

    assert revoked == again
    assert revoked.HasField("revoke_time")
    assert [key.name for key in listed.api_keys] == ["first", "app"]
    assert listed.api_keys[1] == revoked
    assert list(revoked.scopes) == [ApiKey.SCOPE_ASSISTANT, ApiKey.SCOPE_USER]


BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": "", "scopes": [FULL]}, "name"),
    "no scope": ({"name": "k", "scopes": []}, "scopes"),
    "the scope of nothing": ({"name": "k", "scopes": [0]}, "scopes"),
    "an unknown scope": ({"name": "k", "scopes": [99]}, "scopes"),
    "the same scope twice": ({"name": "k", "scopes": [FULL, FULL]}, "scopes"),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("fields", "param"), BAD_KEYS.values(), ids=BAD_KEYS)
async def test_a_key_that_reaches_nothing_is_refused(shared: CoreUnderTest, fields: dict[str, Any], param: str) -> None:
    answer = await refusal(shared.admin.CreateApiKey(pb.CreateApiKeyRequest(**fields), metadata=shared.metadata()))

    assert (answer.status, answer.param) == ("INVALID_ARGUMENT", param)


async def test_a_new_organization_comes_with_its_way_in(core: CoreUnderTest) -> None:
    made = await core.admin.CreateOrganization(pb.CreateOrganizationRequest(name="Other"), metadata=core.metadata())

    theirs = [("x-api-key", made.secret)]
    own = await core.admin.GetOrganization(pb.GetOrganizationRequest(), metadata=theirs)
    assert own == made.organization
    assert not own.operator
    assert not (await core.admin.ListAssistants(pb.ListAssistantsRequest(), metadata=theirs)).assistants
    assert list(made.api_key.scopes) == [FULL]


async def test_an_organization_is_renamed(core: CoreUnderTest) -> None:
    own = await core.admin.GetOrganization(pb.GetOrganizationRequest(), metadata=core.metadata())
    request = pb.UpdateOrganizationRequest(
        organization=Organization(id=own.id, name="Renamed", disabled=True), update_mask=FieldMask(paths=["name"])
    )

    renamed = await core.admin.UpdateOrganization(request, metadata=core.metadata())

    assert (renamed.name, renamed.disabled, renamed.operator) == ("Renamed", False, True)


async def test_nobody_locks_themselves_out(core: CoreUnderTest) -> None:
    own = await core.admin.GetOrganization(pb.GetOrganizationRequest(), metadata=core.metadata())
    request = pb.UpdateOrganizationRequest(
        organization=Organization(id=own.id, disabled=True), update_mask=FieldMask(paths=["disabled"])
    )

    answer = await refusal(core.admin.UpdateOrganization(request, metadata=core.metadata()))

    assert (answer.reason, answer.param) == ("invalid_request", "organization.disabled")
