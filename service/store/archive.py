"""A database as a file among files: copied while it is in use, checked, and put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nodexa.v1.event_pb2 import EventBatch
from sqlite_utils import Database as Tables

from service.store.migrations import newer_steps
from service.store.sqlite import sqlite3

PAGES: Final = 1024
"""Copied at a time: a writer in between gets its turn."""
MOST_PROBLEMS: Final = 20
TERMINAL: Final = frozenset({"completed", "incomplete", "failed"})
_FINAL: Final = "status not in ('queued', 'in_progress')"
_RULES: Final = (
    (f"select id from responses left join response_results on response_id = id where {_FINAL} and response is null",
     "{} is final and has no result"),
    (f"select id from responses join response_results on response_id = id where not {_FINAL}",
     "{} has a result and is not final"),
    ("select id from responses left join response_requests on response_id = id where response_id is null",
     "{} has no request"),
    ("""select id from responses left join response_segments on response_id = id where log_dropped = 0
        group by id having coalesce(max(response_segments.last_seq), -2) <> responses.last_seq
          or sum(response_segments.last_seq - first_seq + 1) <> responses.last_seq + 1 or min(first_seq) <> 0""",
     "the log of {} has a gap or an end that is not its own"),
)  # fmt: skip
"""Each query names responses that can't be, and each text says what is wrong with one."""


class ArchiveError(Exception):
    """A file can't be read or written as a database; the message says which and why."""


def copy(source: Path, target: Path) -> None:
    """Copies the database as it is at one moment, while others read and write it. `target` must not exist.

    Raises ArchiveError.
    """
    with _told(source), _opened(source) as original:
        target.touch(mode=0o600, exist_ok=False)
        with contextlib.closing(sqlite3.connect(target)) as made:
            original.backup(made, pages=PAGES)
            # A copy is one file, and whoever opens it next sets its mode again.
            made.execute("pragma journal_mode=delete")


def problems(path: Path) -> list[str]:
    """What is wrong with the database, a sentence each; empty for a good one. Raises ArchiveError where it is none."""
    with _told(path), _opened(path) as conn:
        conn.execute("begin")  # so that all of it is seen at one moment
        found = [text for (text,) in conn.execute(f"pragma integrity_check({MOST_PROBLEMS})") if text != "ok"]
        if found:
            return [f"SQLite says: {text}" for text in found]
        if newer := newer_steps(Tables(conn, execute_plugins=False)):
            return [f"a newer Nodexa made it ({newer[0]}): use that one, or a backup from before"]
        found += [f"a row of {table} points nowhere" for table, *_ in conn.execute("pragma foreign_key_check")]
        for query, words in _RULES:
            found += [words.format(row[0]) for row in conn.execute(f"{query} limit {MOST_PROBLEMS}")]
        return found + list(_terminal_problems(conn))


def _terminal_problems(conn: sqlite3.Connection) -> Iterator[str]:
    """Final responses whose log doesn't end in its one terminal event."""
    rows = conn.execute(
        f"""select response_id, batch from response_segments s join responses r on r.id = response_id
            where s.last_seq = r.last_seq and {_FINAL}"""
    )
    for response_id, batch in rows:
        kinds = [event.WhichOneof("kind") for event in EventBatch.FromString(batch).events]
        if not kinds or kinds[-1] not in TERMINAL or sum(kind in TERMINAL for kind in kinds) != 1:
            yield f"the log of {response_id} doesn't end in one terminal event"


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise ArchiveError(f"{path}: {error}") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """For reading alone: a second process that writes or checkpoints could spoil the WAL of an old SQLite."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as conn:
        yield conn
