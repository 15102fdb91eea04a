"""What a run has in the daybook alone, and the clearing of what was posted since."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from service.store.commit import Told
from service.store.database import Database
from service.store.daybook import SLICE, clear
from service.store.records import Segment
from service.store.written import Written

MOST: Final = 16 * 1024
"""Bytes of one run, all of which are written once more when they are posted."""


class Unposted:
    """What one run has in the daybook alone. Its writer asks for one write after the other."""

    __slots__ = ("_last", "_pieces", "_room", "_size", "_told")

    def __init__(self) -> None:
        self._pieces: list[Segment] = []
        self._last = -1
        self._size = 0
        self._room = 0
        self._told: Told | None = None

    def enter(self, segment: Segment) -> bool:
        """Whether the daybook is the place for it: the run has written to its log, and there is not too much yet.

        Where it is, it's noted as written there.
        """
        size = self._size + len(segment.data)
        if size > self._room:
            return False
        if segment.first <= self._last:
            self._keep_before(segment)
            size = self._size + len(segment.data)
        self._pieces.append(segment)
        self._last = segment.last
        self._size = size
        return True

    def begin(self) -> None:
        """Its log is begun, and the run is the one that writes it: what follows may stand in the daybook."""
        self._room = MOST

    @property
    def pieces(self) -> int:
        """How many there are."""
        return len(self._pieces)

    def behind(self, segment: Segment) -> Segment:
        """The segment behind all that isn't posted, which is posted with it."""
        self._keep_before(segment)
        if not self._pieces:
            return segment
        data = b"".join([*(piece.data for piece in self._pieces), segment.data])
        return Segment(self._pieces[0].first, segment.last, data)

    def posting(self, told: Told) -> Told:
        """Who has to hear what comes of a write that posts all there is; `told` hears of it from that."""
        self._told = told
        return self

    def settle(self, outcome: Any) -> None:
        """For the writer."""
        if outcome is None:
            self._pieces, self._last, self._size, self._room = [], -1, 0, MOST
        told, self._told = self._told, None
        if told is not None:
            told.settle(outcome)

    def _keep_before(self, segment: Segment) -> None:
        # What failed is told once more, with what came behind it.
        while self._pieces and self._pieces[-1].last >= segment.first:
            self._size -= len(self._pieces.pop().data)


class Clearing:
    """Clears the daybook as it grows, a little at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = 0
        self._posted = 0
        self._written: Written[int] | None = None

    def count(self, posted: int) -> None:
        """Counts pieces that are posted."""
        self._posted += posted
        if self._posted >= SLICE and (self._written is None or self._written.done):
            self._posted -= SLICE
            if self._written is not None and not self._written.failed:
                self._after = self._written.result()
            self._written = self._database.submit(partial(clear, after=self._after))
