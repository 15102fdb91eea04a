"""One table of states: the contract's enum, the code and the triggers of the schema agree on every step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_pb2 import Response
from sqlite_utils import Database as Tables

from service.runner.lifecycle import NEXT, TERMINAL_EVENT, advance, is_final, word
from service.store.migrations import migrations
from service.store.sqlite import sqlite3

STATES = [status for status in Response.Status.values() if status != Response.STATUS_UNSPECIFIED]
STEPS = list(itertools.product(STATES, STATES))


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "states.db", isolation_level=None)) as conn:
        migrations.apply(Tables(conn, execute_plugins=False))
        conn.execute("insert into organizations(id, name, created_at) values('org_1', 'One', 0)")
        yield conn


def insert(conn: sqlite3.Connection, status: str) -> None:
    conn.execute("delete from responses")
    conn.execute(
        """insert into responses(id, org_id, assistant_id, key_id, status, background, created_at, expires_at)
           values('resp_1', 'org_1', 'asst_1', 'key_1', ?, 0, 0, 0)""",
        (status,),
    )


def steps_in_code(before: Response.Status.ValueType, after: Response.Status.ValueType) -> bool:
    try:
        advance(Response(status=before), after)
    except ValueError:
        return False
    return True


def steps_on_disk(conn: sqlite3.Connection, before: str, after: str) -> bool:
    insert(conn, before)
    try:
        conn.execute("update responses set status = ? where id = 'resp_1'", (after,))
    except sqlite3.IntegrityError as error:
        return str(error) != "illegal status transition"
    return True


@pytest.mark.parametrize(("before", "after"), STEPS, ids=word)
def test_the_triggers_allow_what_the_table_allows(
    tables: sqlite3.Connection, before: Response.Status.ValueType, after: Response.Status.ValueType
) -> None:
    # A batch that leaves the state as it is writes it again; in code nothing advances to itself.
    assert steps_on_disk(tables, word(before), word(after)) == (before == after or steps_in_code(before, after))


@pytest.mark.parametrize("status", STATES, ids=word)
def test_every_state_of_the_contract_can_be_stored(
    tables: sqlite3.Connection, status: Response.Status.ValueType
) -> None:
    insert(tables, word(status))


@pytest.mark.parametrize("status", ["", "unspecified", "done"])
def test_no_other_word_can_be_stored(tables: sqlite3.Connection, status: str) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        insert(tables, status)


def test_every_state_is_on_the_way_or_has_its_last_event() -> None:
    assert set(NEXT) | set(TERMINAL_EVENT) == set(Response.Status.values())
    assert not set(NEXT) & set(TERMINAL_EVENT)
    assert {status for status in Response.Status.values() if is_final(status)} == set(TERMINAL_EVENT)
    assert set(TERMINAL_EVENT.values()) <= set(ResponseEvent.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("column", ["id", "org_id", "assistant_id", "user_id", "previous_response_id"])
def test_whose_response_it_is_never_changes(tables: sqlite3.Connection, column: str) -> None:
    insert(tables, "in_progress")

    with pytest.raises(sqlite3.IntegrityError, match="immutable column"):
        Tables(tables, execute_plugins=False).table("responses").update("resp_1", {column: "other"})
