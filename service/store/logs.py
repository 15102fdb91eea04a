"""How the log of a response is written: begun, appended to and ended, of as many responses as there are at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson
from sqlite_utils import Database as Tables

from service.ids import message_of
from service.store import rows
from service.store.daybook import ENTERED, is_lone
from service.store.records import LostRunError
from service.store.rows import Row, Rows
from service.store.sqlite import sqlite3


def prepare(conn: sqlite3.Connection) -> None:
    """Makes the writer's own connection ready to write logs."""
    rows.prepare(conn, (BEGUN, APPENDED, ENTERED, ENDED))


def ids(response_id: str, item_ids: Iterable[str]) -> str:
    """Ids of items as they stand in a row; the message that is found by its response's id needs none."""
    own = message_of(response_id)
    named = [item_id for item_id in item_ids if item_id != own]
    return orjson.dumps(named).decode() if named else ""


def _begin(db: Tables, row: Row) -> None:
    BEGUN.add(db, (row,))


def _append(db: Tables, row: Row) -> None:
    """Adds one segment, also to the log of a response that is queued still. Raises LostRunError."""
    response_id, first, last, data, owner, epoch = row
    changed = db.conn.execute(
        """update responses set last_seq = ?, status = 'in_progress'
           where id = ? and last_seq = ? and owner = ? and lease_epoch = ? and status in ('queued', 'in_progress')""",
        (last, response_id, first - 1, owner, epoch),
    ).rowcount
    _expect_writer(response_id, found=bool(changed))
    db.conn.execute("insert into response_segments values(?, ?, ?, ?)", (response_id, first, last, data))


def _end(db: Tables, row: Row) -> None:
    """Ends one log. Raises LostRunError."""
    response_id, first, _, _, owner, epoch = row[:6]
    found = db.conn.execute(
        "select 1 from responses where id = ? and last_seq = ? and owner = ? and lease_epoch = ?",
        (response_id, first - 1, owner, epoch),
    ).fetchone()
    _expect_writer(response_id, found=found is not None)
    ENDED.add(db, (row,))


def _expect_writer(response_id: str, *, found: bool) -> None:
    if not found:
        raise LostRunError(f"the log of {response_id} was written by someone else")


_BEGIN: Final = """
    begin
      insert into responses(id, org_id, assistant_id, user_id, key_id, previous_response_id, status, background,
          created_at, expires_at, last_seq, owner, conversation_id, finished_at, root_id)
        values(new.id, new.org_id, new.assistant_id, nullif(new.user_id, ''), new.key_id,
          nullif(new.previous_response_id, ''), new.status, new.background, new.created_at, new.expires_at,
          new.last_seq, new.owner, nullif(new.conversation_id, ''), nullif(new.finished_at, 0),
          case when new.conversation_id <> '' then new.conversation_id when new.previous_response_id = '' then new.id
            else coalesce((select root_id from responses where id = new.previous_response_id), new.id) end);
      insert into response_requests values(new.id, new.settings, new.input);
      insert into response_segments values(new.id, 0, new.last_seq, new.batch);
    end"""
_BEGIN_ENDED: Final = """
    when new.finished_at begin
      insert into response_results values(new.id, new.result);
    end"""
_BEGIN_ITEMS: Final = """
    when new.items <> '' begin
      insert into response_items select new.id, value from json_each(new.items);
    end"""
BEGUN: Final = Rows(
    0,
    (
        *("id", "org_id", "assistant_id", "user_id", "key_id", "previous_response_id", "status", "background"),
        *("created_at", "expires_at", "last_seq", "owner", "conversation_id", "settings", "input", "batch"),
        *("finished_at", "result", "items"),
    ),
    _begin,
    (_BEGIN, _BEGIN_ENDED, _BEGIN_ITEMS),
)
"""New responses with the first segment of their log; one that has ended already has the last three columns, too.

Empty text means none, and so does a 0; `items` is a JSON list of the ids of its items, as of `ids`.
"""

_SEGMENT: Final = ("response_id", "first_seq", "last_seq", "batch", "owner", "lease_epoch")
# The status is left alone, though a queued response must begin: to set it would be to write its index anew.
_APPEND: Final = """
    begin
      update responses set last_seq = new.last_seq
        where id = new.response_id and last_seq = new.first_seq - 1 and owner = new.owner
          and lease_epoch = new.lease_epoch and status = 'in_progress';
      select raise(abort, 'not the writer of this log, or not its next segment') where changes() = 0;
      insert into response_segments values(new.response_id, new.first_seq, new.last_seq, new.batch);
    end"""
APPENDED: Final = Rows(1, _SEGMENT, _append, (_APPEND,), goes_on=True, lone=is_lone)
"""Segments of running responses, each with the core that writes it and that core's epoch."""

_END: Final = """
    begin
      update responses set last_seq = new.last_seq, status = new.status, finished_at = new.finished_at
        where id = new.response_id and last_seq = new.first_seq - 1 and owner = new.owner
          and lease_epoch = new.lease_epoch;
      select raise(abort, 'not the writer of this log, or not its next segment') where changes() = 0;
      insert into response_segments values(new.response_id, new.first_seq, new.last_seq, new.batch);
      insert into response_results values(new.response_id, new.result);
    end"""
_END_ITEMS: Final = """
    when new.items <> '' begin
      insert into response_items select new.response_id, value from json_each(new.items);
    end"""
ENDED: Final = Rows(3, (*_SEGMENT, "status", "finished_at", "result", "items"), _end, (_END, _END_ITEMS))
"""Last segments, with what came of the responses."""
