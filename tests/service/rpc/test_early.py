"""A stream whose model is asked before its beginning is on disk: nothing is shown of it before, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import ListResponsesRequest

from service.errors import NodexaError
from service.model.chunk import TextDelta
from service.model.scripted import STOP, Step, says
from service.runner.early import BEGINNING_WAITS
from tests.conftest import CoreUnderTest, events_in
from tests.service.refusals import refusal
from tests.service.requests import asking, get, said, stream, watch
from tests.service.runner.ladder import climb, kinds
from tests.service.store.test_outage import LARGE, fill

SECONDS = 10
BEGUN = ["created", "in_progress"]


async def rows(core: CoreUnderTest) -> Sequence[tuple[str, int]]:
    """The state of each response, and the first number of each piece of its log."""
    query = """select status, first_seq from responses join response_segments on response_id = id
               order by id, first_seq"""
    return await core.core.database.read(lambda db: db.conn.execute(query).fetchall())


async def entered(core: CoreUnderTest) -> Sequence[tuple[int, int]]:
    """The numbers of the pieces that went to the daybook."""
    query = "select first_seq, last_seq from daybook order by number"
    return await core.core.database.read(lambda db: db.conn.execute(query).fetchall())


async def until_asked(core: CoreUnderTest) -> None:
    async with asyncio.timeout(SECONDS):
        while not core.model.prompts:
            await rows(core)


async def until_stopped(core: CoreUnderTest) -> None:
    async with asyncio.timeout(SECONDS):
        while not core.model.stopped:
            await rows(core)


async def when_begun_late(gate: asyncio.Event) -> None:
    """Opens the gate when the beginning of what was asked for waits for the disk, and not for words any more."""
    asyncio.get_running_loop().call_later(2 * BEGINNING_WAITS, gate.set)
    await gate.wait()


@asynccontextmanager
async def busy_disk(core: CoreUnderTest) -> AsyncIterator[None]:
    """The writer does nothing else meanwhile."""
    free, held = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        free.wait(SECONDS)

    waiting = asyncio.create_task(core.core.database.write(hold))
    await asyncio.to_thread(held.wait, SECONDS)
    try:
        yield
    finally:
        free.set()
        await waiting


class Reading:
    """A stream that is read as it comes; `told` are its events so far."""

    def __init__(self, core: CoreUnderTest) -> None:
        self._core = core
        self.told: list[ResponseEvent] = []
        self.call = core.responses.StreamResponse(asking(core), metadata=core.metadata())
        self.task = asyncio.create_task(self._read())

    async def until(self, kind: str) -> None:
        """Returns when such an event has come."""
        async with asyncio.timeout(SECONDS):
            while kind not in kinds(self.told):
                await rows(self._core)

    async def _read(self) -> None:
        async for batch in self.call:
            self.told += events_in([batch])


async def test_first_words_that_come_soon_are_written_with_the_beginning(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), STOP]])
    reading = Reading(core)
    await reading.until("output_text_delta")
    assert await rows(core) == [("in_progress", 0)]

    gate.set()
    await reading.task

    climb(reading.told)
    assert await rows(core) == [("completed", 0), ("completed", 5)]
    assert await watch(core, reading.told[0].created.response.id) == reading.told


async def test_an_answer_that_is_all_there_is_written_once(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Hi"), STOP]])

    events = await stream(core)

    climb(events)
    assert await rows(core) == [("completed", 0)]
    assert said(await get(core, events[0].created.response.id)) == "Hi"


async def test_a_model_that_is_silent_lets_the_beginning_be_shown_before_its_words(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([gate, [TextDelta("Late"), STOP]])
    reading = Reading(core)
    await reading.until("in_progress")
    assert kinds(reading.told) == BEGUN
    assert await rows(core) == [("in_progress", 0)]

    gate.set()
    await reading.task

    climb(reading.told)
    assert await rows(core) == [("completed", 0), ("completed", 2)]


async def test_nothing_is_shown_before_it_is_on_disk(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], [TextDelta(" more"), STOP]])
    async with busy_disk(core):
        reading = Reading(core)
        await until_asked(core)
        assert await rows(core) == []
        assert reading.told == []

    await reading.task
    climb(reading.told)
    assert said(reading.told[-1].completed.response) == "Once more"


async def test_words_that_come_while_the_beginning_is_written_come_behind_it(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([gate, [TextDelta("Once")], [TextDelta(" more"), STOP]])
    async with busy_disk(core):
        reading = Reading(core)
        await until_asked(core)
        await when_begun_late(gate)

    await reading.task
    climb(reading.told)
    assert said(reading.told[-1].completed.response) == "Once more"
    assert await entered(core) == [(2, 4)]
    assert await rows(core) == [("completed", 0), ("completed", 2)]


async def test_words_that_come_while_others_are_written_are_written_together(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, *([TextDelta(word)] for word in (" upon", " a", " time")), [STOP]])
    reading = Reading(core)
    await reading.until("output_text_delta")
    async with busy_disk(core):
        gate.set()
        assert await rows(core) == [("in_progress", 0)]

    await reading.task
    climb(reading.told)
    assert said(reading.told[-1].completed.response) == "Once upon a time"
    assert await entered(core) == [(5, 5)]
    assert await rows(core) == [("completed", 0), ("completed", 5)]


async def test_what_is_stopped_while_its_beginning_is_written_keeps_the_words_that_waited(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([gate, [TextDelta("Once")], asyncio.Event()])
    async with busy_disk(core):
        reading = Reading(core)
        await until_asked(core)
        await when_begun_late(gate)
        closing = asyncio.create_task(core.core.runner.close())
        await until_stopped(core)

    await asyncio.gather(closing, reading.task)
    climb(reading.told)
    assert said(reading.told[-1].failed.response) == "Once"


async def test_a_caller_that_leaves_at_once_stops_it_and_it_is_kept_as_cancelled(core: CoreUnderTest) -> None:
    core.model.add([asyncio.Event()])
    reading = Reading(core)
    await until_asked(core)
    reading.call.cancel()

    async with asyncio.timeout(SECONDS):
        while {status for status, _ in await rows(core)} != {"cancelled"}:
            pass
    (listed,) = (await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())).responses
    assert listed.status == Response.STATUS_CANCELLED
    climb(await watch(core, listed.id))


async def test_a_model_that_fails_at_once_is_told_of_by_the_stream(core: CoreUnderTest) -> None:
    core.model.add([NodexaError("upstream_error", "It broke.")])

    events = await stream(core)

    climb(events)
    assert events[-1].failed.response.error.code == "upstream_error"
    assert await rows(core) == [("failed", 0)]


@pytest.mark.parametrize("first", [[[TextDelta("lost")]], []], ids=["words", "silence"])
async def test_a_full_disk_refuses_the_call_and_stops_the_model(core: CoreUnderTest, first: list[Step]) -> None:
    core.model.add([*first, asyncio.Event()], says("Hi"))
    await fill(core, 2)

    answer = await refusal(stream(core, LARGE))

    assert (answer.status, answer.reason, answer.retry_after) == ("UNAVAILABLE", "storage_unavailable", 1)
    await until_stopped(core)
    assert await rows(core) == []
    await fill(core, 1000)
    assert said((await stream(core, LARGE))[-1].completed.response) == "Hi"


async def test_a_stream_with_an_id_is_on_disk_before_the_model_is_asked(core: CoreUnderTest) -> None:
    core.model.add([asyncio.Event()])
    call = core.responses.StreamResponse(asking(core, request_id="one"), metadata=core.metadata())

    await until_asked(core)

    assert await rows(core) == [("in_progress", 0)]
    call.cancel()
