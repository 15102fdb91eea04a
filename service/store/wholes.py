"""Responses that had ended when they were written, many at once: one statement for all, as segments are added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlite_utils import Database as Tables

from service.store.sqlite import sqlite3

MOST_ROWS: Final = 16
"""Rows of one statement; fewer make statements of 8, 4, … rows, so that there are few of them to be kept ready."""
_COLUMNS: Final = (
    *("id", "org_id", "assistant_id", "user_id", "key_id", "previous_response_id", "status", "background"),
    *("created_at", "expires_at", "last_seq", "owner", "finished_at", "settings", "input", "batch", "result", "items"),
)

Whole = tuple[Any, ...]
"""What stands in the columns; empty text means none, and the items are a JSON list of their ids."""


def prepare(conn: sqlite3.Connection) -> None:
    """Tells the writer's own connection how a response is added: what it sees is in no file."""
    conn.execute(f"create temp view wholes as select {', '.join(f'null as {name}' for name in _COLUMNS)}")
    conn.execute("""
        create temp trigger add_whole instead of insert on wholes begin
          insert into responses(id, org_id, assistant_id, user_id, key_id, previous_response_id, status, background,
              created_at, expires_at, last_seq, owner, finished_at, root_id)
            values(new.id, new.org_id, new.assistant_id, nullif(new.user_id, ''), new.key_id,
              nullif(new.previous_response_id, ''), new.status, new.background, new.created_at, new.expires_at,
              new.last_seq, new.owner, new.finished_at,
              coalesce((select root_id from responses where id = new.previous_response_id), new.id));
          insert into response_requests values(new.id, new.settings, new.input);
          insert into response_segments values(new.id, 0, new.last_seq, new.batch);
          insert into response_results values(new.id, new.result);
          insert into response_items select new.id, value from json_each(new.items);
        end""")


def ids(item_ids: Iterable[str]) -> str:
    """Ids of items as they stand in a Whole."""
    return orjson.dumps(list(item_ids)).decode()


def add(db: Tables, whole: Whole) -> None:
    """Adds one response."""
    add_all(db, (whole,))


def add_all(db: Tables, wholes: Sequence[Whole]) -> None:
    """Adds several."""
    start, size = 0, MOST_ROWS
    while start < len(wholes):
        while size > len(wholes) - start:
            size //= 2
        db.conn.execute(_INSERTS[size], [value for whole in wholes[start : start + size] for value in whole])
        start += size


_ROW: Final = f"({', '.join('?' * len(_COLUMNS))})"
_INSERTS: Final = {
    1 << power: f"insert into wholes values {', '.join([_ROW] * (1 << power))}"
    for power in range(MOST_ROWS.bit_length())
}
