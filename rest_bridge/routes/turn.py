"""One response on a WebSocket: from a stream of the core to messages, with everything that may happen in between."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CreateResponseRequest, WatchResponseRequest

from rest_bridge.errors import RequestError, internal
from rest_bridge.follow import OUTLIVED, TERMINAL, EventCall, Follower, Position
from rest_bridge.presence import ClientLeft, Presence
from rest_bridge.routes.call import Call
from rest_bridge.routes.streaming import stopped
from rest_bridge.websocket import Socket
from rest_bridge.wire.dialect import dialect_of, hides_requires_action
from rest_bridge.wire.event import StreamRenderer, bare, messages

log = logging.getLogger(__name__)


async def take_turn(
    call: Call, socket: Socket, request: CreateResponseRequest | WatchResponseRequest
) -> Response | None:
    """Passes a response's events on to the client, to their end; returns the response as it ended.

    None where that was not seen, which the client was told. Raises RequestError while nothing was sent yet, and
    ClientLeft.
    """
    turn = _Turn(call, socket, request)
    call.bridge.streams.add(turn)
    try:
        return await turn.run()
    finally:
        call.bridge.streams.discard(turn)


class _Turn:
    def __init__(self, call: Call, socket: Socket, request: CreateResponseRequest | WatchResponseRequest) -> None:
        self._call = call
        self._socket = socket
        self._request = request
        self._position = _start(request)
        self._final: Response | None = None
        self._told = False
        self._renderer = StreamRenderer(functools.partial(hides_requires_action, call.headers), bare)
        self._presence = Presence(socket.departure)

    async def run(self) -> Response | None:
        try:
            async with aclosing(self._events()) as events, self._presence:
                await self._pass_on(events)
        except RequestError as refusal:
            if not self._told:
                raise
            await self._break_off(refusal)
        except asyncio.CancelledError:
            # The process ends; this is the last chance to say so.
            await self._break_off(RequestError("server_draining", "The server was stopped."))
        return self._final

    def interrupt(self) -> None:
        self._presence.end(stopped(self._position))

    async def _events(self) -> AsyncGenerator[list[bytes], None]:
        core, metadata = self._call.bridge.core, self._call.metadata()
        follower = Follower(core, metadata=metadata, patience_seconds=self._call.bridge.settings.patience_seconds)
        opened: EventCall
        if isinstance(self._request, WatchResponseRequest):
            opened = core.responses.WatchResponse(self._request, metadata=metadata)
        else:
            opened = core.responses.StreamResponse(self._request, metadata=metadata)
        async with aclosing(follower.follow(opened, self._position)) as batches:
            async for batch in batches:
                if not self._told:
                    self._told = True
                    self._renderer.dialect = dialect_of(self._call.headers, await opened.initial_metadata())
                yield messages(self._renderer.render(batch))
                for event in batch.events[-1:]:
                    kind = event.WhichOneof("kind")
                    self._final = getattr(event, kind).response if kind in TERMINAL else None

    async def _pass_on(self, events: AsyncGenerator[list[bytes], None]) -> None:
        try:
            async for messages in events:
                for message in messages:
                    await self._socket.write(message)
                # A client that is gone could not be noticed by a loop that never waits.
                await asyncio.sleep(0)
        except (RequestError, ClientLeft):
            raise
        except Exception:
            log.exception("a stream failed by a bug", extra={"request_id": self._call.request_id})
            raise internal(self._call.request_id) from None

    async def _break_off(self, refusal: RequestError) -> None:
        # A core that is gone for good takes the response along.
        over = refusal.code not in OUTLIVED
        for message in messages(self._renderer.interrupted(refusal.code, refusal.message, over=over)):
            await self._socket.write(message)


def _start(request: CreateResponseRequest | WatchResponseRequest) -> Position:
    if isinstance(request, CreateResponseRequest):
        return Position()
    return Position(request.id, request.starting_after if request.HasField("starting_after") else None)
