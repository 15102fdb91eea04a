"""One response while it is being made: the only writer of its log, alive as long as somebody wants it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.model.model import hand_on
from service.runner.attended import FIRST_READER_SECONDS
from service.runner.compaction import Shortening
from service.runner.conversations import Joined
from service.runner.ending import Ended, RefusedError, Status, Stop, ended, outcome
from service.runner.log import segment_of
from service.runner.rounds import Rounds
from service.runner.saying import Saying
from service.runner.teller import Teller
from service.runner.truncation import write_fitted
from service.runner.turn import Turn
from service.settings import Clock
from service.store.records import LostRunError, ResponseRow, Segment
from service.store.requests import Named
from service.store.responses import ResponseStore
from service.store.written import Written

RETRY_SECONDS: Final = 0.5
"""How long the end of a response waits before it tries the disk again."""

log = logging.getLogger(__name__)


class Run(Saying):
    """Drives a turn into the log.

    `teller` has the response as it stands, without settings; it is final once the log is closed. `store` is None for a
    response that keeps nothing; `patience` is how many seconds the run goes on without a reader, None for ever.
    `joined` is the conversation that it adds to, if any; `shortening` is what comes before the answer, and `rounds` is
    there where the platform runs tools for it. `result` is the final response as the store got it; `refusal` is why
    there is none: the disk took nothing of it. `begun`: it is on its way, and comes to an end by itself.
    """

    failure: NodexaError | None = None
    refusal: NodexaError | None = None
    result = b""
    lost = False
    begun = False
    _task: asyncio.Task[None] | None = None
    _stop: Stop | None = None
    _at_work = False
    _ending = False
    _hurried = False
    _revived = False

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
        super().__init__(response_id=row.id, turn=turn, teller=teller, store=store, patience=patience, rounds=rounds)
        self.row = row
        self.settings = settings
        self._clock = clock
        self._joined = joined
        self._shortening = shortening

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

    async def begin(self, input_items: bytes, named: Named | None = None) -> None:
        """Writes the response and its first events, then lets the model start. Raises what the store raises.

        A cancellation comes through after that: what is on disk has a run that brings it to its end.
        """
        segment = segment_of(self._emitter.begin())
        seen = self._joined.seen if self._joined else None
        written = None
        if self._store is not None:
            written = self._store.create(self.row, self.settings, input_items, segment, conversation=seen, named=named)
        try:
            await self.log.append(segment, written)
        finally:
            if self.log.segments:
                self._pen.unposted.begin()
                self._go()

    def begin_at_once(self, input_items: bytes) -> bool:
        """As `begin`, where nothing has to be written before the model is asked; whether that is so."""
        return False

    def begin_late(self) -> None:
        """Writes the beginning, where that waits still for what comes next: it has waited for long enough."""

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
        return self._finish(*outcome(self._turn, self._rounds))

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

    def _stopped(self, why: Stop) -> Segment:
        if why is Stop.CANCELLED:
            return self._finish(Response.STATUS_CANCELLED)
        return self._failed(NodexaError("server_error", "The response was interrupted: the server was stopped."))

    def _failed(self, error: NodexaError) -> Segment:
        self.failure = error.bare()
        return self._finish(Response.STATUS_FAILED, error=error)

    def _finish(self, status: Status, reason: str = "", *, error: NodexaError | None = None) -> Segment:
        self._ending = True
        self.response.truncated_items = self._turn.left_out
        last = self._emitter.finish(status, now=self._clock(), usage=self._turn.usage, reason=reason, error=error)
        return self._pen.behind(segment_of(last))

    async def _end(self, segment: Segment) -> None:
        """Writes the end, however long the disk takes: readers wait for it, since a stream may not end without one."""
        while True:
            try:
                written = self._write_end(self._store, segment) if self._store else None
                await self.log.append(segment, written, last=True)
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
        return ended(self.response, self.result)
