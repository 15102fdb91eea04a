"""Logs go first, whole responses later, each when its time is over and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import AuditEvent, Organization

from service.store import retention as module
from service.store.administration import Administration
from service.store.audit import AuditLog
from service.store.database import Database
from service.store.records import ResponseRow, Segment, State
from service.store.responses import ResponseStore
from service.store.retention import Retention

EXPIRY = 9_000
TABLES = ("responses", "response_requests", "response_results", "response_segments", "response_items")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "test.db")
    await Administration(opened).add_organization(Organization(id="org_1", name="One"), now=0)
    yield opened
    await opened.close()


def row(response_id: str) -> ResponseRow:
    return ResponseRow(response_id, "org_1", "asst_1", "", "key_1", "", "in_progress", False, 0, EXPIRY)


async def add(database: Database, response_id: str, *, finished_at: int | None) -> None:
    store = ResponseStore(database)
    await store.create(row(response_id), b"", b"", Segment(0, 1, b""))
    if finished_at is not None:
        end = {"status": "completed", "result": b"", "item_ids": [f"msg_{response_id}"]}
        await store.finish(response_id, Segment(2, 3, b""), finished_at=finished_at, **end)


async def count(database: Database, table: str) -> int:
    return await database.read(lambda db: int(db.table(table).count))


async def test_a_response_goes_with_all_that_hangs_on_it(database: Database) -> None:
    await add(database, "resp_1", finished_at=5)
    retention = Retention(database)

    assert await retention.expire(EXPIRY - 1) == 0
    assert await retention.expire(EXPIRY) == 1

    assert [await count(database, table) for table in TABLES] == [0] * len(TABLES)


async def test_one_that_still_runs_stays(database: Database) -> None:
    await add(database, "resp_1", finished_at=None)

    assert await Retention(database).expire(EXPIRY) == 0
    assert await Retention(database).drop_logs(EXPIRY) == 0

    assert await count(database, "response_segments") == 1


async def test_a_log_goes_before_its_response_and_once(database: Database) -> None:
    await add(database, "resp_1", finished_at=5)
    await add(database, "resp_2", finished_at=6)
    store, retention = ResponseStore(database), Retention(database)

    assert await retention.drop_logs(6) == 1
    assert await retention.drop_logs(6) == 0

    assert [await store.state("org_1", each) for each in ("resp_1", "resp_2")] == [
        State(final=True, log_dropped=True),
        State(final=True, log_dropped=False),
    ]
    assert await store.state("org_2", "resp_1") is None
    assert await store.segments("org_1", "resp_1", -1) == []
    assert len(await store.segments("org_1", "resp_2", -1)) == 2
    assert await store.get("org_1", "resp_1") is not None


async def test_more_than_one_transaction_holds_goes_too(database: Database) -> None:
    many = module.BATCH + 1
    for number in range(many):
        await add(database, f"resp_{number}", finished_at=5)

    assert await Retention(database).drop_logs(6) == many
    assert await Retention(database).expire(EXPIRY) == many


async def test_what_administrators_did_is_kept_for_its_time(database: Database) -> None:
    for time in (5, 6):
        event = AuditEvent(
            id=f"audit_{time}", organization_id="org_1", changes_json="{}", create_time={"nanos": time * 10**6}
        )
        await Administration(database).noting(event).note()

    assert await Retention(database).forget_acts(6) == 1

    assert [event.id for event in await AuditLog(database).page("", before="", limit=9)] == ["audit_6"]
