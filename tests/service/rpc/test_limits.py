"""Limits as an administrator sets them and as callers meet them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import ApiKey, Limits, Organization
from nodexa.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    GetOrganizationRequest,
    ListApiKeysRequest,
    UpdateApiKeyRequest,
    UpdateOrganizationRequest,
)
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CancelResponseRequest, CompactResponseRequest, DeleteResponseRequest

from service.errors import NodexaError
from service.model.chunk import TextDelta, TokenUsage
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import read, refusal
from tests.service.requests import asking, create, get, organization_id, said, stream, user, watch

BACKGROUND = ResponseSettings(background=True)


async def key_of(
    core: CoreUnderTest, *, dialect: ApiKey.Dialect.ValueType = ApiKey.DIALECT_OPENAI
) -> tuple[str, CoreUnderTest]:
    """A new key of the first organization: its id, and the core as its holder sees it."""
    request = CreateApiKeyRequest(name="app", scopes=[ApiKey.SCOPE_FULL_ACCESS], dialect=dialect)
    made = await core.admin.CreateApiKey(request, metadata=core.metadata())
    return made.api_key.id, replace(core, quickstart={**core.quickstart, "NODEXA_API_KEY": made.secret})


async def limit(core: CoreUnderTest, key_id: str, **limits: int) -> ApiKey:
    request = UpdateApiKeyRequest(
        api_key=ApiKey(id=key_id, limits=Limits(**limits)), update_mask=FieldMask(paths=["limits"])
    )
    return await core.admin.UpdateApiKey(request, metadata=core.metadata())


async def limit_organization(core: CoreUnderTest, *paths: str, **limits: int) -> Organization:
    organization = Organization(id=await organization_id(core), limits=Limits(**limits))
    request = UpdateOrganizationRequest(organization=organization, update_mask=FieldMask(paths=paths or ("limits",)))
    return await core.admin.UpdateOrganization(request, metadata=core.metadata())


async def head_of(call: Any) -> dict[str, str]:
    """What was told before the answer, of the limits and the dialect."""
    if hasattr(call, "read"):
        await call.read()
    else:
        await call
    told = dict(await call.initial_metadata())
    return {name: value for name, value in told.items() if name.startswith(("x-ratelimit", "x-nodexa"))}


@pytest.fixture
async def app(core: CoreUnderTest) -> tuple[str, CoreUnderTest]:
    """A key to limit, and the core as its holder sees it."""
    return await key_of(core)


App = tuple[str, CoreUnderTest]


async def test_limits_are_set_shown_and_taken_away_one_by_one(core: CoreUnderTest, app: App) -> None:
    key_id, _ = app
    made = await limit(core, key_id, requests_per_minute=60, tokens_per_minute=1000, concurrent_runs=2)
    assert made.limits == Limits(requests_per_minute=60, tokens_per_minute=1000, concurrent_runs=2)

    request = UpdateApiKeyRequest(
        api_key=ApiKey(id=key_id, name="renamed", limits=Limits(concurrent_runs=3)),
        update_mask=FieldMask(paths=["name", "limits.requests_per_minute", "limits.concurrent_runs"]),
    )
    changed = await core.admin.UpdateApiKey(request, metadata=core.metadata())

    assert (changed.name, changed.hint) == ("renamed", made.hint)
    assert changed.limits == Limits(tokens_per_minute=1000, concurrent_runs=3)
    listed = await core.admin.ListApiKeys(ListApiKeysRequest(), metadata=core.metadata())
    assert changed in listed.api_keys
    assert not (await limit(core, key_id)).HasField("limits")


async def test_an_organization_s_limits_are_the_operator_s_to_set_and_its_own_to_see(core: CoreUnderTest) -> None:
    await limit_organization(core, requests_per_minute=600, concurrent_runs=9)

    seen = await core.admin.GetOrganization(GetOrganizationRequest(), metadata=core.metadata())
    assert (seen.name, seen.limits) == ("First", Limits(requests_per_minute=600, concurrent_runs=9))
    less = await limit_organization(core, "limits.concurrent_runs")
    assert less.limits == Limits(requests_per_minute=600)


@pytest.mark.parametrize(
    ("key", "paths", "param"),
    [
        ({"limits": {"requests_per_minute": 0}}, ["limits"], "api_key.limits.requests_per_minute"),
        ({"limits": {"tokens_per_minute": -1}}, ["limits"], "api_key.limits.tokens_per_minute"),
        ({"limits": {"concurrent_runs": 2_000_000_000}}, ["limits"], "api_key.limits.concurrent_runs"),
        ({"name": ""}, ["name"], "api_key.name"),
        ({"dialect": 9}, ["dialect"], "api_key.dialect"),
        ({"scopes": [1]}, ["scopes"], "update_mask"),
        ({}, ["limits.requests_per_day"], "update_mask"),
        ({}, [], "update_mask"),
    ],
)
async def test_what_a_key_can_not_be_given_is_refused(
    core: CoreUnderTest, app: App, key: dict[str, Any], paths: list[str], param: str
) -> None:
    request = UpdateApiKeyRequest(api_key=ApiKey(id=app[0], **key), update_mask=FieldMask(paths=paths))

    answer = await refusal(core.admin.UpdateApiKey(request, metadata=core.metadata()))

    assert (answer.status, answer.param) == ("INVALID_ARGUMENT", param)


async def test_who_has_no_limits_is_told_of_none(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Hi"))

    assert await head_of(core.responses.CreateResponse(asking(core), metadata=core.metadata())) == {}
    assert await head_of(core.responses.StreamResponse(asking(core), metadata=core.metadata())) == {}


async def test_one_request_too_many_is_refused_before_anything_is_made(core: CoreUnderTest, app: App) -> None:
    key_id, caller = app
    await limit(core, key_id, requests_per_minute=2)
    core.model.add(says("One"), says("Two"))
    assert said(await create(caller)) == "One"
    assert (await stream(caller))[-1].WhichOneof("kind") == "completed"

    for call in (
        caller.responses.CreateResponse(asking(caller), metadata=caller.metadata()),
        caller.responses.CompactResponse(CompactResponseRequest(), metadata=caller.metadata()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        answer, told = read(caught.value), dict(caught.value.trailing_metadata() or ())
        assert (answer.status, answer.reason, answer.response_id) == ("RESOURCE_EXHAUSTED", "rate_limit_exceeded", "")
        assert answer.message.startswith("This API key may use 2 requests a minute, and none is left; try again in ")
        assert answer.retry_after in (29, 30)
        assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("2", "0")
        assert told["x-ratelimit-reset-requests"][:2] in ("59", "1m")
        assert "x-ratelimit-limit-tokens" not in told
    assert len(core.model.prompts) == 2
    assert said(await create_with_operator_s_key(core)) == "Unlimited"


async def create_with_operator_s_key(core: CoreUnderTest) -> Any:
    core.model.add(says("Unlimited"))
    return await create(core)


async def test_reading_is_not_counted(core: CoreUnderTest, app: App) -> None:
    key_id, caller = app
    await limit(core, key_id, requests_per_minute=1)
    core.model.add(says("One"))
    made = await create(caller)

    for _ in range(5):
        assert await get(caller, made.id) == made
        assert len(await watch(caller, made.id)) > 1


async def test_how_the_limits_stand_is_told_before_the_answer(core: CoreUnderTest) -> None:
    key_id, caller = await key_of(core, dialect=ApiKey.DIALECT_NODEXA)
    await limit(core, key_id, requests_per_minute=6)
    await limit_organization(core, tokens_per_minute=100)
    core.model.add(*[says("Hi", usage=TokenUsage(input_tokens=3, output_tokens=4))] * 2)

    first = await head_of(caller.responses.StreamResponse(asking(caller), metadata=caller.metadata()))
    await create(caller)
    core.model.add(says("Hi"))
    third = await head_of(caller.responses.CreateResponse(asking(caller), metadata=caller.metadata()))

    assert first.pop("x-ratelimit-reset-requests").startswith(("10s", "9."))
    assert first == {
        "x-nodexa-dialect": "nodexa",
        "x-ratelimit-limit-requests": "6",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "0s",
    }
    assert third["x-ratelimit-remaining-requests"] == "3"
    assert int(third["x-ratelimit-remaining-tokens"]) < 100


async def test_a_debt_of_tokens_is_waited_for(core: CoreUnderTest, app: App) -> None:
    key_id, caller = app
    await limit(core, key_id, tokens_per_minute=60)
    core.model.add(says("Long", usage=TokenUsage(input_tokens=100, output_tokens=60)))
    await create(caller)

    answer = await refusal(create(caller))

    assert "60 tokens a minute" in answer.message
    assert answer.retry_after in (100, 101)


@pytest.mark.parametrize("end", ["completion", "cancellation", "deletion", "failure"])
async def test_a_run_has_its_place_until_it_ends_however_it_ends(core: CoreUnderTest, app: App, end: str) -> None:
    key_id, caller = app
    await limit(core, key_id, concurrent_runs=1)
    gate = asyncio.Event()
    last = NodexaError("upstream_error", "Broken.") if end == "failure" else [STOP]
    core.model.add([[TextDelta("Slow")], gate, last], says("Next"))
    running = await create(caller, settings=BACKGROUND)

    answer = await refusal(create(caller))
    assert answer.message.startswith("This API key may have 1 running at the same time")
    assert answer.retry_after == 1

    if end == "cancellation":
        await caller.responses.CancelResponse(CancelResponseRequest(id=running.id), metadata=caller.metadata())
    elif end == "deletion":
        await caller.responses.DeleteResponse(DeleteResponseRequest(id=running.id), metadata=caller.metadata())
    else:
        gate.set()
        await watch(caller, running.id)
    assert said(await create(caller)) == "Next"


async def test_a_refused_request_takes_no_place(core: CoreUnderTest, app: App) -> None:
    key_id, caller = app
    await limit(core, key_id, concurrent_runs=1)
    for _ in range(3):
        assert (await refusal(create(caller, previous_response_id="resp_never"))).status == "NOT_FOUND"

    core.model.add(says("Fine"))
    assert said(await create(caller)) == "Fine"


async def test_what_an_earlier_request_made_is_had_again_beyond_the_limit(core: CoreUnderTest, app: App) -> None:
    key_id, caller = app
    await limit(core, key_id, requests_per_minute=1)
    core.model.add(says("Once"))

    made = await create(caller, request_id="same")

    assert await create(caller, request_id="same") == made


async def test_compaction_is_charged_what_it_used(core: CoreUnderTest, app: App) -> None:
    key_id, caller = app
    await limit(core, key_id, tokens_per_minute=50)
    core.model.add(says("Short.", usage=TokenUsage(input_tokens=60, output_tokens=20)))
    request = CompactResponseRequest(assistant_id=core.assistant_id, input=[user("One"), user("Two")])

    await caller.responses.CompactResponse(request, metadata=caller.metadata())

    assert (await refusal(create(caller))).reason == "rate_limit_exceeded"


async def test_the_keys_of_an_organization_share_its_limit(core: CoreUnderTest, app: App) -> None:
    await limit_organization(core, requests_per_minute=1)
    core.model.add(says("One"))
    await create(core)

    answer = await refusal(create(app[1]))

    assert answer.message.startswith("This API key's organization may use 1 request a minute")
