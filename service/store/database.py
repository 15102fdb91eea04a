"""The SQLite file: one writer with group commit, and a pool of readers.

The writer has this process's only connection that writes. Whatever was asked for in a turn of the loop, or while the
last commit ran, goes into the next one; only many tokens of running replies wait a moment for company. Jobs are run by
a thread; rows are written by the loop itself while the disk is quick, unless more of the same log follows, and many of
them only where the thread had no CPU for itself; else by the thread. A lock beside the file keeps a second core out,
unless all of them share it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store.commit import UNAVAILABLE, Asked, Batch, Job, Request, Told, is_outage, unavailable
from service.store.commit_queue import CommitQueue
from service.store.opening import (
    FIXED_WAL_RESET_BUG,
    BrokenDatabaseError,
    InUseError,
    OldSQLiteError,
    bring_up_to_date,
    connect,
    lock_beside,
)
from service.store.quickness import Quickness
from service.store.rows import Row, Rows
from service.store.sqlite import sqlite3
from service.store.writer import Writer, transactions
from service.store.written import Written

T = TypeVar("T")

READERS: Final = 4
QUEUE_LIMIT: Final = 4096
TOGETHER: Final = 16
"""So many rows of a kind don't wait for more: the thread begins on them while the loop goes on with its turn."""

FEW: Final = 4
"""So few rows are written sooner than the thread is woken."""
_ALL: Final = 1 << 30

__all__ = ["BrokenDatabaseError", "Database", "InUseError", "OldSQLiteError"]

log = logging.getLogger(__name__)


class Database:
    """An open database. Every method but `open` belongs to the event loop that opened it."""

    def __init__(self, path: Path, writer: Writer, lock: int, *, shared: bool, spare_cpu: bool) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._lock = lock
        self._shared = shared
        self._asked: list[Asked] = []
        self._batches: dict[int, Batch] = {}
        self._queue = CommitQueue()
        self._waiting = 0
        self._at_thread = 0
        self._most_rows = 0 if shared else FEW if spare_cpu else _ALL
        self._quickness = Quickness()
        self._refused = False
        self._readers = ThreadPoolExecutor(READERS, "nodexa-read")
        self._local = threading.local()
        self._opened: list[Tables] = []
        self._writer = writer
        self._thread = threading.Thread(target=self._write_all, name="nodexa-write", daemon=True)

    @classmethod
    async def open(cls, path: Path, *, shared: bool = False, spare_cpu: bool = False) -> Database:
        """Opens or makes the file, brings its schema up to date and starts the writer.

        `spare_cpu` says that one is there for the writer's thread while the loop has work. Raises InUseError while
        another process has it open, unless both are `shared`; BrokenDatabaseError for a file that is none;
        OldSQLiteError where this SQLite can't share.
        """
        if shared and sqlite3.sqlite_version_info < FIXED_WAL_RESET_BUG:
            raise OldSQLiteError(
                f"Several cores on one database need SQLite 3.51.3 or newer; this is {sqlite3.sqlite_version}. Install "
                "the package pysqlite3, or run one core."
            )
        lock = lock_beside(path.with_suffix(".lock"), shared=shared)
        try:
            await asyncio.to_thread(bring_up_to_date, path)
            writer = await asyncio.to_thread(Writer, path, shared=shared)
        except BaseException as error:
            os.close(lock)
            if isinstance(error, sqlite3.DatabaseError):
                advice = "restore it from a backup, or name another data directory"
                raise BrokenDatabaseError(f"{path} can't be used: {error}; {advice}.") from error
            raise
        database = cls(path, writer, lock, shared=shared, spare_cpu=spare_cpu)
        database._thread.start()
        return database

    @property
    def shared(self) -> bool:
        """Whether other processes may write, too."""
        return self._shared

    async def write(self, job: Job[T], *, new_work: bool = False) -> T:
        """Runs `job` in the writer's next transaction; returns when it is on disk. Raises as `submit`."""
        return await self.submit(job, new_work=new_work)

    def submit(self, job: Job[T], *, new_work: bool = False) -> Written[T]:
        """Hands `job` to the writer's next transaction; it may run twice. What is returned is done when it is on disk.

        A job that raises is rolled back alone. A full queue takes no `new_work`; of what is under way there is one
        write a run at most. Raises NodexaError `storage_unavailable` when SQLite can't write, and for a full queue.
        """
        if new_work:
            self._expect_room()
        return self._put(job)

    def add(self, kind: Rows, row: Row, told: Told, *, new_work: bool = False) -> None:
        """As `submit`, for a row that goes with all others of its kind: `told` hears what came of it, None or why not.

        A turn of the loop has one request for `TOGETHER` of them, so each costs the writer next to nothing of its own.
        """
        if new_work:
            self._expect_room()
        batch = self._batches.get(kind.place)
        if batch is None:
            batch = self._batches[kind.place] = Batch(kind)
            self._ask(batch)
        self._waiting += 1
        batch.rows.append(row)
        batch.told.append(told)
        if len(batch.rows) == TOGETHER and (kind.goes_on or not self._writes_itself(TOGETHER)):
            self._hand_over()

    def promise(self) -> Written[None]:
        """Somebody to be told, who can be waited for."""
        return Written(self._loop)

    @property
    def troubled(self) -> bool:
        """Whether the disk refused the last write, or no new work is taken."""
        return self._refused or self._waiting >= QUEUE_LIMIT

    async def alone(self, job: Job[T]) -> T:
        """Runs `job` in the writer's thread between two transactions, and in none. Raises as `submit`."""
        return await self._put(job, alone=True)

    async def read(self, job: Job[T]) -> T:
        """Runs `job` on a read-only connection in a thread."""
        return await self._loop.run_in_executor(self._readers, self._read, job)

    async def close(self) -> None:
        """Finishes what was asked for, then closes every connection, the writer's last: that one empties the WAL."""
        await asyncio.to_thread(self._readers.shutdown)
        for tables in self._opened:
            tables.conn.close()
        self._hand_over()
        self._at_thread += 1  # which has the writer to itself from here on
        self._queue.close()
        await asyncio.to_thread(self._thread.join)
        os.close(self._lock)

    def _put(self, job: Job[T], *, alone: bool = False) -> Written[T]:
        written: Written[T] = Written(self._loop)
        self._waiting += 1
        self._ask(Request(job, (written,), alone))
        return written

    def _expect_room(self) -> None:
        if self._waiting >= QUEUE_LIMIT:
            raise NodexaError(UNAVAILABLE, "Too many writes are waiting; try again.", retry_after=1)

    def _ask(self, asked: Asked) -> None:
        if not self._asked:
            # Not at once: the writer would take the interpreter away from those who are about to ask for more.
            self._loop.call_soon(self._hand_over)
        self._asked.append(asked)

    def _writes_itself(self, rows: int) -> bool:
        # What the thread does is waited for: rows go behind it.
        return 0 < rows <= self._most_rows and not self._at_thread and bool(self._quickness)

    def _hand_over(self) -> None:
        if not self._asked:
            return
        if self._writer.log_is_large():
            self._waiting += 1
            self._ask(Request(self._writer.empty_log, (self.promise(),), alone=True))
        batches, rows = self._batches.values(), 0
        # With a job among them, or words of replies that go on, whose models the loop should listen to.
        if len(self._asked) == len(batches) and not any(batch.kind.goes_on for batch in batches):
            rows = sum(len(batch.rows) for batch in batches)
        group, self._asked = self._asked, []
        self._batches.clear()
        if self._writes_itself(rows):
            self._settle(group, self._quickness.seen_in(self._writer.write, group))
            return
        self._at_thread += len(group)
        self._queue.put(group)

    def _returned(self, group: list[Asked], outcomes: list[Any]) -> None:
        self._at_thread -= len(group)
        self._settle(group, outcomes)

    def _settle(self, group: list[Asked], outcomes: list[Any]) -> None:
        self._waiting -= len(outcomes)
        self._refused = isinstance(outcomes[-1], NodexaError) and outcomes[-1].code == UNAVAILABLE
        each = iter(outcomes)
        for asked in group:
            for told, outcome in zip(asked.told, each):  # noqa: B905 - each takes as many as are its own
                told.settle(outcome)

    def _read(self, job: Job[T]) -> T:
        tables = getattr(self._local, "tables", None)
        if tables is None:
            tables = self._local.tables = Tables(connect(self._path, read_only=True), execute_plugins=False)
            self._opened.append(tables)
        try:
            return job(tables)
        except sqlite3.OperationalError as error:
            if is_outage(error):
                log.error("the database refused to be read: %s", error)
                raise unavailable() from error
            raise

    def _write_all(self) -> None:
        for group in self._queue.groups():
            for together in transactions(group):
                outcomes = self._writer.write(together)
                self._loop.call_soon_threadsafe(self._returned, together, outcomes)
        self._writer.close()
