"""One response's events, followed through the loss and return of the core."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

import grpc
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_service_pb2 import WatchResponseRequest

from rest_bridge.core import Core, is_lost, refused
from rest_bridge.errors import RequestError
from rest_bridge.headers import Metadata
from rest_bridge.hop_call import HopCall
from rest_bridge.wire.runs import last_number

EventCall = grpc.aio.UnaryStreamCall[Any, EventBatch] | HopCall[EventBatch]
Show = Callable[[bytes], bool]
"""Takes a serialized batch, and says whether it could pass it on there and then."""

TERMINAL: Final = frozenset({"completed", "incomplete", "failed"})
OUTLIVED: Final = frozenset({"server_draining", "invalid_api_key"})
"""Errors that end a stream and say nothing about its response, which goes on for a while."""
PAUSE_SECONDS: Final = 0.25
"""Between two tries to attach again."""


@dataclasses.dataclass(slots=True)
class Position:
    """How far a client has been told a response. `response_id` is empty until its first event says it."""

    response_id: str = ""
    number: int | None = None
    final: bool = False

    def advance(self, batch: EventBatch) -> None:
        """Counts a batch, which is not empty, as passed on."""
        events = batch.events
        last = events[-1]
        kind = last.WhichOneof("kind")
        self.number = last_number(last) if kind == "output_text_deltas" else last.sequence_number
        self.final = kind in TERMINAL
        if not self.response_id:
            self.response_id = events[0].created.response.id


class Follower:
    """Follows one response for one caller.

    When the core is lost, it waits for it up to `patience_seconds`, then attaches again behind the last event that was
    passed on, so that the client sees the log without a gap and without a seam.
    """

    def __init__(
        self,
        core: Core,
        *,
        metadata: Metadata,
        patience_seconds: float,
    ) -> None:
        self._core = core
        self._metadata = metadata
        self._patience = patience_seconds
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0

    async def follow(
        self, call: EventCall, position: Position, *, repeatable: bool = True, show: Show | None = None
    ) -> AsyncGenerator[EventBatch, None]:
        """Yields the batches of `call`, and of the calls that take up where it broke off.

        Raises RequestError when the core refuses, or stays away too long. `repeatable` False says that `call` may have
        started something even when nothing comes back. No call outlives the generator.

        Where nothing of it waits, a serialized batch goes to `show`, which has counted what it could pass on: that
        takes no turn of the task that reads the rest.
        """
        # A caller who asks for what comes after the end gets nothing, and that is all there is.
        over, begun = bool(position.response_id), position.number
        lost_at: int | None = -1
        try:
            while True:
                _offer(call, show)
                try:
                    async for batch in call:
                        if batch.events:
                            position.advance(batch)
                        yield batch
                    if position.final or (over and position.number == begun):
                        return
                except grpc.aio.AioRpcError as error:
                    if position.number == begun:
                        raise refused(error, repeatable=repeatable) from None
                    if position.final:
                        return
                    if not is_lost(error):
                        raise _final(refused(error), position) from None
                if lost_at != position.number:
                    lost_at, self._deadline = position.number, self._loop.time() + self._patience
                over = False
                call = await self._attach(position)
        finally:
            call.cancel()

    async def _attach(self, position: Position) -> EventCall:
        if self._loop.time() + PAUSE_SECONDS >= self._deadline or not position.response_id:
            raise _gone(position)
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._core.ready()
        except TimeoutError:
            raise _gone(position) from None
        request = WatchResponseRequest(id=position.response_id, starting_after=position.number)
        return self._core.responses.WatchResponse(request, metadata=self._metadata)


def _offer(call: EventCall, show: Show | None) -> None:
    # gRPC's own calls know nothing of the kind.
    if show is not None and isinstance(call, HopCall):
        call.offer(show)


def _final(refusal: RequestError, position: Position) -> RequestError:
    # A response that keeps nothing is gone with its core; the truth is that it was interrupted.
    return _gone(position) if refusal.code == "response_not_found" else refusal


def _gone(position: Position) -> RequestError:
    return RequestError(
        "server_error",
        "The response was interrupted: the connection to the core was lost. If it was stored, this says what became "
        f"of it: GET /v1/responses/{position.response_id or '{id}'}",
        repeatable=False,
    )
