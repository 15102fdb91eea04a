"""ResponseService through a real channel."""

from __future__ import annotations

import asyncio
from typing import Any

from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import (
    CancelResponseRequest,
    CreateResponseRequest,
    DeleteResponseRequest,
    GetResponseRequest,
    WatchResponseRequest,
)

from service.model.chunk import Finish, FinishReason, TextDelta, TokenUsage
from service.model.scripted import says
from tests.conftest import CoreUnderTest, events_in

CANCELLED = Response.STATUS_CANCELLED
LADDER = [
    "created",
    "in_progress",
    "output_item_added",
    "content_part_added",
    "output_text_delta",
    "output_text_delta",
    "output_text_done",
    "content_part_done",
    "output_item_done",
    "completed",
]


def asking(core: CoreUnderTest, text: str = "Hello", **more: Any) -> CreateResponseRequest:
    part = ContentPart(input_text=InputText(text=text))
    item = Item(message=Message(role=Message.ROLE_USER, content=[part]))
    return CreateResponseRequest(assistant_id=core.assistant_id, input=[item], **more)


async def stream(core: CoreUnderTest, request: CreateResponseRequest) -> list[EventBatch]:
    return [batch async for batch in core.responses.StreamResponse(request, metadata=core.metadata())]


async def watch(core: CoreUnderTest, response_id: str, after: int | None = None) -> list[EventBatch]:
    request = WatchResponseRequest(id=response_id, starting_after=after)
    return [batch async for batch in core.responses.WatchResponse(request, metadata=core.metadata())]


async def test_a_stream_climbs_the_whole_ladder(core: CoreUnderTest) -> None:
    core.model.add(says("Good day", usage=TokenUsage(3, 2)))

    events = events_in(await stream(core, asking(core)))

    assert [event.WhichOneof("kind") for event in events] == LADDER
    assert [event.sequence_number for event in events] == list(range(len(LADDER)))
    final = events[-1].completed.response
    assert final.status == Response.STATUS_COMPLETED
    assert final.output[0].message.content[0].output_text.text == "Good day"
    assert final.usage.total_tokens == 5


async def test_the_first_batch_of_a_stream_says_the_settings(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))

    batches = await stream(core, asking(core, settings=ResponseSettings(temperature=0.5)))

    assert batches[0].settings.temperature == 0.5
    assert not any(batch.HasField("settings") for batch in batches[1:])


async def test_watching_gives_exactly_the_rest_from_every_number(core: CoreUnderTest) -> None:
    core.model.add(says("one two three four five six seven"))
    whole = events_in(await stream(core, asking(core)))
    response_id = whole[0].created.response.id

    for after in range(-1, len(whole)):
        rest = events_in(await watch(core, response_id, after if after >= 0 else None))
        assert rest == whole[after + 1 :]


async def test_a_unary_call_answers_with_the_final_response(core: CoreUnderTest) -> None:
    core.model.add(says("Good day"))

    response = await core.responses.CreateResponse(asking(core), metadata=core.metadata())

    assert response.status == Response.STATUS_COMPLETED
    assert not core.model.prompts[0].streaming
    again = await core.responses.GetResponse(GetResponseRequest(id=response.id), metadata=core.metadata())
    assert again == response


async def test_the_second_turn_sees_the_first(core: CoreUnderTest) -> None:
    core.model.add(says("Hello Alice"), says("Alice"))
    first = await core.responses.CreateResponse(asking(core, "I am Alice"), metadata=core.metadata())

    await core.responses.CreateResponse(
        asking(core, "Who am I?", previous_response_id=first.id), metadata=core.metadata()
    )

    said = [item.message.content[0] for item in core.model.prompts[1].items]
    assert [part.input_text.text or part.output_text.text for part in said] == [
        "I am Alice",
        "Hello Alice",
        "Who am I?",
    ]


async def test_a_reply_cut_by_the_limit_is_incomplete(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once upon")], [Finish(FinishReason.LENGTH)]])

    events = events_in(await stream(core, asking(core, settings=ResponseSettings(max_output_tokens=2))))

    final = events[-1].incomplete.response
    assert final.status == Response.STATUS_INCOMPLETE
    assert final.incomplete_details.reason == "max_output_tokens"


async def test_cancelling_stops_the_model_and_ends_the_stream(core: CoreUnderTest) -> None:
    never = asyncio.Event()
    core.model.add([[TextDelta("Once")], never])
    call = core.responses.StreamResponse(asking(core), metadata=core.metadata())
    batches = aiter(call)
    first = await anext(batches)
    response_id = first.events[0].created.response.id
    while "output_text_delta" not in [event.WhichOneof("kind") for event in first.events]:
        first = await anext(batches)

    cancelled = await core.responses.CancelResponse(CancelResponseRequest(id=response_id), metadata=core.metadata())
    rest = events_in([batch async for batch in batches])

    assert cancelled.status == Response.STATUS_CANCELLED
    assert rest[-1].incomplete.response.status == Response.STATUS_CANCELLED
    assert core.model.stopped == 1
    again = await core.responses.CancelResponse(CancelResponseRequest(id=response_id), metadata=core.metadata())
    assert again == cancelled


async def test_a_client_that_hangs_up_and_stays_away_cancels_the_run(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    call = core.responses.StreamResponse(asking(core), metadata=core.metadata())
    first = await anext(aiter(call))
    call.cancel()

    request = GetResponseRequest(id=first.events[0].created.response.id)
    async with asyncio.timeout(10):
        while (await core.responses.GetResponse(request, metadata=core.metadata())).status != CANCELLED:
            pass
    events = events_in(await watch(core, request.id))

    assert events[-1].incomplete.response.status == CANCELLED


async def test_a_background_response_needs_no_reader(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), Finish(FinishReason.STOP)]])

    response = await core.responses.CreateResponse(
        asking(core, settings=ResponseSettings(background=True)), metadata=core.metadata()
    )
    assert response.status == Response.STATUS_IN_PROGRESS
    gate.set()
    events = events_in(await watch(core, response.id))

    assert [event.WhichOneof("kind") for event in events[:3]] == ["created", "queued", "in_progress"]
    assert events[-1].completed.response.output[0].message.content[0].output_text.text == "Once more"


async def test_store_false_keeps_nothing(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    response = await core.responses.CreateResponse(
        asking(core, settings=ResponseSettings(store=False)), metadata=core.metadata()
    )
    count = await core.core.database.read(lambda db: db.execute("select count(*) from responses").fetchone())

    assert response.status == Response.STATUS_COMPLETED
    assert count == (0,)


async def test_deleting_forgets_the_response_and_its_log(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    response = await core.responses.CreateResponse(asking(core), metadata=core.metadata())

    await core.responses.DeleteResponse(DeleteResponseRequest(id=response.id), metadata=core.metadata())

    left = await core.core.database.read(lambda db: db.execute("select count(*) from response_segments").fetchone())
    assert left == (0,)
