"""How the file is opened: its schema brought up to date, its connections, and the lock beside it."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Final

from sqlite_utils import Database as Tables

from service.store.daybook import post_all
from service.store.migrations import migrations, newer_steps
from service.store.sqlite import sqlite3

FIXED_WAL_RESET_BUG: Final = (3, 51, 3)

log = logging.getLogger(__name__)


class InUseError(OSError):
    """Another process has the database open; the message says which one and what to do."""


class OldSQLiteError(ValueError):
    """This SQLite can't be shared by several processes; the message says what to do."""


class BrokenDatabaseError(ValueError):
    """The file can't be opened as a database; the message says which one and what to do."""


def lock_beside(path: Path, *, shared: bool) -> int:
    """A descriptor that holds the lock until it is closed, or its process dies. Raises InUseError."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InUseError(
            f"The data directory {path.parent} is in use by another core. Stop that one, or name another by --data, or "
            "start all of its cores with --shared."
        ) from None
    return lock


def bring_up_to_date(path: Path) -> None:
    """Makes the file or takes the steps that it lacks, and posts what a core that is gone left in the daybook.

    Raises BrokenDatabaseError for the file of a newer version.
    """
    version = sqlite3.sqlite_version_info
    note = "" if version >= FIXED_WAL_RESET_BUG else " (one core only: the WAL-reset bug is fixed in 3.51.3)"
    log.info("SQLite %s%s", sqlite3.sqlite_version, note)
    # Two cores that start at once must not both find the same step missing.
    lock = os.open(path.with_suffix(".migration.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    conn = connect(path)
    try:
        path.chmod(0o600)
        tables = Tables(conn, execute_plugins=False)
        if newer := newer_steps(tables):
            raise BrokenDatabaseError(
                f"{path} was used by a newer Nodexa ({newer[0]}). Run that one, or restore a backup from before it."
            )
        migrations.apply(tables)
        _post(tables)
    finally:
        conn.close()
        os.close(lock)


def connect(path: Path, *, read_only: bool = False, statements: int = 128) -> sqlite3.Connection:
    """A connection as both the writer and the readers need it, for any thread; `statements` are kept at hand."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    conn = sqlite3.connect(
        uri, uri=True, check_same_thread=False, isolation_level=None, timeout=5, cached_statements=statements
    )
    pragmas = ["foreign_keys=on", "cache_size=-16000", "temp_store=memory"]
    if not read_only:
        # What is deleted is overwritten: nobody should find it in a page that is free.
        pragmas += [
            "secure_delete=on",
            "journal_mode=wal",
            "synchronous=full",
            "wal_autocheckpoint=1000",
            "journal_size_limit=67108864",
        ]
    for pragma in pragmas:
        conn.execute(f"pragma {pragma}")
    return conn


def _post(tables: Tables) -> None:
    # Only a core that is alone has a daybook, and it is gone: this one has its lock.
    if tables.conn.execute("select 1 from daybook limit 1").fetchone() is None:
        return
    tables.conn.execute("begin immediate")
    post_all(tables)
    tables.conn.execute("commit")
