"""What a model says, told in the log of its run: event by event, portion by portion, on disk before anyone sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Final

from service.model.chunk import Chunk, TextDelta, merged, portions
from service.model.model import Wait
from service.runner.attended import Attended
from service.runner.emit import Emitter
from service.runner.pen import Pen
from service.runner.rounds import Rounds
from service.runner.teller import Teller
from service.runner.turn import Turn
from service.store.records import Segment
from service.store.responses import ResponseStore

MOST_AT_ONCE: Final = 128
"""Events that become one batch, which every reader holds as a whole, however many a hasty model sends at once."""
HELD_BYTES: Final = 32 * 1024
"""So much of an answer goes to disk together with its end, where nobody reads it before that, or nothing is between."""


class Saying(Attended):
    """Tells what the model of `turn` says. `rounds` is there where the platform runs tools; see Run for the rest."""

    def __init__(
        self,
        *,
        response_id: str,
        turn: Turn,
        teller: Teller,
        store: ResponseStore | None,
        patience: float | None,
        rounds: Rounds | None,
    ) -> None:
        super().__init__(patience)
        self.response = teller.response
        self._turn = turn
        self._teller = teller
        self._rounds = rounds
        # Nothing is between what the model says and the pen, once it has begun.
        self._straight = rounds is None and turn.prompt.streaming
        self._made: Emitter | None = None
        self._response_id = response_id
        self._store = store

    @cached_property
    def _pen(self) -> Pen:
        # Made when there is something to write by itself: an answer that is one text is written whole.
        return Pen(self.log, self._store, self._response_id)

    @property
    def _emitter(self) -> Emitter:
        # Made for the first event that is told by it: an answer that is one text needs none.
        if self._made is None:
            self._made = self._teller.emitter()
        return self._made

    def _take(self, chunks: Sequence[Chunk]) -> Wait | None:
        """Tells what the model wrote; returns what to wait for before it may write more."""
        # As nearly all come that come in time.
        if len(chunks) == 1 and type(chunk := chunks[0]) is TextDelta:
            made = self._made
            if made is not None and (told := made.tell_alone(chunk)) is not None:
                if self._straight and self.log.segments and self._turn.reason is None:
                    return self._pen.write(told)
                return self._add(told)
        return self._tell_each(portions(merged(chunks), MOST_AT_ONCE))

    def _tell_each(self, rest: Iterator[Sequence[Chunk]]) -> Wait | None:
        for portion in rest:
            if (wait := self._tell(portion)) is not None:
                return partial(self._tell_on, wait, rest)
        return None

    async def _tell_on(self, wait: Wait, rest: Iterator[Sequence[Chunk]]) -> None:
        await wait()
        for portion in rest:
            if (more := self._tell(portion)) is not None:
                await more()

    def _tell(self, portion: Sequence[Chunk]) -> Wait | None:
        told = (self._made or self._emitter).tell(portion)
        return None if told is None else self._add(told)

    def _add(self, told: Segment) -> Wait | None:
        segment = self._pen.behind(told)
        if self._waits_for_end(segment):
            self._pen.hold(segment)
            return None
        wait = self._write(segment)
        # A tool runs when what led to it is on disk.
        return wait if self._rounds is None else partial(self._on_disk, wait)

    async def _on_disk(self, wait: Wait | None) -> None:
        if wait is not None:
            await wait()
        await self._pen.close()

    def _waits_for_end(self, segment: Segment) -> bool:
        """Whether it is written together with the end: nobody reads before that, or the model has said its last."""
        over = self._rounds is None and self._turn.reason is not None
        return (over or not self._turn.prompt.streaming) and len(segment.data) <= HELD_BYTES

    def _write(self, segment: Segment) -> Wait | None:
        return self._pen.write(segment)
