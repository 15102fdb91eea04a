"""Runs whose core is gone: taken under a new epoch, which fences the old owner off, and brought to a truthful end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.ids import NewId
from service.runner.emit import Emitter
from service.runner.ending import Stop
from service.runner.fold import fold
from service.runner.lifecycle import word
from service.runner.log import events_of, segment_of
from service.runner.step_log import unknown
from service.settings import Clock
from service.store.ownership import Orphan, Ownership
from service.store.records import LostRunError, Segment
from service.store.responses import ResponseStore
from service.store.steps import Step, StepStore

INTERRUPTED: Final = "The response was interrupted: the server stopped while it was being made."
UNKNOWN: Final = (
    "The server stopped while the tool {tool!r} was called. Whether that was done is not known, and it must not be "
    "done twice: find out before you ask again."
)
MOST_LIVES: Final = 3
"""A run that begins anew and again takes its core with it may be what kills it."""
BEATS: Final = 3
"""Heartbeats in one lease: two may be late before anyone thinks that the core is gone."""
AT_ONCE: Final = 16
"""Runs that are brought to their end side by side: what waits for the disk together is written together."""

Revive = Callable[[Orphan, int, Response, Sequence[Segment]], Awaitable[None]]
"""The run, its epoch, its response so far and its log."""

log = logging.getLogger(__name__)


class Runs(Protocol):
    """The runs of this core, by the ids of their responses; `epochs` says the epoch of each."""

    def epochs(self) -> Mapping[str, int]: ...

    def stop(self, response_ids: Sequence[str], why: Stop) -> None: ...


class Takeover:
    """Keeps this core's own lease, and takes what others lost.

    `revive` lets a run begin anew, and raises NodexaError where that can't be. `lease` is in seconds.
    """

    def __init__(
        self,
        *,
        ownership: Ownership,
        store: ResponseStore,
        steps: StepStore,
        revive: Revive,
        clock: Clock,
        new_id: NewId,
        lease: float,
    ) -> None:
        self._ownership = ownership
        self._store = store
        self._steps = steps
        self._revive = revive
        self._clock = clock
        self._new_id = new_id
        self._lease = lease
        self._retired = False
        self._heard = 0

    async def enter(self, *, alone: bool) -> None:
        """Joins the cores of this database; one that is `alone` takes at once what was left behind."""
        await self._ownership.enter(self._clock(), alone=alone)
        await self.sweep()

    async def leave(self) -> None:
        """Lets the others have what this core couldn't end."""
        await self._ownership.leave()

    async def run(self, runs: Runs) -> None:
        """Beats and sweeps until it is cancelled; tells `runs` which of them to cancel, and which are lost."""
        self._heard = self._clock()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._repeat(lambda: self._beat(runs)))
            # By itself: many orphans take longer than a lease, and the heart must not stop for them.
            both.create_task(self._repeat(self.sweep))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except NodexaError as error:
                log.error("the cores can't be kept apart now, it is tried again: %s", error.message)
            except Exception:
                log.exception("the cores can't be kept apart now by a bug, it is tried again")
            await asyncio.sleep(self._lease / BEATS)

    async def _beat(self, runs: Runs) -> None:
        now = self._clock()
        runs.stop(await self._ownership.beat(now), Stop.CANCELLED)
        # One that was frozen may hold runs that say nothing for long, and would not notice by themselves.
        if self._clock() - self._heard >= self._lease * 1000:
            runs.stop(await self._ownership.lost(runs.epochs()), Stop.INTERRUPTED)
        self._heard = now

    def retire(self) -> None:
        """Takes nothing more: this core is being stopped."""
        self._retired = True

    async def sweep(self) -> None:
        """Takes every run whose core has not been heard of for the lease.

        One in the background that has not said anything begins anew, and one that had tools run goes on behind the last
        call; all others end as failed, with their output.
        """
        if self._retired:
            return
        heard_before = self._clock() - int(self._lease * 1000)
        orphans = iter(await self._ownership.orphans(heard_before))
        await asyncio.gather(*(self._take_each(orphans, heard_before) for _ in range(AT_ONCE)))

    async def _take_each(self, orphans: Iterator[Orphan], heard_before: int) -> None:
        """Takes what is left of them; others may take from the same ones."""
        for orphan in orphans:
            epoch = await self._ownership.take(orphan, heard_before)
            if epoch is not None:
                await self._settle(orphan, epoch)

    async def _settle(self, orphan: Orphan, epoch: int) -> None:
        store = self._store.under(epoch)
        segments = await store.segments(orphan.org_id, orphan.response_id, after=-1)
        response = fold(events_of(segments))
        steps = await self._steps.of(orphan.response_id)
        error = NodexaError("server_error", INTERRUPTED)
        if left := unknown(steps):
            error = NodexaError("tool_outcome_unknown", UNKNOWN.format(tool=left.run.name))
        elif orphan.background and _can_go_on(response, steps) and epoch <= MOST_LIVES:
            try:
                await self._revive(orphan, epoch, response, segments)
            except NodexaError as refusal:
                error = refusal
            else:
                log.warning("%s goes on here: its core was lost", orphan.response_id)
                return
        emitter = Emitter(response, new_id=self._new_id, next_sequence=segments[-1].last + 1)
        batch = emitter.finish(Response.STATUS_FAILED, now=self._clock(), error=error)
        with contextlib.suppress(LostRunError):
            await store.finish(
                orphan.response_id,
                segment_of(batch),
                status=word(response.status),
                result=response.SerializeToString(),
                finished_at=response.complete_time.ToMilliseconds(),
                item_ids=[item.id for item in response.output],
            )
            log.warning("%s was interrupted and is failed now", orphan.response_id)


def _can_go_on(response: Response, steps: Sequence[Step]) -> bool:
    """Whether there is a place from where it can go on: before it said anything, or behind a call of a tool."""
    return not response.output or bool(steps) or any(_is_of_tools(item) for item in response.output)


def _is_of_tools(item: Item) -> bool:
    return item.HasField("run") or item.opaque.type == "mcp_list_tools"
