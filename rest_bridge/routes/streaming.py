"""From a stream of the core to a stream of the client, with everything that may happen in between."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from nodexa.v1.event_pb2 import EventBatch

from rest_bridge.core import rates
from rest_bridge.errors import RequestError
from rest_bridge.follow import OUTLIVED, EventCall, Follower, Position
from rest_bridge.hop_call import HopCall
from rest_bridge.routes.call import Call
from rest_bridge.sse import EventStream
from rest_bridge.wire.dialect import dialect_of, hides_requires_action
from rest_bridge.wire.event import StreamRenderer


async def play(call: Call, opened: EventCall, position: Position, *, repeatable: bool = True) -> None:
    """Passes a response's events on to the client, to their end. Raises RequestError while nothing was sent yet."""
    passage = _Passage(call, opened, position, repeatable=repeatable)
    call.bridge.streams.add(passage)
    try:
        await passage.run()
    finally:
        call.bridge.streams.discard(passage)


def stopped(position: Position) -> RequestError:
    """What a client is told whose stream is cut at `position` because the bridge stops."""
    where = "GET /v1/responses/{id}?stream=true"
    if position.response_id and position.number is not None:
        where = f"GET /v1/responses/{position.response_id}?stream=true&starting_after={position.number}"
    message = f"The server is being stopped, and this stream with it. The response goes on for a while: {where}"
    return RequestError("server_draining", message)


class _Passage:
    def __init__(self, call: Call, opened: EventCall, position: Position, *, repeatable: bool) -> None:
        settings = call.bridge.settings
        self._headers = call.headers
        self._opened = opened
        self._position = position
        self._repeatable = repeatable
        self._begun = False
        self._renderer = StreamRenderer(functools.partial(hides_requires_action, call.headers))
        self._follower = Follower(
            call.bridge.core,
            metadata=call.metadata(),
            patience_seconds=settings.patience_seconds,
        )
        self._stream = EventStream(
            call.departure,
            call.send,
            call.reply,
            request_id=call.request_id,
            opening_seconds=settings.opening_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
        )

    async def run(self) -> None:
        await self._stream.play(self._frames(), over=self._over, interrupted=self._interrupted)

    def interrupt(self) -> None:
        self._stream.end(stopped(self._position))

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        followed = self._follower.follow(self._opened, self._position, repeatable=self._repeatable, show=self._show)
        async with aclosing(followed) as batches:
            async for batch in batches:
                if not self._begun:
                    self._begin(await self._opened.initial_metadata())
                yield self._renderer.render(batch)

    def _begin(self, told: Iterable[tuple[str, str | bytes]] | None) -> None:
        self._begun = True
        self._renderer.dialect = dialect_of(self._headers, told or ())
        self._stream.headers = rates(told)

    def _show(self, data: bytes) -> bool:
        if not self._stream.takes():
            return False
        if (frame := self._renderer.delta(data)) is not None:
            self._stream.write(frame)
            self._position.number = self._renderer.number
            return True
        batch = EventBatch.FromString(data)
        if not batch.events:
            return False
        if not self._begun and isinstance(self._opened, HopCall):
            self._begin(self._opened.head())
        frames = self._renderer.render(batch)
        self._position.advance(batch)
        self._stream.write(frames, over=self._position.final)
        return True

    def _over(self) -> bool:
        return self._position.final

    def _interrupted(self, refusal: RequestError) -> bytes:
        # A core that is gone for good takes the response along.
        over = refusal.code not in OUTLIVED
        return self._renderer.interrupted(refusal.code, refusal.message, over=over)
