"""What runs add to their logs, many at once: one statement for all, since each gives the interpreter away and waits for
it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlite_utils import Database as Tables

from service.store.sqlite import sqlite3

MOST_ROWS: Final = 64
"""Rows of one statement; fewer make statements of 32, 16, … rows, so that there are few of them to be kept ready."""

Appended = tuple[str, int, int, bytes, str, int]
"""The response, the first and the last number, the serialized events, the core that writes, and its epoch."""


def prepare(conn: sqlite3.Connection) -> None:
    """Tells the writer's own connection how a segment is added: what it sees is in no file."""
    conn.execute("""
        create temp view appended as select null as response_id, null as first_seq, null as last_seq, null as batch,
          null as owner, null as lease_epoch""")
    # The status is left alone, though a queued response must begin: to set it would be to write its index anew.
    conn.execute("""
        create temp trigger append instead of insert on appended begin
          update responses set last_seq = new.last_seq
            where id = new.response_id and last_seq = new.first_seq - 1 and owner = new.owner
              and lease_epoch = new.lease_epoch and status = 'in_progress';
          select raise(abort, 'not the writer of this log, or not its next segment') where changes() = 0;
          insert into response_segments values(new.response_id, new.first_seq, new.last_seq, new.batch);
        end""")


def append_all(db: Tables, segments: Sequence[Appended]) -> None:
    """Adds a segment to each of several logs. Raises IntegrityError where one may not be: then none is there."""
    start, size = 0, MOST_ROWS
    while start < len(segments):
        while size > len(segments) - start:
            size //= 2
        rows = [value for segment in segments[start : start + size] for value in segment]
        db.conn.execute(_INSERTS[size], rows)
        start += size


_INSERTS: Final = {
    1 << power: f"insert into appended values {', '.join(['(?, ?, ?, ?, ?, ?)'] * (1 << power))}"
    for power in range(MOST_ROWS.bit_length())
}
