"""The writer: what is asked together is committed together, what fails fails alone, and an outage is said to be one."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store import checkpoint, quickness
from service.store import database as module
from service.store.commit import Job
from service.store.database import Database, InUseError
from service.store.daybook import ENTERED
from service.store.logs import APPENDED, BEGUN, ENDED
from service.store.rows import Row, Rows
from service.store.sqlite import sqlite3


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "test.db")
    await opened.write(lambda db: db.execute("create table things(name text primary key, size integer) strict"))
    yield opened
    await opened.close()


def add(name: str, size: object = 0) -> Job[int]:
    return lambda db: db.conn.execute("insert into things values(?, ?)", (name, size)).rowcount


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Keeps the writer busy until the end of the block, so that what is asked in it waits together."""
    entered, gate = threading.Event(), threading.Event()

    def job(db: Tables) -> bool:
        entered.set()
        return gate.wait(10)

    holding = asyncio.create_task(database.write(job))
    await asyncio.to_thread(entered.wait, 10)
    try:
        yield
        await asyncio.sleep(0)
    finally:
        gate.set()
    assert await holding


def never(db: Tables, row: Row) -> None:
    raise AssertionError(f"{row} was tried by itself")


THINGS = Rows(0, ("name", "size"), never, (), "insert into things values %s")


def fail(db: Tables) -> None:
    db.conn.execute("insert into things values('half', 0)")
    raise LookupError("on purpose")


async def names(database: Database) -> set[str]:
    return {name for (name,) in await database.read(lambda db: db.execute("select name from things").fetchall())}


async def test_a_write_returns_what_its_job_returns_and_is_there_to_be_read(database: Database) -> None:
    assert await database.write(add("a")) == 1
    assert await names(database) == {"a"}


async def test_a_thousand_writes_at_once_are_all_done(database: Database) -> None:
    done = await asyncio.gather(*(database.write(add(f"{number}")) for number in range(1000)))

    assert sum(done) == 1000
    assert len(await names(database)) == 1000


async def test_what_waits_together_goes_into_one_transaction(database: Database) -> None:
    statements: list[str] = []
    await database.write(lambda db: db.conn.set_trace_callback(statements.append))
    statements.clear()

    async with held(database):
        together = [asyncio.create_task(database.write(add(f"{number}"))) for number in range(50)]

    assert sum(await asyncio.gather(*together)) == 50
    # The writer's own turn, and that of all who waited for it.
    assert statements.count("commit") == 2


@pytest.fixture
async def writers(database: Database) -> list[int]:
    """The threads that executed something for the writer."""
    seen: list[int] = []
    await database.write(lambda db: db.conn.set_trace_callback(lambda statement: seen.append(threading.get_ident())))
    seen.clear()
    return seen


async def test_rows_are_written_by_the_loop_itself(database: Database, writers: list[int]) -> None:
    told = [database.promise() for _ in range(2 * module.TOGETHER)]
    for number, each in enumerate(told):
        database.add(THINGS, (f"{number}", number), each)
    assert not writers, "not before the end of the turn"
    await asyncio.sleep(0)

    assert all(each.done for each in told)
    assert set(writers) == {threading.get_ident()}
    assert len(await names(database)) == len(told)


async def test_many_rows_are_for_the_thread_where_it_has_a_cpu_and_few_are_not(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "test.db", spare_cpu=True)
    await database.write(lambda db: db.execute("create table things(name text primary key, size integer) strict"))
    for count in (module.FEW, module.FEW + 1):
        told = [database.promise() for _ in range(count)]
        for number, each in enumerate(told):
            database.add(THINGS, (f"{number} of {count}", number), each)
        await asyncio.sleep(0)
        assert [each.done for each in told] == [count == module.FEW] * count
        await told[-1].over()

    assert len(await names(database)) == 2 * module.FEW + 1
    await database.close()


async def test_rows_of_logs_that_go_on_are_for_the_thread(database: Database, writers: list[int]) -> None:
    told = [database.promise() for _ in range(2)]
    for kind, each in zip((THINGS, replace(THINGS, place=1, goes_on=True)), told, strict=True):
        database.add(kind, (f"{kind.place}", 0), each)
    for each in told:
        await each.over()

    assert writers
    assert threading.get_ident() not in writers
    assert (APPENDED.goes_on, ENTERED.goes_on, BEGUN.goes_on, ENDED.goes_on) == (True, True, False, False)


async def test_rows_go_behind_what_the_thread_does(database: Database, writers: list[int]) -> None:
    async with held(database):
        database.add(THINGS, ("row", 0), last := database.promise())
        await asyncio.sleep(0.01)
        assert not last.done
    await last.over()

    assert threading.get_ident() not in writers
    database.add(THINGS, ("later", 0), later := database.promise())
    await later.over()
    assert threading.get_ident() in writers, "the thread has nothing to do any more"


async def test_a_thread_waits_for_a_disk_that_is_not_quick(
    database: Database, writers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickness, "QUICK", -1.0)
    for name in ("slow", "later"):
        database.add(THINGS, (name, 0), told := database.promise())
        await told.over()
        assert (threading.get_ident() in writers) == (name == "slow")
        writers.clear()
    assert await names(database) == {"slow", "later"}


async def test_a_row_that_the_disk_refuses_is_refused_by_the_loop_as_by_the_thread(database: Database) -> None:
    await database.write(lambda db: db.conn.execute("pragma max_page_count = 1"))
    database.add(THINGS, ("x" * 100_000, 0), told := database.promise())
    await asyncio.sleep(0)

    assert told.done
    with pytest.raises(NodexaError, match="can't be used now"):
        told.result()
    assert database.troubled


async def test_a_log_that_grew_large_by_rows_of_the_loop_is_emptied_by_the_thread(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LARGE", 1)
    await asyncio.sleep(2 * checkpoint.LOOK)
    database.add(THINGS, ("row", 0), told := database.promise())
    await told.over()
    await database.alone(lambda db: None)

    assert (tmp_path / "test.db-wal").stat().st_size == 0
    assert await names(database) == {"row"}


async def test_many_rows_are_written_while_the_loop_has_its_turn_still(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted = threading.Event()
    await database.write(lambda db: db.conn.set_trace_callback(lambda statement: inserted.set()))
    monkeypatch.setattr(quickness, "QUICK", -1.0)
    database.add(THINGS, ("slow", 0), first := database.promise())
    await first.over()
    inserted.clear()

    for number in range(module.TOGETHER):
        database.add(THINGS, (f"{number}", number), database.promise())
    # Nothing else runs in the loop meanwhile.
    begun = inserted.wait(10)
    database.add(THINGS, ("more", 0), last := database.promise())

    assert begun
    await last.over()
    assert len(await names(database)) == module.TOGETHER + 2


@pytest.mark.parametrize("place", [0, 2, 4])
async def test_a_job_that_fails_is_undone_alone(database: Database, place: int) -> None:
    jobs: list[Job[object]] = [add(f"{number}") for number in range(5)]
    jobs[place] = fail
    async with held(database):
        together = [asyncio.create_task(database.write(job)) for job in jobs]

    outcomes = await asyncio.gather(*together, return_exceptions=True)

    assert isinstance(outcomes[place], LookupError)
    assert [outcome for number, outcome in enumerate(outcomes) if number != place] == [1] * 4
    assert await names(database) == {f"{number}" for number in range(5)} - {f"{place}"}


async def test_a_job_that_breaks_a_rule_of_the_schema_fails_alone(database: Database) -> None:
    outcomes = await asyncio.gather(
        database.write(add("a")), database.write(add("b", "no number")), return_exceptions=True
    )

    assert outcomes[0] == 1
    assert isinstance(outcomes[1], sqlite3.IntegrityError)
    assert await names(database) == {"a"}


WRONG: list[Job[object]] = [
    lambda db: db.conn.execute("insert into things values(?, ?)", ("a",)),
    lambda db: db.conn.execute("insert into things values(?, ?)", ("a", object())),
    lambda db: db.conn.execute("insert into nothing values(1)"),
    lambda db: db.conn.execute("insert into things values(?, ?)", ("a", 2**70)),
]


@pytest.mark.parametrize("job", WRONG, ids=["too few values", "no value of SQLite", "no such table", "too large"])
async def test_a_wrong_statement_is_our_own_error_and_the_writer_goes_on(database: Database, job: Job[object]) -> None:
    with pytest.raises((sqlite3.Error, OverflowError)):
        await database.write(job)

    assert await database.write(add("next")) == 1


async def test_a_caller_that_leaves_does_not_stop_the_write(database: Database) -> None:
    async with held(database):
        leaving = asyncio.create_task(database.write(add("left")))
        await asyncio.sleep(0)
        leaving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await leaving
    await database.write(add("next"))

    assert await names(database) == {"left", "next"}


async def test_reading_never_writes(database: Database) -> None:
    with pytest.raises(NodexaError) as refused:
        await database.read(add("a"))

    assert refused.value.code == "storage_unavailable"


async def fill(database: Database, pages: int) -> None:
    """Lets the file grow by so many pages and no more."""
    await database.write(
        lambda db: db.conn.execute(
            f"pragma max_page_count={db.conn.execute('pragma page_count').fetchone()[0] + pages}"
        )
    )


async def test_a_full_disk_is_an_outage_that_passes(database: Database) -> None:
    await fill(database, 2)
    large = "x" * 100_000

    with pytest.raises(NodexaError) as refused:
        await database.write(add(large))

    assert (refused.value.code, refused.value.retry_after) == ("storage_unavailable", 1)
    assert "disk" not in refused.value.message
    assert await names(database) == set()
    await fill(database, 1000)
    assert await database.write(add(large)) == 1


async def test_an_outage_tells_each_of_its_callers_apart(database: Database) -> None:
    await fill(database, 2)
    async with held(database):
        together = [asyncio.create_task(database.write(add(letter * 100_000))) for letter in "abc"]

    outcomes = await asyncio.gather(*together, return_exceptions=True)

    # One object for all would carry one response's id to another's caller.
    assert len({id(outcome) for outcome in outcomes}) == 3
    assert all(isinstance(outcome, NodexaError) for outcome in outcomes)


async def test_another_writer_s_lock_is_an_outage_that_passes(database: Database, tmp_path: Path) -> None:
    await database.write(lambda db: db.conn.execute("pragma busy_timeout=1"))
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("begin immediate")

    with pytest.raises(NodexaError) as refused:
        await database.write(add("a"))
    other.execute("rollback")
    other.close()

    assert refused.value.code == "storage_unavailable"
    assert await database.write(add("a")) == 1


async def test_new_work_is_turned_away_from_a_full_queue_and_running_work_waits(database: Database) -> None:
    async with held(database):
        waiting = [asyncio.create_task(database.write(add(f"{n}"))) for n in range(module.QUEUE_LIMIT + 10)]
        await asyncio.sleep(0)
        with pytest.raises(NodexaError) as refused:
            await database.write(add("new"), new_work=True)

    assert (refused.value.code, refused.value.retry_after) == ("storage_unavailable", 1)
    assert sum(await asyncio.gather(*waiting)) == module.QUEUE_LIMIT + 10


async def test_closing_finishes_what_was_asked_for(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "test.db")
    await database.write(lambda db: db.execute("create table things(name text primary key, size integer) strict"))
    asked = [asyncio.create_task(database.write(add(f"{number}"))) for number in range(50)]
    await asyncio.sleep(0)

    await database.close()
    await asyncio.gather(*asked)

    again = await Database.open(tmp_path / "test.db")
    assert len(await names(again)) == 50
    await again.close()


async def test_a_second_core_is_kept_out_until_the_first_is_closed(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InUseError, match="in use by another core") as refused:
        await Database.open(tmp_path / "test.db")

    assert str(tmp_path) in str(refused.value)
    await database.write(add("a"))


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_every_file_is_readable_by_its_owner_only(database: Database, tmp_path: Path) -> None:
    await database.write(add("a"))

    names = ["test.db", "test.db-wal", "test.db-shm", "test.lock", "test.migration.lock"]
    assert modes_in(tmp_path) == dict.fromkeys(names, 0o600)


async def test_those_who_share_the_file_keep_out_who_does_not(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    one, other = await Database.open(path, shared=True), await Database.open(path, shared=True)
    with pytest.raises(InUseError, match="--shared"):
        await Database.open(path)

    await one.write(lambda db: db.execute("create table things(name text primary key, size integer) strict"))
    await asyncio.gather(*(each.write(add(f"{n}")) for n, each in enumerate([one, other] * 20)))

    assert await names(one) == await names(other) == {f"{n}" for n in range(40)}
    await one.close()
    await other.close()


async def test_the_log_is_durable_and_checked(database: Database) -> None:
    def pragmas(db: Tables) -> list[object]:
        return [
            db.conn.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert await database.write(pragmas) == ["wal", 2, 1]
