"""Several cores on one database: each owns its runs, any of them serves all, and a silent one loses what it had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import Assistant, Limits, Model, Organization
from nodexa.v1.admin_service_pb2 import (
    CreateAssistantRequest,
    CreateModelRequest,
    DeleteAssistantRequest,
    UpdateOrganizationRequest,
)
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import CancelResponseRequest

from service.model.chunk import TextDelta, TokenUsage
from service.model.scripted import STOP, ScriptedModel, says
from service.settings import Settings
from service.store.archive import copy
from tests.conftest import CoreUnderTest, events_in, running_core
from tests.service.freezing import freeze
from tests.service.refusals import refusal
from tests.service.requests import arrived, asking, create, get, organization_id, said, watch

Pair = tuple[CoreUnderTest, CoreUnderTest]


@pytest.fixture
async def pair(settings: Settings) -> AsyncIterator[Pair]:
    """Two cores on one data directory, with the same key and assistant."""
    shared = replace(settings, shared=True, lease=0.6)
    async with running_core(shared, ScriptedModel()) as one, running_core(shared, ScriptedModel()) as two:
        yield one, replace(two, quickstart=one.quickstart)


async def begin(
    core: CoreUnderTest, gate: asyncio.Event, *, background: bool = False
) -> tuple[str, asyncio.Task[list[ResponseEvent]]]:
    """A response that said "Hel" and waits at the gate to say the rest; its id and all that its client will see."""
    core.model.add([[TextDelta("Hel")], gate, [TextDelta("lo"), STOP]])
    request = asking(core, settings=ResponseSettings(background=background))
    call = core.responses.StreamResponse(request, metadata=core.metadata())
    batches = aiter(call)
    seen = [await anext(batches)]
    while not any(event.HasField("output_text_delta") for batch in seen for event in batch.events):
        seen.append(await anext(batches))

    async def rest() -> list[ResponseEvent]:
        return events_in([*seen, *[batch async for batch in batches]])

    return seen[0].events[0].created.response.id, asyncio.create_task(rest())


async def test_any_core_serves_what_another_made(pair: Pair) -> None:
    one, two = pair
    one.model.add(says("Hello"))
    two.model.add(says("Hello again"))
    first = await create(one)
    assert await get(two, first.id) == first
    second = await create(two, previous_response_id=first.id)
    assert [item.message.content[0].output_text.text for item in two.model.prompts[0].items][1:2] == ["Hello"]
    assert await get(one, second.id) == second


async def test_a_model_can_be_used_by_every_core_as_soon_as_one_knows_it(pair: Pair) -> None:
    one, two = pair
    two.model.add(says("Hello"), says("Hello again"))
    await create(two)
    model = Model(name="new", kind=Model.KIND_OPENAI_CHAT, base_url="http://127.0.0.1:1/v1")
    await one.admin.CreateModel(CreateModelRequest(model=model), metadata=one.metadata())
    assistant = Assistant(name="New", model="new")
    made = await one.admin.CreateAssistant(CreateAssistantRequest(assistant=assistant), metadata=one.metadata())
    assert said(await create(two, assistant_id=made.id)) == "Hello again"


async def test_a_run_can_be_watched_from_another_core(pair: Pair) -> None:
    one, two = pair
    gate = asyncio.Event()
    response_id, told = await begin(one, gate)
    watching = asyncio.create_task(watch(two, response_id))
    halfway = await get(two, response_id)
    assert halfway.output[0].message.content[0].output_text.text == "Hel"
    gate.set()
    async with asyncio.timeout(10):
        assert await watching == await told


async def test_a_run_can_be_cancelled_from_another_core(pair: Pair) -> None:
    one, two = pair
    response_id, told = await begin(one, asyncio.Event())
    async with asyncio.timeout(10):
        cancelled = await two.responses.CancelResponse(CancelResponseRequest(id=response_id), metadata=two.metadata())
        assert cancelled.status == Response.STATUS_CANCELLED
        assert (await told)[-1].incomplete.response.status == Response.STATUS_CANCELLED
    assert one.model.stopped == 1


async def test_a_core_that_falls_silent_loses_its_runs_and_can_not_write_them(pair: Pair) -> None:
    one, two = pair
    gate = asyncio.Event()
    response_id, told = await begin(one, gate)
    await freeze(one)

    async with asyncio.timeout(10):
        events = await watch(two, response_id)
    assert [event.WhichOneof("kind") for event in events][-2:] == ["error", "failed"]
    assert events[-1].failed.response.error.code == "server_error"
    assert events[-1].failed.response.output[0].message.content[0].output_text.text == "Hel"

    gate.set()  # the old owner wakes up, and wants to go on
    async with asyncio.timeout(10):
        assert await told == events
    assert await get(one, response_id) == await get(two, response_id)


async def test_a_core_that_stops_leaves_nothing_running(settings: Settings) -> None:
    shared = replace(settings, shared=True, drain=0.0)
    async with running_core(shared, ScriptedModel()) as one:
        async with running_core(shared, ScriptedModel()) as two:
            response_id, told = await begin(replace(two, quickstart=one.quickstart), asyncio.Event())
        await asyncio.wait([told])
        assert (await get(one, response_id)).status == Response.STATUS_FAILED


async def test_a_background_response_that_said_nothing_begins_anew_elsewhere(pair: Pair) -> None:
    one, two = pair
    one.model.add([asyncio.Event()])
    two.model.add(says("Hello"))
    started = await create(one, "Hi", settings=ResponseSettings(background=True))
    await freeze(one)

    async with asyncio.timeout(10):
        events = await watch(two, started.id)

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].completed.response.output[0].message.content[0].output_text.text == "Hello"
    assert two.model.prompts[0] == one.model.prompts[0]
    assert (await get(two, started.id)).status == Response.STATUS_COMPLETED


async def test_one_that_begins_anew_holds_its_place_under_the_limits(pair: Pair) -> None:
    one, two = pair
    organization = Organization(id=await organization_id(one), limits=Limits(concurrent_runs=1, tokens_per_minute=60))
    limiting = UpdateOrganizationRequest(organization=organization, update_mask=FieldMask(paths=["limits"]))
    await one.admin.UpdateOrganization(limiting, metadata=one.metadata())
    gate = asyncio.Event()
    one.model.add([asyncio.Event()])
    two.model.add([[TextDelta("Hel")], gate, [TextDelta("lo"), TokenUsage(input_tokens=100, output_tokens=1), STOP]])
    started = await create(one, "Hi", settings=ResponseSettings(background=True))
    await freeze(one)
    async with asyncio.timeout(10):
        await arrived(two, started.id, "message")

    at_once = await refusal(create(two))
    gate.set()
    await watch(two, started.id)
    afterwards = await refusal(create(two))

    assert "1 running at the same time" in at_once.message
    assert "60 tokens a minute, and none is left" in afterwards.message


async def test_one_that_said_something_ends_with_what_it_said(pair: Pair) -> None:
    one, two = pair
    response_id, _ = await begin(one, asyncio.Event(), background=True)
    await freeze(one)
    async with asyncio.timeout(10):
        events = await watch(two, response_id)
    assert events[-1].failed.response.output[0].message.content[0].output_text.text == "Hel"


async def test_one_that_can_not_be_answered_any_more_says_so(pair: Pair) -> None:
    one, two = pair
    one.model.add([asyncio.Event()])
    started = await create(one, "Hi", settings=ResponseSettings(background=True))
    await one.admin.DeleteAssistant(DeleteAssistantRequest(id=one.assistant_id), metadata=one.metadata())
    await freeze(one)
    async with asyncio.timeout(10):
        events = await watch(two, started.id)
    assert events[-1].failed.response.error.code == "assistant_not_found"


async def test_a_restarted_core_goes_on_with_what_waits_in_the_background(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel([[asyncio.Event()]])) as core:
        started = await create(core, "Hi", settings=ResponseSettings(background=True))
        await freeze(core)
        await copy_running(core, settings)
    async with running_core(
        replace(settings, data=settings.data.with_name("copy")), ScriptedModel([says("Late.")])
    ) as again:
        async with asyncio.timeout(10):
            events = await watch(again, started.id)
        assert events[-1].completed.response.output[0].message.content[0].output_text.text == "Late."


async def copy_running(core: CoreUnderTest, settings: Settings) -> None:
    """What a killed core leaves on the disk."""
    target = settings.data.with_name("copy")
    target.mkdir(mode=0o700)
    await asyncio.to_thread(copy, settings.data / "nodexa.db", target / "nodexa.db")
    for name in ("master.key", "quickstart.env"):
        (target / name).write_bytes((settings.data / name).read_bytes())
