"""The disk is full: new work is refused, what runs waits for it, reading goes on, and nothing is lost."""

from __future__ import annotations

import asyncio

from nodexa.v1.response_pb2 import Response, ResponseSettings

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from service.store.commit import Job
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import create, get, said, stream, watch
from tests.service.runner.ladder import climb

LARGE = "x" * 200_000


async def fill(core: CoreUnderTest, pages: int) -> None:
    """Lets the database grow by so many pages and no more."""
    await core.core.database.write(
        lambda db: db.conn.execute(
            f"pragma max_page_count={db.conn.execute('pragma page_count').fetchone()[0] + pages}"
        )
    )


async def test_new_work_is_refused_and_reading_goes_on(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("lost"), says("Ho"))
    before = await create(core)
    await fill(core, 2)

    answers = [await refusal(create(core, LARGE)) for _ in range(3)]

    assert {(answer.status, answer.reason, answer.retry_after) for answer in answers} == {
        ("UNAVAILABLE", "storage_unavailable", 1)
    }
    # What is asked for when the disk has just become full is found out by its answer.
    assert len(core.model.prompts) == 2
    assert await get(core, before.id) == before
    await fill(core, 1000)
    assert said(await create(core, LARGE)) == "Ho"


async def test_what_runs_fails_with_every_event_in_its_log_once_there_is_room(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    large = [TextDelta(LARGE)]
    core.model.add([[TextDelta("Once")], gate, large, large, [TextDelta("never shown"), STOP]])
    running = await create(core, settings=ResponseSettings(background=True))
    following = asyncio.create_task(watch(core, running.id))
    await fill(core, 2)
    gate.set()
    async with asyncio.timeout(10):
        while not core.model.stopped:
            assert (await get(core, running.id)).status == Response.STATUS_IN_PROGRESS
    assert not following.done()

    await fill(core, 1000)
    async with asyncio.timeout(10):
        events = await following

    climb(events)
    failed = events[-1].failed.response
    assert failed.error.code == "storage_unavailable"
    assert said(failed) == "Once" + 2 * LARGE
    assert await watch(core, running.id) == events
    assert (await get(core, running.id)).status == Response.STATUS_FAILED


async def test_what_keeps_nothing_needs_no_disk(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    await fill(core, 0)

    events = await stream(core, LARGE, settings=ResponseSettings(store=False))

    climb(events)
    assert said(events[-1].completed.response) == "Hi"


async def test_what_needs_too_much_room_takes_nothing_from_the_rest_of_its_group(core: CoreUnderTest) -> None:
    await fill(core, 3)
    database = core.core.database
    await database.write(lambda db: db.conn.execute("create table notes(text text) strict").rowcount)

    def note(text: str) -> Job[int]:
        return lambda db: db.conn.execute("insert into notes values(?)", (text,)).rowcount

    texts = ["small", LARGE, "small too"]
    outcomes = await asyncio.gather(*(database.write(note(text)) for text in texts), return_exceptions=True)

    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
