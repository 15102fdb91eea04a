"""Keeps the write-ahead log small although somebody always reads."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from service.store.sqlite import sqlite3

LARGE: Final = 32 * 1024 * 1024
"""Bytes. SQLite itself begins at the log's start again after 4 MB, whenever nobody happens to read."""
LOOK: Final = 0.05
"""Seconds between two looks at it: to look is to give the interpreter away, and to wait for it again."""
PATIENCE_MS: Final = 1000
"""How long writing waits for the readers."""
PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between two tries, by how many failed before: who reads for long must not stop all writing all the time."""

log = logging.getLogger(__name__)


class Checkpoints:
    """The writer's own: of the log of the database at `path`."""

    def __init__(self, path: Path) -> None:
        self._log = f"{path}-wal"
        self._not_before = 0.0
        self._failures = 0

    def due(self, *, now: float) -> bool:
        """Whether the log has become large; looked at now and then. `now` is in seconds."""
        if now < self._not_before:
            return False
        self._not_before = now + LOOK
        return self._size() >= LARGE

    def empty(self, conn: sqlite3.Connection, *, now: float) -> None:
        """Empties the log; readers that come meanwhile don't need it. `now` is in seconds."""
        (patience,) = conn.execute("pragma busy_timeout").fetchone()
        conn.execute(f"pragma busy_timeout={PATIENCE_MS}")
        try:
            held = bool(conn.execute("pragma wal_checkpoint(truncate)").fetchone()[0])
        except sqlite3.Error:
            held = True
        conn.execute(f"pragma busy_timeout={patience}")
        self._failures = self._failures + 1 if held else 0
        if held:
            self._not_before = now + PATIENCE_MS / 1000 + PAUSES[min(self._failures, len(PAUSES)) - 1]
            log.warning("the write-ahead log has %d MB and can't be emptied now", self._size() >> 20)

    def _size(self) -> int:
        try:
            return os.stat(self._log).st_size  # noqa: PTH116 - at a fifth of the price
        except FileNotFoundError:
            return 0
