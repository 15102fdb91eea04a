"""A run has one owner: who takes it fences off who had it, and only what was not heard of can be taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Organization

from service.store.administration import Administration
from service.store.database import Database
from service.store.ownership import Orphan, Ownership
from service.store.records import LostRunError, ResponseRow, Segment
from service.store.responses import ResponseStore
from service.store.sqlite import sqlite3

ORPHAN = Orphan("resp_1", "org_1", "core_1", 0, background=False)
END = {"status": "failed", "result": b"", "finished_at": 9}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with a run of `core_1`, which was last heard of at 100."""
    opened = await Database.open(tmp_path / "test.db")
    await Administration(opened).add_organization(Organization(id="org_1", name="One"), now=0)
    await Ownership(opened, "core_1").enter(100, alone=True)
    row = ResponseRow("resp_1", "org_1", "asst_1", "", "key_1", "", "in_progress", False, 0, 9)
    await ResponseStore(opened, owner="core_1").create(row, b"", b"", Segment(0, 0, b""))
    yield opened
    await opened.close()


async def test_only_the_runs_of_a_silent_core_are_orphans(database: Database) -> None:
    other = Ownership(database, "core_2")
    assert await other.orphans(heard_before=100) == []
    assert await other.orphans(heard_before=101) == [ORPHAN]
    await Ownership(database, "core_1").beat(150)
    assert await other.orphans(heard_before=101) == []


async def test_nobody_orphans_its_own_runs(database: Database) -> None:
    assert await Ownership(database, "core_1").orphans(heard_before=1_000) == []


async def test_a_core_that_says_that_it_leaves_is_not_waited_for(database: Database) -> None:
    await Ownership(database, "core_1").leave()
    assert await Ownership(database, "core_2").orphans(heard_before=0) == [ORPHAN]


async def test_who_is_alone_knows_that_the_others_are_gone(database: Database) -> None:
    alone = Ownership(database, "core_2")
    await alone.enter(100, alone=True)
    assert await alone.orphans(heard_before=0) == [ORPHAN]


async def test_a_core_that_is_heard_again_keeps_its_runs(database: Database) -> None:
    other = Ownership(database, "core_2")
    (orphan,) = await other.orphans(heard_before=101)
    await Ownership(database, "core_1").beat(150)
    assert await other.take(orphan, 101) is None


async def test_a_core_can_ask_which_of_its_runs_it_has_lost(database: Database) -> None:
    owner, other = Ownership(database, "core_1"), Ownership(database, "core_2")
    live = {"resp_1": 0, "resp_that_is_not_written_yet": 0}
    assert await owner.lost(live) == []
    assert await other.take(ORPHAN, 101) == 1
    assert await owner.lost(live) == ["resp_1"]
    assert await owner.take(replace(ORPHAN, owner="core_2", epoch=1), 101) == 2
    assert await owner.lost(live) == ["resp_1"]
    assert await owner.lost({"resp_1": 2}) == []


async def test_of_many_who_want_a_run_one_gets_it(database: Database) -> None:
    taken = await asyncio.gather(*(Ownership(database, f"core_{n}").take(ORPHAN, 101) for n in range(2, 12)))
    assert sorted(taken, key=str) == [1, *[None] * 9]


async def test_the_old_owner_can_not_write_any_more(database: Database) -> None:
    old, new = (ResponseStore(database, owner=owner) for owner in ("core_1", "core_2"))
    epoch = await Ownership(database, "core_2").take(ORPHAN, 101)
    assert epoch == 1

    with pytest.raises(LostRunError):
        await old.append("resp_1", Segment(1, 1, b"a"))
    with pytest.raises(LostRunError):
        await old.finish("resp_1", Segment(1, 1, b"a"), **END)
    with pytest.raises(LostRunError):
        await new.append("resp_1", Segment(1, 1, b"b"))
    await new.under(epoch).append("resp_1", Segment(1, 1, b"c"))
    await new.under(epoch).finish("resp_1", Segment(2, 2, b"d"), **END)

    assert [segment.data for segment in await new.segments("org_1", "resp_1", -1)] == [b"", b"c", b"d"]


async def test_a_final_response_can_not_be_taken(database: Database) -> None:
    await ResponseStore(database, owner="core_1").finish("resp_1", Segment(1, 1, b""), **END)
    assert await Ownership(database, "core_2").take(ORPHAN, 101) is None


async def test_an_epoch_never_falls(database: Database) -> None:
    await Ownership(database, "core_2").take(ORPHAN, 101)
    with pytest.raises(sqlite3.IntegrityError, match="an epoch never falls"):
        await database.write(lambda db: db.conn.execute("update responses set lease_epoch = 0"))


async def test_an_owner_hears_who_wants_its_run_cancelled(database: Database) -> None:
    owner = Ownership(database, "core_1")
    assert await owner.beat(200) == []
    await ResponseStore(database).ask_to_cancel("org_2", "resp_1")
    assert await owner.beat(201) == []
    await ResponseStore(database).ask_to_cancel("org_1", "resp_1")
    assert await owner.beat(202) == ["resp_1"]
    assert await Ownership(database, "core_2").beat(203) == []
