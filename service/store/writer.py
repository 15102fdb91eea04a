"""The writer: this process's only connection that writes, one transaction after the other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database as Tables

from service.store import logs
from service.store.checkpoint import Checkpoints
from service.store.commit import Asked, commit, outside
from service.store.commit_queue import GROUP_LIMIT
from service.store.opening import connect
from service.store.turns import Turns

STATEMENTS: Final = 256
"""Kept at hand. There is one for each number of rows, of words and of all kinds: each takes half a ms to make."""


class Writer:
    """Belongs to one thread at a time: its own, or that of the loop."""

    def __init__(self, path: Path, *, shared: bool) -> None:
        self._tables = Tables(connect(path, statements=STATEMENTS), execute_plugins=False)
        logs.prepare(self._tables.conn)
        self._checkpoints = Checkpoints(path)
        self._turns = Turns(path.with_suffix(".turns")) if shared else None

    def write(self, together: list[Asked]) -> list[Any]:
        """Writes one of the `transactions`; an outcome for each who is told."""
        if together[0].alone:
            return [outside(self._tables, one) for one in together]
        with self._turns.turn() if self._turns else nullcontext():
            return commit(self._tables, together)

    def log_is_large(self) -> bool:
        """Whether the write-ahead log should be emptied: said at most every `checkpoint.LOOK` seconds."""
        return self._checkpoints.due(now=time.monotonic())

    def empty_log(self, tables: Tables) -> None:
        """Empties it, a job in no transaction: it waits for readers."""
        self._checkpoints.empty(tables.conn, now=time.monotonic())

    def close(self) -> None:
        """Closes the connection."""
        self._tables.conn.close()
        if self._turns:
            self._turns.close()


def transactions(group: Sequence[Asked]) -> Iterator[list[Asked]]:
    """What goes to disk together, in order; what runs in no transaction stands by itself."""
    for _, requests in itertools.groupby(group, key=lambda request: request.alone):
        together = list(requests)
        for start in range(0, len(together), GROUP_LIMIT):
            yield together[start : start + GROUP_LIMIT]
