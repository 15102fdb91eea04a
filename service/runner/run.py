"""One response while it is being made: the only writer of its log, alive as long as somebody wants it."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, TypedDict

from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.model.chunk import Chunk, FinishReason, TextDelta, merged, portions
from service.model.model import Wait, hand_on
from service.runner.attended import FIRST_READER_SECONDS, Attended
from service.runner.compaction import Shortening
from service.runner.conversations import Joined
from service.runner.emit import Emitter
from service.runner.lifecycle import word
from service.runner.log import segment_of
from service.runner.pen import Pen
from service.runner.rounds import Rounds
from service.runner.teller import Teller
from service.runner.truncation import write_fitted
from service.runner.turn import Turn
from service.settings import Clock
from service.store.records import LostRunError, ResponseRow, Segment
from service.store.requests import Named
from service.store.responses import ResponseStore
from service.store.written import Written

MOST_AT_ONCE: Final = 128
"""Events that become one batch, which every reader holds as a whole, however many a hasty model sends at once."""
RETRY_SECONDS: Final = 0.5
"""How long the end of a response waits before it tries the disk again."""
HELD_BYTES: Final = 32 * 1024
"""So much of an answer goes to disk together with its end, where nobody reads it before that, or nothing is between."""

log = logging.getLogger(__name__)


class RefusedError(RuntimeError):
    """The store took nothing of a run, which stops without an end: its `refusal` says why."""


class Ended(TypedDict):
    """What is written of the end besides the log."""

    status: str
    result: bytes
    finished_at: int
    item_ids: Sequence[str]


class Stop(enum.Enum):
    """Why a run is stopped from outside."""

    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Run(Attended):
    """Drives a turn into the log.

    `teller` has the response as it stands, without settings; it is final once the log is closed. `store` is None for a
    response that keeps nothing; `patience` is how many seconds the run goes on without a reader, None for ever.
    `joined` is the conversation that it adds to, if any; `shortening` is what comes before the answer,
    and `rounds` is there where the platform runs tools for it. `result` is the final response as the store got it;
    `refusal` is why there is none after all: the disk took nothing of it. `begun` says that it is on its way, and will
    come to an end by itself.
    """

    def __init__(
        self,
        *,
        row: ResponseRow,
        settings: bytes,
        turn: Turn,
        teller: Teller,
        store: ResponseStore | None,
        clock: Clock,
        patience: float | None,
        joined: Joined | None = None,
        shortening: Shortening | None = None,
        rounds: Rounds | None = None,
    ) -> None:
        super().__init__(patience)
        self.row = row
        self.settings = settings
        self.failure: NodexaError | None = None
        self.refusal: NodexaError | None = None
        self.result = b""
        self.lost = False
        self.response = teller.response
        self._turn = turn
        self._teller = teller
        self._made: Emitter | None = None
        self._store = store
        self._clock = clock
        self._joined = joined
        self._shortening = shortening
        self._rounds = rounds
        # Nothing is between what the model says and the pen, once it has begun.
        self._straight = rounds is None and turn.prompt.streaming
        self.begun = False
        self._task: asyncio.Task[None] | None = None
        self._stop: Stop | None = None
        self._at_work = False
        self._ending = False
        self._hurried = False
        self._revived = False
        self._pen = Pen(self.log, store, row.id)

    @property
    def stored(self) -> bool:
        """Whether it can be found by its id."""
        return self._store is not None

    @property
    def kept(self) -> bool:
        """Whether the final response is on disk."""
        return self.stored and self.log.complete

    @property
    def hidden(self) -> bool:
        """Whether it's as if it had not begun: nothing of it is on disk."""
        return False

    @property
    def epoch(self) -> int:
        """Under which it writes its log."""
        return self._store.epoch if self._store else 0

    @property
    def _emitter(self) -> Emitter:
        # Made for the first event that is told by it: an answer that is one text needs none.
        if self._made is None:
            self._made = self._teller.emitter()
        return self._made

    async def begin(self, input_items: bytes, named: Named | None = None) -> None:
        """Writes the response and its first events, then lets the model start. Raises what the store raises.

        A cancellation comes through after that: what is on disk has a run that brings it to its end.
        """
        segment = segment_of(self._emitter.begin())
        seen = self._joined.seen if self._joined else None
        written = (
            self._store.create(self.row, self.settings, input_items, segment, conversation=seen, named=named)
            if self._store
            else None
        )
        try:
            await self.log.append(segment, written)
        finally:
            if self.log.segments:
                self._go()

    def begin_at_once(self, input_items: bytes) -> bool:
        """As `begin`, where nothing has to be written before the model is asked; whether that is so."""
        return False

    def revive(self, segments: Sequence[Segment]) -> None:
        """Goes on with the log that another core began: the emitter knows what stands in it."""
        self.log.segments.extend(segments)
        self._revived = True
        self._go()

    def _go(self) -> None:
        self._start()
        self._mind_readers(at_least=FIRST_READER_SECONDS)

    def _start(self) -> None:
        self.begun = True
        # As create_task does it, which asks for the loop.
        self._task = asyncio.Task(self._drive(), loop=self._loop, name=self.row.id)

    def stop(self, why: Stop) -> None:
        """Ends the run soon; one that is ending anyway is only kept from waiting for the disk when it's interrupted."""
        self._hurried = why is Stop.INTERRUPTED
        if self._stop is None and not self._ending:
            self._stop = why
            # A task that is cancelled before its first step would end without a word.
            if self._task is not None and self._at_work:
                self._task.cancel()

    async def wait(self) -> None:
        """Returns when the response is final and its log complete."""
        await self.log.wait_closed()

    def _leave(self) -> None:
        self.stop(Stop.CANCELLED)

    async def _drive(self) -> None:
        self._at_work = True
        try:
            last = await self._work() if self._stop is None else self._stopped(self._stop)
        except asyncio.CancelledError:
            if self._stop is None:
                raise
            conclude = partial(self._stopped, self._stop)
        except NodexaError as error:
            conclude = partial(self._failed, error)
        except LostRunError:
            self._lose()
            return
        except RefusedError:
            return
        except Exception:
            log.exception("%s failed by a bug", self.row.id)
            bug = NodexaError("internal_error", "The platform failed; the operator's log says how.")
            conclude = partial(self._failed, bug)
        else:
            await self._end(last)
            return
        if await self._settled_for_end():
            await self._end(conclude())

    async def _work(self) -> Segment:
        """Lets the model write; the end of the log."""
        if self._revived:
            taken_up = self._emitter.take_up(self._rounds.adopted if self._rounds else {})
            if taken_up.events and (wait := self._write(segment_of(taken_up))) is not None:
                await wait()
        if self._shortening is not None:
            await hand_on(self._shortening.chunks(self._turn), self._take)
        if self._shortening is None or not self._shortening.only:
            await (hand_on(self._rounds.chunks(), self._take) if self._rounds else write_fitted(self._turn, self._take))
        await self._pen.close()
        return self._conclude()

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

    async def _settled_for_end(self) -> bool:
        """Waits for what is on its way, which the end comes behind; whether there is to be an end."""
        self._ending = True
        try:
            await self._pen.close()
        except NodexaError as error:
            log.error("%s can't be written: %s", self.row.id, error.message)
        except LostRunError:
            self._lose()
            return False
        return True

    def _conclude(self) -> Segment:
        rounds = self._rounds
        if rounds and rounds.cut:
            return self._finish(Response.STATUS_INCOMPLETE, reason=rounds.cut)
        if self._turn.reason is FinishReason.LENGTH:
            return self._finish(Response.STATUS_INCOMPLETE, reason="max_output_tokens")
        if self._turn.reason is FinishReason.CONTENT_FILTER:
            return self._finish(Response.STATUS_INCOMPLETE, reason="content_filter")
        waits = rounds.waits if rounds else self._turn.calls
        return self._finish(Response.STATUS_REQUIRES_ACTION if waits else Response.STATUS_COMPLETED)

    def _stopped(self, why: Stop) -> Segment:
        if why is Stop.CANCELLED:
            return self._finish(Response.STATUS_CANCELLED)
        return self._failed(NodexaError("server_error", "The response was interrupted: the server was stopped."))

    def _failed(self, error: NodexaError) -> Segment:
        self.failure = error.bare()
        return self._finish(Response.STATUS_FAILED, error=error)

    def _finish(
        self, status: Response.Status.ValueType, *, reason: str = "", error: NodexaError | None = None
    ) -> Segment:
        self._ending = True
        self.response.truncated_items = self._turn.left_out
        last = self._emitter.finish(status, now=self._clock(), usage=self._turn.usage, reason=reason, error=error)
        return self._pen.behind(segment_of(last))

    async def _end(self, segment: Segment) -> None:
        """Writes the end, however long the disk takes: readers wait for it, since a stream may not end without one."""
        while True:
            try:
                await self.log.append(
                    segment, self._write_end(self._store, segment) if self._store else None, last=True
                )
                break
            except NodexaError as error:
                log.error("%s can't be ended yet: %s", self.row.id, error.message)
                if self._hurried:
                    # The next start finds it unfinished, and ends it.
                    self.log.abandon()
                    break
                await asyncio.sleep(RETRY_SECONDS)
            except LostRunError:
                self._lose()
                break
            except Exception:
                log.exception("%s can't be ended here by a bug", self.row.id)
                self.log.abandon()
                break
        self._mind_readers()

    def _lose(self) -> None:
        log.warning("%s is another core's now: this one was not heard of for too long", self.row.id)
        self.lost = True
        self.log.abandon()

    def _write_end(self, store: ResponseStore, segment: Segment) -> Written[None]:
        said = self._joined.said(self.response) if self._joined else None
        return store.finish(self.row.id, segment, **self._ended(), said=said, unposted=self._pen.unposted)

    def _ended(self) -> Ended:
        self.result = self.result or self.response.SerializeToString()
        return {
            "status": word(self.response.status),
            "result": self.result,
            "finished_at": self.response.complete_time.ToMilliseconds(),
            "item_ids": [item.id for item in self.response.output],
        }
