"""What a run comes to, for who has it in hand: its events as they come, and its final response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response

from service.runner.caller import Caller
from service.runner.fields import VARINT, tag
from service.runner.flow import Flow
from service.runner.kept import FROM_THE_START, Kept, not_found
from service.runner.run import Run
from service.runner.tail import tail
from service.store.responses import ResponseStore

# Numbers in names of ours: each look at a constant of a message's class costs as much as a call.
_BATCH_SETTINGS: Final = tag(EventBatch.SETTINGS_FIELD_NUMBER)
_SETTINGS: Final = tag(Response.SETTINGS_FIELD_NUMBER)

Told = Flow | bytes
"""Some of a response's events: what is yet to come of a run that is here, or a serialized batch."""


class Telling:
    """Tells it: from here, or from the disk where another core has the run by now."""

    def __init__(self, store: ResponseStore, kept: Kept) -> None:
        self._store = store
        self._kept = kept
        self._loop = asyncio.get_running_loop()

    async def follow(self, run: Run, *, after: int = FROM_THE_START) -> AsyncGenerator[Told, None]:
        """Serialized EventBatches of the events after number `after`, to the last one; the first has the settings."""
        flow = self.flow(run, after=after)
        with run.attend():
            yield flow
        async with aclosing(self.behind(run, flow, after=after)) as batches:
            async for message in batches:
                yield message

    def flow(self, run: Run, *, after: int = FROM_THE_START) -> Flow:
        """What `follow` begins with: all that is told here."""
        return Flow(run.log, after, _BATCH_SETTINGS + VARINT[len(run.settings)] + run.settings)

    async def behind(self, run: Run, flow: Flow, *, after: int = FROM_THE_START) -> AsyncGenerator[bytes, None]:
        """What `follow` ends with, when the flow has ended: nothing, where it was the whole; raises the refusal."""
        if run.refusal is not None:
            raise run.refusal
        if run.lost:
            prefix = b"" if flow.told else _BATCH_SETTINGS + VARINT[len(run.settings)] + run.settings
            seen = max([after, *(segment.last for segment in run.log.segments)])
            async with aclosing(tail(self._store, run.row.org_id, run.row.id, seen)) as batches:
                async for message in batches:
                    yield prefix + message
                    prefix = b""

    async def kept(self, response_id: str, caller: Caller, *, after: int) -> AsyncGenerator[Told, None]:
        """`follow` for a response of another core's, or of the past. Raises NodexaError `response_not_found`."""
        stored = await self._kept.stored(response_id, caller, with_result=False)
        if not caller.may_resume(stored.row.key_id):
            raise not_found(response_id)
        prefix = EventBatch(settings=stored.settings).SerializeToString()
        async with aclosing(tail(self._store, caller.org_id, response_id, after)) as batches:
            async for message in batches:
                yield prefix + message
                prefix = b""

    async def result(self, run: Run) -> bytes:
        """The final response, serialized.

        Raises the failure when it came before any output and a caller can act on it.
        """
        with run.attend():
            await run.log.ended(self._loop)
        if run.lost:
            return (await self._kept.concluded(run.row.org_id, run.row.id)).SerializeToString()
        if run.refusal is not None:
            raise run.refusal
        failure = run.failure
        if failure is not None and not run.response.output and failure.status != "UNKNOWN":
            failure.response_id = run.row.id
            raise failure
        return _told(run)

    def good_result(self, run: Run) -> bytes | None:
        """`result` of a run that is over; None where it is to be waited for, or raises."""
        return None if run.lost or run.refusal is not None or run.failure is not None else _told(run)


def _told(run: Run) -> bytes:
    written = run.result or run.response.SerializeToString()
    return written + _SETTINGS + VARINT[len(run.settings)] + run.settings
