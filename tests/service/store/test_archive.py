"""A copy is the database of one moment, and the check finds what can't be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Organization
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent, ResponseSnapshot

from service.store.administration import Administration
from service.store.archive import ArchiveError, copy, problems
from service.store.database import Database
from service.store.records import ResponseRow, Segment
from service.store.responses import ResponseStore
from service.store.sqlite import sqlite3

CREATED = ResponseEvent(sequence_number=0, created=ResponseSnapshot())
COMPLETED = ResponseEvent(sequence_number=1, completed=ResponseSnapshot())


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    """A database with one response that ended well, and a core at work on it."""
    opened = await Database.open(tmp_path / "test.db")
    await Administration(opened).add_organization(Organization(id="org_1", name="One"), now=0)
    await add(opened, "resp_1")
    yield tmp_path / "test.db"
    await opened.close()


async def add(database: Database, response_id: str) -> None:
    store = ResponseStore(database)
    row = ResponseRow(response_id, "org_1", "asst_1", "", "key_1", "", "in_progress", False, 0, 9)
    await store.create(row, b"", b"", Segment(0, 0, EventBatch(events=[CREATED]).SerializeToString()))
    end = Segment(1, 1, EventBatch(events=[COMPLETED]).SerializeToString())
    await store.finish(response_id, end, status="completed", result=b"\x0a\x00", finished_at=1)


def damage(path: Path, *statements: str) -> None:
    conn = sqlite3.connect(path)
    for name in ("segments_append_only", "responses_transition"):
        conn.execute(f"drop trigger {name}")
    for statement in statements:
        conn.execute(statement)
    conn.commit()
    conn.close()


def test_a_good_database_has_no_problems(path: Path) -> None:
    assert problems(path) == []


DAMAGES = {
    "a log that ends too early": (
        "delete from response_segments where first_seq = 1",
        "the log of resp_1 has a gap or an end that is not its own",
    ),
    "a log that starts too late": (
        "delete from response_segments where first_seq = 0",
        "the log of resp_1 has a gap or an end that is not its own",
    ),
    "an end that is none": (
        "update response_segments set batch = (select batch from response_segments where first_seq = 0)",
        "the log of resp_1 doesn't end in one terminal event",
    ),
    "a lost result": ("delete from response_results", "resp_1 is final and has no result"),
    "a result too early": (
        "update responses set status = 'in_progress'",
        "resp_1 has a result and is not final",
    ),
    "a lost request": ("delete from response_requests", "resp_1 has no request"),
    "a lost owner": ("delete from organizations", "a row of responses points nowhere"),
    "a step from the future": (
        "insert into _sqlite_migrations values(99, 'nodexa', '0099_later', '')",
        "a newer Nodexa made it (0099_later): use that one, or a backup from before",
    ),
}


@pytest.mark.parametrize(("statement", "problem"), DAMAGES.values(), ids=DAMAGES)
def test_what_can_not_be_is_found(path: Path, statement: str, problem: str) -> None:
    damage(path, statement)
    assert problem in problems(path)


async def test_a_copy_can_be_made_while_others_write(path: Path, tmp_path: Path) -> None:
    copying = asyncio.create_task(asyncio.to_thread(copy, path, tmp_path / "copy.db"))
    conn = sqlite3.connect(path)
    conn.execute("insert into organizations(id, name, created_at) values('org_2', 'Two', 0)")
    conn.commit()
    conn.close()
    await copying
    assert problems(tmp_path / "copy.db") == []
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0


def test_a_copy_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_bytes(b"mine")
    with pytest.raises(ArchiveError, match="File exists"):
        copy(path, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_bytes() == b"mine"


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ArchiveError, match=r"x\.db: file is not a database"):
        problems(tmp_path / "x.db")
