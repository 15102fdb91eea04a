"""The daybook: pieces of running logs, one behind the other as they come, until they are posted to the logs.

A piece is a row at the end of one table. In its own log it would be a row, a place in the index, and the number that
the response has come to: three pages for each run that says a word, again and again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlite_utils import Database as Tables

from service.store.records import LostRunError
from service.store.rows import Row, Rows
from service.store.sqlite import sqlite3

KEPT: Final = 16_384
"""The last pieces, which nobody looks through: most of their runs have not ended yet. About 2 MB."""
SLICE: Final = 256
"""Pieces after which twice as many are looked through: few enough that nobody who writes meanwhile notices."""


def post_all(db: Tables) -> None:
    """Posts what the daybook has of runs that have not ended, and empties it: for who knows that nobody writes."""
    rows = db.conn.execute(
        """select d.response_id, r.last_seq, d.first_seq, d.last_seq, d.batch from daybook d
           join responses r on r.id = d.response_id
           where r.status in ('queued', 'in_progress') and d.first_seq > r.last_seq order by d.response_id, d.number"""
    ).fetchall()
    for (response_id, reached), pieces in groupby(rows, key=itemgetter(0, 1)):
        _post(db, response_id, reached, pieces)
    db.conn.execute("delete from daybook")


def clear(db: Tables, after: int) -> int:
    """Deletes what is posted or of nobody in a slice of the old pieces after number `after`; where the next begins."""
    count, upto = db.conn.execute(
        """select count(*), max(number) from (
             select number from daybook where number > ? and number <= (select max(number) from daybook) - ?
             order by number limit ?)""",
        (after, KEPT, 2 * SLICE),
    ).fetchone()
    if not count:
        return 0
    db.conn.execute(
        """delete from daybook where number > :after and number <= :upto and response_id not in (
             select response_id from daybook where number > :after and number <= :upto group by response_id
             having max(last_seq) > (select last_seq from responses where id = response_id))""",
        {"after": after, "upto": upto},
    )
    return int(upto) if count == 2 * SLICE else 0


def forget(db: Tables, response_ids: Iterable[str]) -> None:
    """Deletes what is left there of responses, in one look through all of it."""
    db.conn.execute(
        "delete from daybook where response_id in (select value from json_each(?))", (json.dumps(list(response_ids)),)
    )


def is_lone(row: Row) -> bool:
    """Whether a piece, here or in its own log, is a single event: a token that came alone."""
    return bool(row[1] == row[2])


def _enter(db: Tables, row: Row) -> None:
    """Enters one piece. Raises LostRunError."""
    try:
        ENTERED.add(db, (row,))
    except sqlite3.IntegrityError:
        raise LostRunError(f"{row[0]} is another core's now, or has ended") from None


def _post(db: Tables, response_id: str, reached: int, pieces: Iterable[Sequence[Any]]) -> None:
    """Posts the pieces behind number `reached`, without those that were entered once more."""
    last, posted = reached, bytearray()
    for *_, first, until, batch in pieces:
        if first == last + 1:
            last = until
            posted += batch
    if posted:
        db.conn.execute("update responses set last_seq = ? where id = ?", (last, response_id))
        row = (response_id, reached + 1, last, bytes(posted))
        db.conn.execute("insert into response_segments values(?, ?, ?, ?)", row)


# One for whom there is no such run would stand there without a name, which isn't allowed.
_ENTER: Final = """
    begin
      insert into daybook(response_id, first_seq, last_seq, batch)
        select r.id, new.first_seq, new.last_seq, new.batch from (select 1) left join responses r
          on r.id = new.response_id and r.owner = new.owner and r.lease_epoch = new.lease_epoch
            and r.status = 'in_progress';
    end"""
_ENTER_ALONE: Final = """
    insert into daybook(response_id, first_seq, last_seq, batch)
      select r.id, e.column2, e.column3, e.column4 from (values %s) e left join responses r
        on r.id = e.column1 and r.owner = e.column5 and r.lease_epoch = e.column6 and r.status = 'in_progress'"""
ENTERED: Final = Rows(
    2,
    ("response_id", "first_seq", "last_seq", "batch", "owner", "lease_epoch"),
    _enter,
    (_ENTER,),
    _ENTER_ALONE,
    goes_on=True,
    lone=is_lone,
)
"""Pieces of running responses, each with the core that writes it and that core's epoch."""
