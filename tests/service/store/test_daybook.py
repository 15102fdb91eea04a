"""What many runs say word by word stands in the daybook, and in their logs when they end, grow or lose their core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from nodexa.v1.admin_pb2 import Organization

from service.store.administration import Administration
from service.store.database import Database
from service.store.daybook import KEPT, SLICE, clear
from service.store.ownership import Orphan, Ownership
from service.store.records import LostRunError, ResponseRow, Segment
from service.store.responses import ResponseStore
from service.store.retention import Retention
from service.store.sqlite import sqlite3
from service.store.unposted import MOST, Unposted
from service.store.user_data import UserData

ENDED: dict[str, Any] = {"status": "completed", "result": b"", "finished_at": 5}
WORDS = [b"begun", b"1", b"2", b"3", b"4"]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await prepared(tmp_path / "test.db")
    yield opened
    await opened.close()


async def prepared(path: Path, *, shared: bool = False) -> Database:
    database = await Database.open(path, shared=shared)
    await Administration(database).add_organization(Organization(id="org_1", name="One"), now=0)
    await Ownership(database, "core_1").enter(100, alone=True)
    return database


async def say(store: ResponseStore, response_id: str = "resp_1") -> Unposted:
    """Begins a run and says its words, one by one."""
    row = ResponseRow(response_id, "org_1", "asst_1", "user_1", "key_1", "", "in_progress", False, 0, 9_000)
    await store.create(row, b"", b"", Segment(0, 0, WORDS[0]))
    unposted = Unposted()
    for number, word in enumerate(WORDS[1:], 1):
        await store.append(response_id, Segment(number, number, word), unposted)
    return unposted


async def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    query = "first_seq, last_seq, batch"
    return await database.read(
        lambda db: [tuple(row.values()) for row in db.table(table).rows_where(select=query, order_by="first_seq")]
    )


async def log_of(store: ResponseStore, response_id: str = "resp_1", after: int = -1) -> list[bytes]:
    return [segment.data for segment in await store.segments("org_1", response_id, after)]


async def test_words_stand_in_the_daybook_and_are_read_as_part_of_the_log(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    await say(store)

    assert await rows(database, "response_segments") == [(0, 0, b"begun"), (1, 1, b"1")]
    assert await rows(database, "daybook") == [(2, 2, b"2"), (3, 3, b"3"), (4, 4, b"4")]
    assert await log_of(store) == WORDS
    assert await log_of(store, after=2) == [b"3", b"4"]
    assert await store.segments("org_2", "resp_1", -1) == []


async def test_the_end_posts_them(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    unposted = await say(store)

    await store.finish("resp_1", Segment(5, 6, b" over"), **ENDED, unposted=unposted)

    assert await rows(database, "response_segments") == [(0, 0, b"begun"), (1, 1, b"1"), (2, 6, b"234 over")]
    assert await log_of(store) == [b"begun", b"1", b"234 over"]


async def test_what_becomes_much_is_posted_before_the_end(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    unposted = await say(store)
    long = b"x" * MOST

    await store.append("resp_1", Segment(5, 5, long), unposted)
    await store.append("resp_1", Segment(6, 6, b"6"), unposted)

    assert await log_of(store) == [b"begun", b"1", b"234" + long, b"6"]
    assert (await rows(database, "daybook"))[-1] == (6, 6, b"6")
    await store.finish("resp_1", Segment(7, 7, b"7"), **ENDED, unposted=unposted)
    assert await log_of(store) == [b"begun", b"1", b"234" + long, b"67"]


async def test_what_a_core_that_is_gone_left_there_is_posted_when_the_next_one_starts(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database = await prepared(path)
    store = ResponseStore(database, owner="core_1")
    await asyncio.gather(*(say(store, f"resp_{number}") for number in range(3)))
    await database.close()

    database = await Database.open(path)
    store = ResponseStore(database, owner="core_2")

    assert await rows(database, "daybook") == []
    for number in range(3):
        assert await log_of(store, f"resp_{number}") == [b"begun", b"1", b"234"]
    orphan = Orphan("resp_0", "org_1", "core_1", 0, background=False)
    epoch = await Ownership(database, "core_2").take(orphan, 101)
    assert epoch is not None
    await store.under(epoch).finish("resp_0", Segment(5, 5, b"over"), **ENDED)
    assert await log_of(store, "resp_0") == [b"begun", b"1", b"234", b"over"]
    await database.close()


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 51, 3), reason="this SQLite can't be shared")
async def test_cores_that_share_a_database_write_to_the_logs_alone(tmp_path: Path) -> None:
    database = await prepared(tmp_path / "test.db", shared=True)
    store = ResponseStore(database, owner="core_1")
    unposted = await say(store)
    await store.finish("resp_1", Segment(5, 5, b"over"), **ENDED, unposted=unposted)

    assert await rows(database, "daybook") == []
    assert await log_of(store) == [*WORDS, b"over"]
    await database.close()


async def test_a_run_that_is_another_s_is_refused_and_none_of_those_entered_with_it(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    runs = {response_id: await say(store, response_id) for response_id in ("resp_1", "resp_2", "resp_3")}
    assert await Ownership(database, "core_2").take(Orphan("resp_2", "org_1", "core_1", 0, background=False), 101)

    outcomes = await asyncio.gather(
        *(store.append(response_id, Segment(5, 5, b"5"), unposted) for response_id, unposted in runs.items()),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), LostRunError, type(None)]
    assert [len(await log_of(store, response_id)) for response_id in runs] == [6, 5, 6]


async def test_what_failed_is_told_once_more_and_posted_once(database: Database) -> None:
    unposted = await say(ResponseStore(database, owner="core_1"))
    for piece in (Segment(5, 5, b"lost"), Segment(5, 6, b"56")):
        assert unposted.enter(piece)

    assert unposted.behind(Segment(7, 7, b"7")) == Segment(2, 7, b"234567")
    assert unposted.behind(Segment(5, 7, b"567")) == Segment(2, 7, b"234567")


async def delete(database: Database) -> None:
    assert await ResponseStore(database).delete("org_1", "resp_1")


async def expire(database: Database) -> None:
    assert await Retention(database).expire(9_000) == 1


async def drop_logs(database: Database) -> None:
    assert await Retention(database).drop_logs(6) == 1


async def erase(database: Database) -> None:
    assert await UserData(database).erase_responses("org_1", "user_1") == ["resp_1"]


@pytest.mark.parametrize("removed", [delete, expire, drop_logs, erase])
async def test_nothing_is_left_there_of_what_is_deleted(
    database: Database, removed: Callable[[Database], Coroutine[Any, Any, None]]
) -> None:
    store = ResponseStore(database, owner="core_1")
    unposted = await say(store)
    await store.finish("resp_1", Segment(5, 5, b"over"), **ENDED, unposted=unposted)
    assert len(await rows(database, "daybook")) == 3

    await removed(database)

    assert await rows(database, "daybook") == []


async def test_old_pieces_go_a_slice_at_a_time_but_those_of_runs_that_need_them(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    await say(store)
    await database.write(
        lambda db: db.conn.executemany(
            "insert into daybook(response_id, first_seq, last_seq, batch) values('resp_gone', 1, 1, x'00')",
            [()] * (KEPT + 2 * SLICE),
        )
    )

    after = await database.write(lambda db: clear(db, 0))
    assert after == 2 * SLICE
    assert await database.write(lambda db: clear(db, after)) == 0

    assert len(await rows(database, "daybook")) == KEPT + 3
    assert await log_of(store) == WORDS


async def test_the_daybook_is_cleared_as_it_grows(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    unposted = await say(store)
    await database.write(
        lambda db: db.conn.execute("insert into daybook values(?, 'resp_gone', 1, 1, x'00')", (2 * KEPT,))
    )
    await database.write(lambda db: db.conn.execute("insert into daybook values(100, 'resp_gone', 1, 1, x'00')"))

    for number in range(5, 5 + SLICE):
        await store.append("resp_1", Segment(number, number, b"w"), unposted)
    await store.finish("resp_1", Segment(5 + SLICE, 5 + SLICE, b"over"), **ENDED, unposted=unposted)
    left = await database.write(lambda db: db.table("daybook").count_where("number = 100"))

    assert left == 0
    assert await log_of(store) == [b"begun", b"1", b"234" + b"w" * SLICE + b"over"]
