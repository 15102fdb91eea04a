"""The SQLite file: one writer thread with group commit, and a pool of readers.

The writer owns this process's only writing connection. It never waits for company: whatever was asked for while the
last commit ran goes into the next one. A lock beside the file keeps a second core out, unless all of them share it.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store.checkpoint import Checkpoints
from service.store.migrations import migrations, newer_steps
from service.store.sqlite import sqlite3

T = TypeVar("T")
Job = Callable[[Tables], T]

READERS: Final = 4
QUEUE_LIMIT: Final = 4096
GROUP_LIMIT: Final = 256
FIXED_WAL_RESET_BUG: Final = (3, 51, 3)
OUTAGES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)

log = logging.getLogger(__name__)


class InUseError(OSError):
    """Another process has the database open; the message says which one and what to do."""


class OldSQLiteError(ValueError):
    """This SQLite can't be shared by several processes; the message says what to do."""


class BrokenDatabaseError(ValueError):
    """The file can't be opened as a database; the message says which one and what to do."""


@dataclass(slots=True)
class _Request:
    job: Job[Any]
    done: asyncio.Future[Any]
    alone: bool = False


class Database:
    """An open database. Every method but `open` belongs to the event loop that opened it."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, lock: int) -> None:
        self._path = path
        self._loop = loop
        self._lock = lock
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting = 0
        self._readers = ThreadPoolExecutor(READERS, "nodexa-read")
        self._local = threading.local()
        self._opened: list[Tables] = []
        self._writer = threading.Thread(target=self._write_all, name="nodexa-write", daemon=True)

    @classmethod
    async def open(cls, path: Path, *, shared: bool = False) -> Database:
        """Opens or makes the file, brings its schema up to date and starts the writer.

        Raises InUseError while another process has it open, unless both are `shared`; BrokenDatabaseError for a file
        that is none; OldSQLiteError where this SQLite can't share.
        """
        if shared and sqlite3.sqlite_version_info < FIXED_WAL_RESET_BUG:
            raise OldSQLiteError(
                f"Several cores on one database need SQLite 3.51.3 or newer; this is {sqlite3.sqlite_version}. Install "
                "the package pysqlite3, or run one core."
            )
        database = cls(path, asyncio.get_running_loop(), _lock(path.with_suffix(".lock"), shared=shared))
        try:
            await asyncio.to_thread(_migrate, path)
        except BaseException as error:
            os.close(database._lock)
            if isinstance(error, sqlite3.DatabaseError):
                advice = "restore it from a backup, or name another data directory"
                raise BrokenDatabaseError(f"{path} can't be used: {error}; {advice}.") from error
            raise
        database._writer.start()
        return database

    async def write(self, job: Job[T], *, new_work: bool = False) -> T:
        """Runs `job` in the writer's next transaction; returns when it is on disk. Raises as `submit`."""
        return await self.submit(job, new_work=new_work)

    def submit(self, job: Job[T], *, new_work: bool = False) -> asyncio.Future[T]:
        """Hands `job` to the writer's next transaction; it may run twice. What is returned is done when it is on disk.

        A job that raises is rolled back alone. A full queue takes no `new_work`; of what is under way there is one
        write a run at most. Raises NodexaError `storage_unavailable` when SQLite can't write, and for a full queue.
        """
        if new_work and self._waiting >= QUEUE_LIMIT:
            raise NodexaError("storage_unavailable", "Too many writes are waiting; try again.", retry_after=1)
        done: asyncio.Future[T] = self._loop.create_future()
        self._waiting += 1
        self._requests.put(_Request(job, done))
        return done

    async def alone(self, job: Job[T]) -> T:
        """Runs `job` in the writer's thread between two transactions, and in none. Raises as `submit`."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._waiting += 1
        self._requests.put(_Request(job, done, alone=True))
        return await done

    async def read(self, job: Job[T]) -> T:
        """Runs `job` on a read-only connection in a thread."""
        return await self._loop.run_in_executor(self._readers, self._read, job)

    async def close(self) -> None:
        """Finishes what was asked for, then closes every connection, the writer's last: that one empties the WAL."""
        await asyncio.to_thread(self._readers.shutdown)
        for tables in self._opened:
            tables.conn.close()
        self._requests.put(None)
        await asyncio.to_thread(self._writer.join)
        os.close(self._lock)

    def _settle(self, group: list[_Request], outcomes: list[Any]) -> None:
        self._waiting -= len(group)
        for request, outcome in zip(group, outcomes, strict=True):
            # A caller that was cancelled wants no answer.
            if request.done.done():
                continue
            if isinstance(outcome, Exception):
                request.done.set_exception(outcome)
            else:
                request.done.set_result(outcome)

    def _read(self, job: Job[T]) -> T:
        tables = getattr(self._local, "tables", None)
        if tables is None:
            tables = self._local.tables = Tables(_connect(self._path, read_only=True), execute_plugins=False)
            self._opened.append(tables)
        try:
            return job(tables)
        except sqlite3.OperationalError as error:
            if _is_outage(error):
                log.error("the database refused to be read: %s", error)
                raise _unavailable() from error
            raise

    def _write_all(self) -> None:
        tables = Tables(_connect(self._path), execute_plugins=False)
        checkpoints = Checkpoints(self._path)
        while (first := self._requests.get()) is not None:
            group = [first]
            stop = False
            while not group[-1].alone and len(group) < GROUP_LIMIT and not self._requests.empty():
                more = self._requests.get()
                if more is None:
                    stop = True
                    break
                group.append(more)
            together = [request for request in group if not request.alone]
            outcomes = _commit(tables, together) if together else []
            outcomes += [_outside(tables, request) for request in group if request.alone]
            self._loop.call_soon_threadsafe(self._settle, group, outcomes)
            checkpoints.after_commit(tables.conn, now=time.monotonic())
            if stop:
                break
        tables.conn.close()


def _commit(tables: Tables, group: list[_Request], *, guarded: bool = False) -> list[Any]:
    """Runs the group in one transaction; an outcome is a result, or the exception in its place.

    Hardly a job ever raises: where one does, the group is run again, with each job `guarded` from the others by a
    savepoint of its own. What the disk refuses to a group it may grant to some of it: each is then tried by itself.
    """
    conn = tables.conn
    try:
        conn.execute("begin immediate")
        outcomes = [_attempt(tables, request) if guarded else request.job(tables) for request in group]
        conn.execute("commit")
    except Exception as error:
        if conn.in_transaction:
            conn.execute("rollback")
        if not _is_outage(error):
            if guarded:
                raise
            return _commit(tables, group, guarded=True)
        if len(group) > 1:
            return [outcome for request in group for outcome in _commit(tables, [request])]
        log.error("the database refused a transaction: %s", error)
        return [_unavailable()]
    return outcomes


def _outside(tables: Tables, request: _Request) -> Any:
    """Runs one job in no transaction; an outcome as of `_commit`."""
    try:
        return request.job(tables)
    except Exception as error:  # noqa: BLE001 - it is the caller's, and the writer goes on
        return _unavailable() if _is_outage(error) else error


def _attempt(tables: Tables, request: _Request) -> Any:
    conn = tables.conn
    conn.execute("savepoint job")
    try:
        outcome = request.job(tables)
    except Exception as error:
        if _is_outage(error):
            raise
        conn.execute("rollback to job")
        outcome = error
    conn.execute("release job")
    return outcome


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    conn = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None, timeout=5)
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


def _migrate(path: Path) -> None:
    version = sqlite3.sqlite_version_info
    note = "" if version >= FIXED_WAL_RESET_BUG else " (one core only: the WAL-reset bug is fixed in 3.51.3)"
    log.info("SQLite %s%s", sqlite3.sqlite_version, note)
    # Two cores that start at once must not both find the same step missing.
    lock = os.open(path.with_suffix(".migration.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    conn = _connect(path)
    try:
        path.chmod(0o600)
        tables = Tables(conn, execute_plugins=False)
        if newer := newer_steps(tables):
            raise BrokenDatabaseError(
                f"{path} was used by a newer Nodexa ({newer[0]}). Run that one, or restore a backup from before it."
            )
        migrations.apply(tables)
    finally:
        conn.close()
        os.close(lock)


def _lock(path: Path, *, shared: bool) -> int:
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


def _is_outage(error: Exception) -> bool:
    """Whether it is the disk or a lock that failed, and not our SQL."""
    # Our own errors and those of the Python module itself have no code.
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in OUTAGES


def _unavailable() -> NodexaError:
    return NodexaError("storage_unavailable", "The database can't be used now; try again.", retry_after=1)
