"""Calls without a task whose run another core has ended meanwhile: they are told what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response

from service.model.chunk import TextDelta
from service.model.model import Abilities
from service.model.scripted import STOP, ScriptedModel, says
from service.rpc.at_once import CREATE, STREAM
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.freezing import freeze
from tests.service.requests import asking, create, get, watch
from tests.service.rpc.bridge_end import SECONDS, Bridge, bridge_of, with_socket

Ends = tuple[CoreUnderTest, CoreUnderTest, Bridge]


@pytest.fixture
async def ends(settings: Settings, tmp_path: Path) -> AsyncIterator[Ends]:
    """Two cores that share a database, and a bridge of the first, where all that a call takes is at hand."""
    shared = replace(settings, shared=True, lease=0.6)
    model = ScriptedModel(abilities=Abilities(at_once=True))
    async with running_core(with_socket(shared, tmp_path), model) as one, running_core(shared, ScriptedModel()) as two:
        model.add(says("Hello"))
        await create(one)
        async with bridge_of(one) as bridge:
            yield one, replace(two, quickstart=one.quickstart), bridge


async def ended_elsewhere(one: CoreUnderTest, two: CoreUnderTest) -> Response:
    """The response that the first core was at work on, once the second has ended it."""
    rows: list[tuple[str]] = []
    async with asyncio.timeout(SECONDS):
        while not rows:
            rows = await one.core.database.read(
                lambda db: db.conn.execute("select id from responses where status = 'in_progress'").fetchall()
            )
        await freeze(one)
        assert not {CREATE, STREAM} & {task.get_name() for task in asyncio.all_tasks()}
        await watch(two, rows[0][0])
    return await get(two, rows[0][0])


async def test_an_answer_is_what_the_other_core_made_of_it(ends: Ends) -> None:
    one, two, bridge = ends
    waking = asyncio.Event()
    one.model.add([waking, [TextDelta("Late"), STOP]])
    bridge.open(one, 1, "CreateResponse", asking(one), metadata=[("authorization", f"Bearer {one.key}")])

    ended = await ended_elsewhere(one, two)
    waking.set()

    end = await bridge.end_of(1)
    assert end.status == 0
    assert ended.status == Response.STATUS_FAILED
    assert Response.FromString(end.message) == ended


async def test_a_stream_ends_as_the_other_core_ended_it(ends: Ends) -> None:
    one, two, bridge = ends
    waking = asyncio.Event()
    one.model.add([[TextDelta("Hel")], waking, [TextDelta("lo"), STOP]])
    bridge.open(one, 1, "StreamResponse", asking(one), metadata=[("authorization", f"Bearer {one.key}")])

    ended = await ended_elsewhere(one, two)
    waking.set()

    assert (await bridge.end_of(1)).status == 0
    events = [event for message in bridge.messages[1] for event in EventBatch.FromString(message).events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].failed.response.output == ended.output
    assert ended.output[0].message.content[0].output_text.text == "Hel"
