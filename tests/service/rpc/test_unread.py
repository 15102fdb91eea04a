"""A call whose answer comes whole: written once where that is soon, and told of truthfully where it isn't."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import ListResponsesRequest

from service.errors import NodexaError
from service.model.chunk import TextDelta
from service.model.model import Abilities
from service.model.scripted import STOP, ScriptedModel, calls, says
from tests.conftest import CoreUnderTest
from tests.service.ready_model import ReadyModel
from tests.service.refusals import refusal
from tests.service.requests import create, get, said, watch, with_tools
from tests.service.runner.ladder import climb

SECONDS = 10


@pytest.fixture(params=["waited for", "asked at once"])
def model(request: pytest.FixtureRequest) -> ScriptedModel:
    """The model of `core`, whose answers come whole."""
    return ReadyModel() if request.param == "asked at once" else ScriptedModel(abilities=Abilities(at_once=True))


async def rows(core: CoreUnderTest) -> Sequence[tuple[str, int, int]]:
    """The state of each response, and the first and the last number of each piece of its log."""
    query = """select status, first_seq, s.last_seq from responses join response_segments s on response_id = id
               order by id, first_seq"""
    return await core.core.database.read(lambda db: db.conn.execute(query).fetchall())


async def until_written(core: CoreUnderTest, *expected: tuple[str, int, int]) -> None:
    async with asyncio.timeout(SECONDS):
        while await rows(core) != list(expected):
            pass


async def until_asked(core: CoreUnderTest) -> None:
    async with asyncio.timeout(SECONDS):
        while not core.model.prompts:
            await rows(core)


async def test_what_is_answered_soon_is_written_once(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Hi there"), STOP]], says("Two words"), calls(("look", "{}")))

    made = [await create(core), await create(core), await create(core, settings=with_tools("look"))]

    assert [said(response) for response in made[:2]] == ["Hi there", "Two words"]
    assert [response.status for response in made] == [3, 3, Response.STATUS_REQUIRES_ACTION]
    assert [(status, first) for status, first, _ in await rows(core)] == [
        ("completed", 0),
        ("completed", 0),
        ("requires_action", 0),
    ]
    for response in made:
        assert await get(core, response.id) == response
        climb(await watch(core, response.id))


async def test_the_next_turn_goes_on_from_it(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Hi"), STOP]], [[TextDelta("Ho"), STOP]])

    first = await create(core)
    second = await create(core, "And?", previous_response_id=first.id)

    assert second.previous_response_id == first.id
    assert len(core.model.prompts[1].items) == 3


async def test_what_takes_longer_is_on_disk_before_its_end(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([gate, [TextDelta("Late"), STOP]])
    asked = asyncio.create_task(create(core))
    await until_written(core, ("in_progress", 0, 1))
    listed = await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())
    assert [response.status for response in listed.responses] == [Response.STATUS_IN_PROGRESS]

    gate.set()
    response = await asked

    assert said(response) == "Late"
    assert await rows(core) == [("completed", 0, 1), ("completed", 2, 8)]
    climb(await watch(core, response.id))


async def test_a_caller_that_leaves_at_once_stops_it_and_it_is_kept_as_cancelled(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    asked = asyncio.create_task(create(core))
    await until_asked(core)
    asked.cancel()

    async with asyncio.timeout(SECONDS):
        while {status for status, _, _ in await rows(core)} != {"cancelled"}:
            pass
    (listed,) = (await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())).responses
    assert said(listed) == "Once"


async def test_a_model_that_fails_leaves_a_failed_response_with_what_it_wrote(core: CoreUnderTest) -> None:
    broken = NodexaError("upstream_error", "It broke.")
    core.model.add([broken], [[TextDelta("Half")], broken])

    answer = await refusal(create(core))
    half = await create(core)

    assert (answer.reason, half.status, half.error.code) == ("upstream_error", Response.STATUS_FAILED, "upstream_error")
    assert said(half) == "Half"
    assert [(status, first) for status, first, _ in await rows(core)] == [("failed", 0), ("failed", 0)]


async def test_a_call_that_is_no_use_is_told_to_the_model_once(core: CoreUnderTest) -> None:
    core.model.add(calls(("unknown", "{}")), [[TextDelta("Then so"), STOP]])

    assert said(await create(core, settings=with_tools("look"))) == "Then so"
    assert len(core.model.prompts) == 2


async def test_what_keeps_nothing_leaves_nothing(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Hi"), STOP]])

    response = await create(core, settings=ResponseSettings(store=False))

    assert (said(response), await rows(core)) == ("Hi", [])


async def test_a_request_with_an_id_is_on_disk_before_the_model_is_asked(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([gate, [TextDelta("Once"), STOP]])
    asked = asyncio.create_task(create(core, request_id="one"))
    await until_asked(core)
    assert await rows(core) == [("in_progress", 0, 1)]
    again = asyncio.create_task(create(core, request_id="one"))

    gate.set()

    assert await asked == await again
    assert len(core.model.prompts) == 1


async def test_a_full_disk_refuses_an_answer_and_then_work_before_its_model_is_asked(core: CoreUnderTest) -> None:
    core.model.add(*([[TextDelta("Hi"), STOP]] for _ in range(3)))
    large = "x" * 200_000
    await fill(core, 2)

    answers = [await refusal(create(core, large)) for _ in range(3)]

    assert {(answer.status, answer.reason, answer.retry_after) for answer in answers} == {
        ("UNAVAILABLE", "storage_unavailable", 1)
    }
    assert (len(core.model.prompts), await rows(core)) == (1, [])
    await fill(core, 1000)
    assert said(await create(core, large)) == "Hi"


async def fill(core: CoreUnderTest, pages: int) -> None:
    """Lets the database grow by so many pages and no more."""
    await core.core.database.write(
        lambda db: db.conn.execute(
            f"pragma max_page_count={db.conn.execute('pragma page_count').fetchone()[0] + pages}"
        )
    )
