"""What a run has in the daybook alone, and the clearing of what was posted since."""

from __future__ import annotations

from functools import partial
from typing import Final

from service.store.database import Database
from service.store.daybook import SLICE, clear
from service.store.records import Segment
from service.store.written import Written

MOST: Final = 16 * 1024
"""Bytes of one run, all of which are written once more when they are posted."""


class Unposted:
    """What one run has in the daybook alone. Its writer asks for one write after the other."""

    __slots__ = ("_begun", "_pieces", "_posting", "_size")

    def __init__(self) -> None:
        self._begun = False
        self._pieces: list[Segment] = []
        self._size = 0
        self._posting: Written[None] | None = None

    def enter(self, segment: Segment) -> bool:
        """Whether the daybook is the place for it: the run wrote to its log before, and there is not too much yet.

        Where it is, it's noted as written there.
        """
        if self._posting is not None:
            self._look()
        size = self._size + len(segment.data)
        if not self._begun or size > MOST:
            return False
        pieces = self._pieces
        if pieces and pieces[-1].last >= segment.first:
            self._keep_before(segment)
            size = self._size + len(segment.data)
        pieces.append(segment)
        self._size = size
        return True

    def behind(self, segment: Segment) -> Segment:
        """The segment behind all that isn't posted, which is posted with it."""
        self._look()
        self._keep_before(segment)
        if not self._pieces:
            return segment
        data = b"".join([*(piece.data for piece in self._pieces), segment.data])
        return Segment(self._pieces[0].first, segment.last, data)

    def post(self, written: Written[None]) -> None:
        """Notes the write that posts all there is."""
        self._posting = written

    def _look(self) -> None:
        if self._posting is not None and not self._posting.failed:
            self._begun, self._pieces, self._size = True, [], 0
        self._posting = None

    def _keep_before(self, segment: Segment) -> None:
        # What failed is told once more, with what came behind it.
        while self._pieces and self._pieces[-1].last >= segment.first:
            self._size -= len(self._pieces.pop().data)


class Clearing:
    """Has the daybook cleared as it grows, a little at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entered = 0
        self._after = 0
        self._written: Written[int] | None = None

    def count(self) -> None:
        """Counts a piece that is entered."""
        self._entered += 1
        if self._entered % SLICE == 0 and (self._written is None or self._written.done):
            if self._written is not None and not self._written.failed:
                self._after = self._written.result()
            self._written = self._database.submit(partial(clear, after=self._after))
