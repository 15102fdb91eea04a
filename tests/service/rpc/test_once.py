"""A request with an id is carried out once, however often it is sent and whatever happened to the first answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import DeleteResponseRequest

from service.errors import NodexaError
from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from service.store.retention import Retention
from tests.conftest import CoreUnderTest, events_in
from tests.service.refusals import refusal
from tests.service.requests import asking, create, organization_id, stream, user, watch

MANY = 50


async def test_of_many_sent_at_once_one_is_carried_out(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Hel")], gate, [TextDelta("lo"), STOP]])
    sent = [asyncio.create_task(create(core, "Hi", request_id="order-1")) for _ in range(MANY)]
    while not core.model.prompts:
        await organization_id(core)
    gate.set()
    answers = await asyncio.gather(*sent)
    assert len(core.model.prompts) == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].status == Response.STATUS_COMPLETED


async def test_the_answer_comes_again_after_the_end(core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    first = await create(core, "Hi", request_id="order-1")
    assert await create(core, "Hi", request_id="order-1") == first


async def test_a_stream_comes_again_from_its_beginning(core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    first = await stream(core, "Hi", request_id="order-1")
    assert await stream(core, "Hi", request_id="order-1") == first
    assert await watch(core, first[0].created.response.id) == first


async def test_a_stream_that_still_runs_is_joined(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Hel")], gate, [TextDelta("lo"), STOP]])
    calls = [
        core.responses.StreamResponse(asking(core, "Hi", request_id="order-1"), metadata=core.metadata())
        for _ in range(2)
    ]
    first = [await anext(aiter(call)) for call in calls]
    gate.set()
    told = [events_in([head, *[batch async for batch in call]]) for head, call in zip(first, calls, strict=True)]
    assert told[0] == told[1]


async def test_a_background_response_is_shown_as_it_stands(core: CoreUnderTest) -> None:
    core.model.add([asyncio.Event()])
    settings = ResponseSettings(background=True)
    first = await create(core, "Hi", request_id="order-1", settings=settings)
    again = await create(core, "Hi", request_id="order-1", settings=settings)
    assert again.id == first.id
    assert again.status == Response.STATUS_IN_PROGRESS


async def test_a_failure_comes_again_as_it_was(core: CoreUnderTest) -> None:
    core.model.add([NodexaError("upstream_error", "The server broke.")])
    told = [
        await refusal(core.responses.CreateResponse(asking(core, "Hi", request_id="order-1"), metadata=core.metadata()))
        for _ in range(2)
    ]
    assert [replace(each, request_id="") for each in told] == [replace(told[0], request_id="")] * 2
    assert told[0].response_id


async def test_another_request_under_the_id_is_refused(core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    await create(core, "Hi", request_id="order-1")
    for other in (
        asking(core, "Ho", request_id="order-1"),
        asking(core, "Hi", request_id="order-1", settings=ResponseSettings(temperature=0.5)),
    ):
        answer = await refusal(core.responses.CreateResponse(other, metadata=core.metadata()))
        assert (answer.status, answer.reason, answer.param) == (
            "ALREADY_EXISTS",
            "idempotency_key_reused",
            "request_id",
        )
    elsewhere = core.responses.CreateResponse(
        asking(core, "Hi", request_id="order-1"), metadata=core.metadata(x_user_id="alice")
    )
    assert (await refusal(elsewhere)).reason == "idempotency_key_reused"


async def test_renewed_user_tokens_make_no_other_request(core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    first = await create(core, "Hi", request_id="order-1", user_tokens={"p": "old"})
    assert await create(core, "Hi", request_id="order-1", user_tokens={"p": "new"}) == first


async def test_ids_of_two_keys_are_strangers(core: CoreUnderTest) -> None:
    wanted = CreateApiKeyRequest(name="other", scopes=[ApiKey.SCOPE_FULL_ACCESS])
    made = await core.admin.CreateApiKey(wanted, metadata=core.metadata())
    other = replace(core, quickstart={**core.quickstart, "NODEXA_API_KEY": made.secret})
    core.model.add(says("One"), says("Two"))
    first = await create(core, "Hi", request_id="order-1")
    assert (await create(other, "Hi", request_id="order-1")).id != first.id


async def test_a_refused_request_is_not_remembered(core: CoreUnderTest) -> None:
    bad = asking(core, "Hi", request_id="order-1", settings=ResponseSettings(temperature=9))
    await refusal(core.responses.CreateResponse(bad, metadata=core.metadata()))
    core.model.add(says("Hello"))
    assert (await create(core, "Hi", request_id="order-1")).status == Response.STATUS_COMPLETED


async def test_an_id_is_free_again_when_its_response_or_its_day_is_over(core: CoreUnderTest) -> None:
    core.model.add(says("One"), says("Two"), says("Three"))
    first = await create(core, "Hi", request_id="order-1")
    await core.responses.DeleteResponse(DeleteResponseRequest(id=first.id), metadata=core.metadata())
    second = await create(core, "Hi", request_id="order-1")
    assert await Retention(core.core.database).forget_requests(2**62) == 1
    third = await create(core, "Hi", request_id="order-1")
    assert len({first.id, second.id, third.id}) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"request_id": "x" * 256},
        {"request_id": "ä"},
        {"request_id": "a\nb"},
        {"request_id": "order-1", "settings": ResponseSettings(store=False)},
    ],
    ids=["too long", "not ASCII", "two lines", "nothing stored"],
)
async def test_an_id_that_can_not_be_is_refused(core: CoreUnderTest, more: dict[str, object]) -> None:
    request = asking(core, user("Hi"), **more)
    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))
    assert (answer.reason, answer.param) == ("invalid_request", "request_id")
