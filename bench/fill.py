"""A database with many rows: one of each kind is there, and copies of it with ids of their own are added."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Final

from service.ids import new_id

_Fresh = Mapping[str, Callable[[], object]]
_ONE_OF_EACH: Final[Mapping[str, _Fresh]] = {
    "api_keys": {"id": lambda: new_id("key"), "key_hmac": lambda: token_bytes(32)},
    "assistants": {"id": lambda: new_id("asst")},
}
_OF_A_RESPONSE: Final[Mapping[str, _Fresh]] = {
    "response_requests": {},
    "response_results": {},
    "response_segments": {},
    "response_items": {"item_id": lambda: new_id("msg")},
}


def fill_responses(database: Path, count: int) -> None:
    """Until there are `count` responses. Nothing may be running on the database."""
    with _open(database) as db:
        found = db.execute("select * from responses where status = 'completed' limit 1")
        names, row = [column[0] for column in found.description], found.fetchone()
        here = db.execute("select count(*) from responses").fetchone()[0]
        old = row[names.index("id")]
        ids = [new_id("resp") for _ in range(count - here)]
        _copy(db, "responses", names, row, [{"id": fresh} for fresh in ids])
        for table, own in _OF_A_RESPONSE.items():
            found = db.execute(f"select * from {table} where response_id = ?", (old,))  # noqa: S608 - our own names
            names = [column[0] for column in found.description]
            for part in found.fetchall():
                changes = [{"response_id": fresh} | {name: make() for name, make in own.items()} for fresh in ids]
                _copy(db, table, names, part, changes)


def fill_keys_and_assistants(database: Path, count: int) -> None:
    """Until there are `count` of each. Nothing may be running on the database."""
    with _open(database) as db:
        for table, fresh in _ONE_OF_EACH.items():
            found = db.execute(f"select * from {table} limit 1")  # noqa: S608
            names, row = [column[0] for column in found.description], found.fetchone()
            here = db.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608
            changes = [{name: make() for name, make in fresh.items()} for _ in range(count - here)]
            _copy(db, table, names, row, changes)


@contextmanager
def _open(database: Path) -> Iterator[sqlite3.Connection]:
    """Without the triggers, which want a log to be written in its order, and without care for a crash."""
    with closing(sqlite3.connect(database)) as db, db:
        for setting in ("journal_mode = off", "synchronous = off", "cache_size = -500000"):
            db.execute(f"pragma {setting}")
        triggers = db.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"drop trigger {name}")
        yield db
        for _, sql in triggers:
            db.execute(sql)


def _copy(
    db: sqlite3.Connection, table: str, names: list[str], row: tuple[object, ...], changes: list[dict[str, object]]
) -> None:
    values = dict(zip(names, row, strict=True))
    places = ", ".join("?" for _ in names)
    rows = (tuple((values | change).values()) for change in changes)
    db.executemany(f"insert into {table}({', '.join(names)}) values({places})", rows)
