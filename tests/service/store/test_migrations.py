"""The schema: each step once, on an empty file or a full one; and what the triggers keep safe."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from nodexa.v1.item_pb2 import ItemList
from nodexa.v1.response_pb2 import Response
from sqlite_utils import Database as Tables

from service.store.database import BrokenDatabaseError, Database
from service.store.migrations import migrations
from service.store.records import ResponseRow, Segment
from service.store.responses import ResponseStore
from service.store.sqlite import sqlite3

ROW = ResponseRow(
    id="resp_1",
    org_id="org_1",
    assistant_id="asst_1",
    user_id="",
    key_id="key_1",
    previous_response_id="",
    status="in_progress",
    background=False,
    created_at=0,
    expires_at=100,
)
FIRST, SECOND = Segment(0, 1, b"a"), Segment(2, 2, b"b")


def schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute("select type, name, sql from sqlite_master order by name").fetchall()


async def opened(path: Path) -> tuple[Database, ResponseStore]:
    database = await Database.open(path)
    await database.write(
        lambda db: db.execute("insert or ignore into organizations(id, name, created_at) values('org_1', 'One', 0)")
    )
    return database, ResponseStore(database)


async def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    await (await Database.open(path)).close()
    before = schema(path)

    await (await Database.open(path)).close()

    assert schema(path) == before
    assert len(before) > 10


async def test_a_file_of_an_older_version_is_brought_up_to_date_with_what_it_holds(tmp_path: Path) -> None:
    path, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        migrations.apply(Tables(conn, execute_plugins=False), stop_before="0002_responses")
        conn.execute("insert into organizations(id, name, created_at) values('org_old', 'Old', 0)")
        assert not conn.execute("select 1 from sqlite_master where name = 'responses'").fetchone()
    await (await Database.open(fresh)).close()

    database = await Database.open(path)
    kept = await database.read(lambda db: db.execute("select id from organizations").fetchall())
    await database.close()

    assert kept == [("org_old",)]
    assert schema(path) == schema(fresh)


async def test_responses_of_an_older_version_find_the_conversation_that_they_belong_to(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    chain = [("resp_1", None), ("resp_2", "resp_1"), ("resp_3", "resp_2"), ("resp_fork", "resp_1")]
    orphans = [("resp_7", "resp_deleted"), ("resp_8", "resp_7")]
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        migrations.apply(Tables(conn, execute_plugins=False), stop_before="0015_chats")
        conn.execute("pragma foreign_keys = off")
        conn.executemany(
            """insert into responses(id, org_id, assistant_id, key_id, previous_response_id, conversation_id, status,
                 background, created_at, expires_at, last_seq)
               values(?, 'org_1', 'asst_1', 'key_1', ?, ?, 'completed', 0, 0, 100, 1)""",
            [*((*each, None) for each in [*chain, *orphans]), ("resp_9", None, "conv_1")],
        )

    database = await Database.open(path)
    roots = await database.read(lambda db: dict(db.execute("select id, root_id from responses").fetchall()))
    await database.close()

    assert roots == {
        **dict.fromkeys(["resp_1", "resp_2", "resp_3", "resp_fork"], "resp_1"),
        **dict.fromkeys(["resp_7", "resp_8"], "resp_7"),
        "resp_9": "conv_1",
    }


async def test_logs_and_results_of_an_older_version_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        migrations.apply(Tables(conn, execute_plugins=False), stop_before="0019_rows_in_a_row")
        conn.execute("insert into organizations(id, name, created_at) values('org_1', 'One', 0)")
        for name in ("resp_2", "resp_1"):
            conn.execute(
                """insert into responses(id, org_id, assistant_id, key_id, status, background, created_at, expires_at)
                   values(?, 'org_1', 'asst_1', 'key_1', 'in_progress', 0, 0, 100)""",
                (name,),
            )
            conn.execute("insert into response_requests values(?, x'', x'')", (name,))
            for segment in (FIRST, SECOND):
                conn.execute("update responses set last_seq = ? where id = ?", (segment.last, name))
                conn.execute(
                    "insert into response_segments values(?, ?, ?, ?)",
                    (name, segment.first, segment.last, segment.data),
                )
            conn.execute("insert into response_results values(?, ?)", (name, Response(id=name).SerializeToString()))

    database, store = await opened(path)

    for name in ("resp_1", "resp_2"):
        stored = await store.get("org_1", name)
        assert stored is not None
        assert stored.result == Response(id=name)
        assert await store.segments("org_1", name, after=-1) == [FIRST, SECOND]
    await store.delete("org_1", "resp_1")
    left = await database.read(lambda db: db.execute("select distinct response_id from response_segments").fetchall())
    assert left == [("resp_2",)]
    await database.close()


@pytest.mark.parametrize(
    "query",
    [
        "select * from response_segments where response_id = 'resp_1' and first_seq >= 3 order by first_seq",
        "select * from response_results where response_id = 'resp_1'",
        "delete from response_segments where response_id = 'resp_1'",
        "select id from responses where finished_at < 5 and log_dropped = 0 limit 3",
        "select id from responses where expires_at <= 5 and status not in ('queued', 'in_progress') limit 3",
        "select id from responses where org_id = 'org_1' and id < 'resp_1' order by id desc limit 3",
        "select id from responses where status in ('queued', 'in_progress')",
    ],
)
async def test_what_is_asked_often_is_found_by_an_index(tmp_path: Path, query: str) -> None:
    database, _ = await opened(tmp_path / "test.db")
    steps = await database.read(lambda db: [row[3] for row in db.execute(f"explain query plan {query}").fetchall()])
    await database.close()

    assert all(step.startswith("SEARCH") for step in steps), steps


def test_the_steps_are_numbered_in_order() -> None:
    names = [migration.name for migration in migrations.pending(Tables(memory=True))]

    assert [name.partition("_")[0] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


STATEMENTS = {
    "a segment that leaves a gap": "insert into response_segments values('resp_1', 5, 5, x'00')",
    "a segment that ends elsewhere": "insert into response_segments values('resp_1', 2, 9, x'00')",
    "a segment written over": "update response_segments set batch = x'00'",
    "a segment again": "insert into response_segments values('resp_1', 0, 1, x'00')",
    "a segment of nothing": "insert into response_segments values('resp_9', 0, 0, x'00')",
    "an unknown state": "update responses set status = 'done'",
    "a step back": "update responses set status = 'queued'",
    "another owner": "update responses set org_id = 'org_2'",
    "an organization that isn't there": "update api_keys set org_id = 'none'",
    "a limit of nothing": "update api_keys set requests_per_minute = 0",
    "another word for what was done": "update audit_events set act = 'y'",
    "a text for a time": "update responses set created_at = 'now'",
    "an organization that still has responses": "delete from organizations",
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
async def test_the_schema_refuses(tmp_path: Path, statement: str) -> None:
    database, store = await opened(tmp_path / "test.db")
    await database.write(
        lambda db: db.execute(
            """insert into api_keys(id, org_id, name, hint, key_hmac, scopes, created_at)
               values('key_1', 'org_1', 'k', 'abcd', zeroblob(32), '[1]', 0)"""
        )
    )
    await database.write(
        lambda db: db.execute("insert into audit_events values('audit_1', 'org_1', 'key_1', 'req_1', 'x', '', '{}', 0)")
    )
    await store.create(ROW, b"", ItemList().SerializeToString(), FIRST)

    with pytest.raises(sqlite3.IntegrityError):
        await database.write(lambda db: db.conn.execute(statement))
    await database.close()


async def test_the_log_has_one_writer(tmp_path: Path) -> None:
    database, store = await opened(tmp_path / "test.db")
    await store.create(ROW, b"", b"", FIRST)
    await store.append(ROW.id, SECOND)

    for late in (FIRST, SECOND, Segment(4, 4, b"d")):
        with pytest.raises(RuntimeError, match="written by someone else"):
            await store.append(ROW.id, late)
        with pytest.raises(RuntimeError, match="written by someone else"):
            await store.finish(ROW.id, late, status="completed", result=b"", finished_at=1)

    assert await store.segments("org_1", ROW.id, -1) == [FIRST, SECOND]
    await database.close()


async def test_what_is_final_stays_as_it_is(tmp_path: Path) -> None:
    database, store = await opened(tmp_path / "test.db")
    await store.create(ROW, b"", b"", FIRST)
    await store.finish(ROW.id, SECOND, status="failed", result=b"", finished_at=1)

    with pytest.raises(RuntimeError):
        await store.append(ROW.id, Segment(3, 3, b"c"))
    with pytest.raises(sqlite3.IntegrityError):
        await store.finish(ROW.id, Segment(3, 3, b"c"), status="completed", result=b"", finished_at=2)

    assert await store.segments("org_1", ROW.id, -1) == [FIRST, SECOND]
    await database.close()


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database, _ = await opened(path)
    await database.write(
        lambda db: db.execute("insert into _sqlite_migrations values(99, 'nodexa', '0099_from_the_future', '')")
    )
    await database.close()

    with pytest.raises(BrokenDatabaseError, match=r"newer Nodexa \(0099_from_the_future\)"):
        await Database.open(path)


async def test_the_log_is_read_from_the_segment_that_holds_the_next_event(tmp_path: Path) -> None:
    database, store = await opened(tmp_path / "test.db")
    await store.create(ROW, b"", b"", FIRST)
    await store.append(ROW.id, SECOND)

    found = {after: await store.segments("org_1", ROW.id, after) for after in (-1, 0, 1, 2)}

    assert found == {-1: [FIRST, SECOND], 0: [FIRST, SECOND], 1: [SECOND], 2: []}
    assert await store.segments("org_1", ROW.id, -1, enough=1) == [FIRST]
    assert await store.segments("org_2", ROW.id, -1) == []
    await database.close()
