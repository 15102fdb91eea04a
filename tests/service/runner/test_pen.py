"""A pen writes behind what is on its way, and keeps what the disk did not take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Organization

from service.runner.log import EventLog
from service.runner.pen import MOST_WAITING, Pen
from service.store.administration import Administration
from service.store.database import Database
from service.store.ownership import Orphan, Ownership
from service.store.records import LostRunError, ResponseRow, Segment
from service.store.responses import ResponseStore

BEGUN = Segment(0, 0, b"begun")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "test.db")
    await Administration(opened).add_organization(Organization(id="org_1", name="One"), now=0)
    await Ownership(opened, "core_1").enter(100, alone=True)
    yield opened
    await opened.close()


@pytest.fixture
async def log() -> EventLog:
    return EventLog()


@pytest.fixture
async def pen(database: Database, log: EventLog) -> Pen:
    """The pen of a run of `core_1` that has begun, and has said the first word."""
    store = ResponseStore(database, owner="core_1")
    row = ResponseRow("resp_1", "org_1", "asst_1", "", "key_1", "", "in_progress", False, 0, 9_000)
    await log.append(BEGUN, store.create(row, b"", b"", BEGUN))
    pen = Pen(log, store, "resp_1")
    assert pen.write(Segment(1, 1, b"1")) is None
    await pen.close()
    return pen


async def test_what_is_told_while_a_segment_is_on_its_way_follows_as_one(pen: Pen, log: EventLog) -> None:
    for number in range(2, 6):
        assert pen.write(Segment(number, number, b"%d" % number)) is None
        assert len(log.segments) == 2

    await pen.close()
    assert log.segments[2:] == [Segment(2, 2, b"2")]
    assert pen.write(Segment(6, 6, b"6")) is None
    await pen.close()
    assert log.segments[3:] == [Segment(3, 6, b"3456")]


async def test_who_tells_much_more_than_the_disk_has_taken_waits(pen: Pen, log: EventLog) -> None:
    assert pen.write(Segment(2, 2, b"2")) is None
    wait = pen.write(Segment(3, 3, b"3" * (MOST_WAITING + 1)))
    assert wait is not None

    await wait()

    assert [segment.last for segment in log.segments] == [0, 1, 2, 3]


async def test_what_was_refused_is_said_to_who_tells_more_and_kept(database: Database, pen: Pen, log: EventLog) -> None:
    assert await Ownership(database, "core_2").take(Orphan("resp_1", "org_1", "core_1", 0, background=False), 101)
    assert pen.write(Segment(2, 2, b"2")) is None

    with pytest.raises(LostRunError):
        await pen.close()

    assert len(log.segments) == 2
    assert pen.behind(Segment(3, 3, b"3")) == Segment(2, 3, b"23")
    await pen.close()
