"""Runs whose core is gone: taken under a new epoch, which fences the old owner off, and brought to a truthful end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.ids import NewId
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.runner.lifecycle import word
from service.runner.log import events_of, segment_of
from service.settings import Clock
from service.store.ownership import Orphan, Ownership
from service.store.responses import LostRunError, ResponseStore

INTERRUPTED: Final = "The response was interrupted: the server stopped while it was being made."
BEATS: Final = 3
"""Heartbeats in one lease: two may be late before anyone thinks that the core is gone."""

log = logging.getLogger(__name__)


class Takeover:
    """Keeps this core's own lease, and takes what others lost. `lease` is in seconds."""

    def __init__(
        self, *, ownership: Ownership, store: ResponseStore, clock: Clock, new_id: NewId, lease: float
    ) -> None:
        self._ownership = ownership
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._lease = lease

    async def enter(self, *, alone: bool) -> None:
        """Joins the cores of this database; one that is `alone` takes at once what was left behind."""
        await self._ownership.enter(self._clock(), alone=alone)
        await self.sweep()

    async def leave(self) -> None:
        """Lets the others have what this core couldn't end."""
        await self._ownership.leave()

    async def run(self, cancel: Callable[[Sequence[str]], None]) -> None:
        """Beats and sweeps until it is cancelled; `cancel` gets the runs that somebody asked another core to cancel."""
        while True:
            try:
                cancel(await self._ownership.beat(self._clock()))
                await self.sweep()
            except NodexaError as error:
                log.error("this core can't say that it is here: %s", error.message)
            await asyncio.sleep(self._lease / BEATS)

    async def sweep(self) -> int:
        """Takes and ends every run whose core has not been heard of for the lease; how many that were."""
        settled = 0
        for orphan in await self._ownership.orphans(self._clock() - int(self._lease * 1000)):
            epoch = await self._ownership.take(orphan)
            if epoch is not None and await self._settle(orphan, self._store.under(epoch)):
                settled += 1
        return settled

    async def _settle(self, orphan: Orphan, store: ResponseStore) -> bool:
        segments = await store.segments(orphan.org_id, orphan.response_id, after=-1)
        response = fold(events_of(segments))
        emitter = Emitter(response, new_id=self._new_id, next_sequence=segments[-1].last + 1)
        batch = emitter.finish(
            Response.STATUS_FAILED, now=self._clock(), error=NodexaError("server_error", INTERRUPTED)
        )
        try:
            await store.finish(
                orphan.response_id,
                segment_of(batch),
                status=word(response.status),
                result=response.SerializeToString(),
                finished_at=response.complete_time.ToMilliseconds(),
                item_ids=[item.id for item in response.output],
            )
        except LostRunError:
            return False
        log.warning("%s was interrupted and is failed now", orphan.response_id)
        return True
