"""Who reads a run: it goes on for as long as somebody does, and for a while after that."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final

from service.runner.log import EventLog

FIRST_READER_SECONDS: Final = 1.0
"""How long a new run waits for its first reader, however impatient it is."""


class Attended(ABC):
    """Counts the readers of a log that is being written: `_leave` is called when the last one is gone for long enough.

    `patience` is how many seconds that is; None for ever.
    """

    def __init__(self, patience: float | None) -> None:
        self.log = EventLog()
        self._patience = patience
        # Asked for once: to ask which loop runs is a system call.
        self._loop = asyncio.get_running_loop()
        self._readers = 0
        self._timer: asyncio.TimerHandle | None = None

    def attend(self) -> Attendance:
        """Counts a reader: when the last one leaves, the run goes on for its patience and is then cancelled."""
        return Attendance(self)

    def count_reader(self, change: int) -> None:
        """For Attendance: one more, or one less."""
        self._readers += change
        self._mind_readers()

    def _mind_readers(self, *, at_least: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._readers or self.log.closed or self._patience is None:
            return
        self._timer = self._loop.call_later(max(self._patience, at_least), self._leave)

    @abstractmethod
    def _leave(self) -> None:
        """Ends what nobody reads."""


class Attendance:
    """One reader of a run, for as long as a block lasts. No generator: every call has one."""

    __slots__ = ("_run",)

    def __init__(self, run: Attended) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run.count_reader(1)

    def __exit__(self, *_: object) -> None:
        self._run.count_reader(-1)
