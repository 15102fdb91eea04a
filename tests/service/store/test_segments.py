"""What many runs add to their logs at once: all of it is there, and whose run is another's is refused alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Organization
from nodexa.v1.response_pb2 import Response

from service.store.administration import Administration
from service.store.database import Database
from service.store.ownership import Orphan, Ownership
from service.store.records import LostRunError, ResponseRow, Segment
from service.store.responses import ResponseStore
from service.store.unposted import Unposted

MANY = [f"resp_{number:03}" for number in range(100)]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with many runs of `core_1`."""
    opened = await Database.open(tmp_path / "test.db")
    await Administration(opened).add_organization(Organization(id="org_1", name="One"), now=0)
    await Ownership(opened, "core_1").enter(100, alone=True)
    store = ResponseStore(opened, owner="core_1")
    await asyncio.gather(*(begin(store, response_id) for response_id in MANY))
    yield opened
    await opened.close()


async def begin(store: ResponseStore, response_id: str, status: str = "in_progress") -> None:
    row = ResponseRow(response_id, "org_1", "asst_1", "", "key_1", "", status, False, 0, 9)
    await store.create(row, b"", b"", Segment(0, 0, b"begun"))


async def append(store: ResponseStore, response_id: str, number: int = 1) -> None:
    await store.append(response_id, Segment(number, number, f"{response_id} {number}".encode()))


async def log_of(store: ResponseStore, response_id: str) -> list[bytes]:
    return [segment.data for segment in await store.segments("org_1", response_id, -1)]


async def test_what_is_added_to_many_logs_at_once_is_in_all_of_them(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    for number in (1, 2):
        await asyncio.gather(*(append(store, response_id, number) for response_id in MANY))

    for response_id in MANY:
        assert await log_of(store, response_id) == [b"begun", *(f"{response_id} {n}".encode() for n in (1, 2))]


async def test_a_run_that_is_another_s_is_refused_and_none_of_those_written_with_it(database: Database) -> None:
    store, lost = ResponseStore(database, owner="core_1"), MANY[50]
    assert await Ownership(database, "core_2").take(Orphan("resp_050", "org_1", "core_1", 0, background=False), 101)

    outcomes = await asyncio.gather(*(append(store, response_id) for response_id in MANY), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [LostRunError]
    assert [len(await log_of(store, response_id)) for response_id in MANY] == [1 + (one != lost) for one in MANY]


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_a_log_is_written_in_order_and_without_a_gap(database: Database, number: int) -> None:
    store = ResponseStore(database, owner="core_1")
    await append(store, MANY[0])

    with pytest.raises(LostRunError):
        await append(store, MANY[0], number)

    assert await log_of(store, MANY[0]) == [b"begun", b"resp_000 1"]


async def test_a_response_that_is_queued_begins_with_what_is_added(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    await begin(store, "resp_queued", status="queued")
    await append(store, "resp_queued")
    status = await database.read(
        lambda db: db.execute("select status from responses where id='resp_queued'").fetchone()
    )
    assert status == ("in_progress",)


async def test_who_is_cancelled_while_it_waits_stops_no_write(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    written = store.append(MANY[0], Segment(1, 1, b"kept"))
    told: list[bool] = []
    written.then(lambda: told.append(True))
    over = written.over()
    over.cancel()

    await written

    assert told == [True]
    assert await log_of(store, MANY[0]) == [b"begun", b"kept"]


async def finish(store: ResponseStore, response_id: str) -> None:
    last = Segment(1, 2, f"{response_id} over".encode())
    ended = {"status": "completed", "result": b"said", "finished_at": 7}
    await store.finish(response_id, last, **ended, item_ids=[f"msg_{response_id}", f"rs_{response_id}"])


async def test_many_end_at_once_and_a_run_that_is_another_s_alone_does_not(database: Database) -> None:
    store, lost = ResponseStore(database, owner="core_1"), MANY[50]
    assert await Ownership(database, "core_2").take(Orphan(lost, "org_1", "core_1", 0, background=False), 101)

    outcomes = await asyncio.gather(*(finish(store, response_id) for response_id in MANY), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [LostRunError]
    ended = await database.read(
        lambda db: db.conn.execute("""
            select id, finished_at, response, group_concat(item_id) from responses
            join response_results s on s.response_id = id join response_items i on i.response_id = id
            where status = 'completed' and last_seq = 2 group by id order by id""").fetchall()
    )
    assert ended == [(one, 7, b"said", f"msg_{one},rs_{one}") for one in MANY if one != lost]
    assert await log_of(store, lost) == [b"begun"]


async def test_a_message_with_the_uuid_of_its_response_is_found_without_a_row(database: Database) -> None:
    store, (one, two) = ResponseStore(database, owner="core_1"), MANY[:2]
    ended = {"status": "completed", "result": Response(id="held").SerializeToString(), "finished_at": 7}
    await store.finish(one, Segment(1, 1, b""), **ended, item_ids=["msg_000", "msg_other"])
    await store.finish(two, Segment(1, 1, b""), **ended, item_ids=["msg_001"])

    rows = await database.read(lambda db: db.conn.execute("select * from response_items").fetchall())
    assert rows == [(one, "msg_other")]

    async def found(*item_ids: str) -> list[str]:
        return [stored.row.id for stored in await store.holding("org_1", item_ids)]

    assert [await found("msg_000"), await found("msg_other"), await found("msg_001")] == [[one], [one], [two]]
    assert await found("msg_000", "msg_001", "msg_other") == [one, two]
    assert await found("msg_002", "rs_000", "msg_none", "") == []
    assert not await store.holding("org_2", ["msg_000", "msg_other"])


async def test_beginnings_and_ends_and_what_is_between_go_to_disk_together(database: Database) -> None:
    store = ResponseStore(database, owner="core_1")
    before, after = [f"resp_new_{number}" for number in range(3)], MANY[:3]

    await asyncio.gather(
        *(append(store, response_id) for response_id in MANY[3:]),
        *(begin(store, response_id) for response_id in before),
        *(finish(store, response_id) for response_id in after),
    )

    assert [len(await log_of(store, response_id)) for response_id in before] == [1, 1, 1]
    assert {len(await log_of(store, response_id)) for response_id in MANY} == {2}


async def test_what_is_of_several_kinds_is_one_statement(database: Database) -> None:
    store, lost = ResponseStore(database, owner="core_1"), MANY[25]
    statements: list[str] = []
    await database.write(lambda db: db.conn.set_trace_callback(statements.append))
    statements.clear()

    await several(store)

    # Traced with it is each start of a trigger.
    assert len({statement for statement in statements if "rows_of_all_kinds" in statement}) == 1
    assert not {"begin immediate", "commit"} & set(statements)
    assert await Ownership(database, "core_2").take(Orphan(lost, "org_1", "core_1", 0, background=False), 101)
    outcomes = await several(store, number=2, new="resp_newer", ending=MANY[3:6])
    assert [type(outcome) for outcome in outcomes if outcome] == [LostRunError]
    assert {one: len(await log_of(store, one)) for one in (lost, MANY[5], MANY[15], MANY[26], "resp_newer")} == {
        lost: 2,
        MANY[5]: 2,
        MANY[15]: 3,
        MANY[26]: 3,
        "resp_newer": 1,
    }


async def several(
    store: ResponseStore, *, number: int = 1, new: str = "resp_new", ending: Sequence[str] = MANY[:3]
) -> list[object]:
    """Asks at once for a beginning, some ends, and words for logs and for the daybook."""

    async def enter(response_id: str) -> None:
        unposted = Unposted()
        unposted.begin()
        await store.append(response_id, Segment(number, number, b"a word"), unposted)

    return await asyncio.gather(
        *(finish(store, response_id) for response_id in ending),
        *(append(store, response_id, number) for response_id in MANY[10:20]),
        *(enter(response_id) for response_id in MANY[20:30]),
        begin(store, new),
        return_exceptions=True,
    )
