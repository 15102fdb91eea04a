"""The SSE side of a stream, in raw ASGI: whole frames, a comment after every silence, `[DONE]`, never a silent cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any, Final

from rest_bridge.errors import RequestError, internal
from rest_bridge.presence import Departure, Presence
from rest_bridge.reply import Reply

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    # nginx and its kin would gather events otherwise.
    (b"x-accel-buffering", b"no"),
)
_FIELDS: Final = b"".join([b"%b: %b\r\n" % field for field in HEADERS])
HEARTBEAT: Final = b": heartbeat\n\n"
DONE: Final = b"data: [DONE]\n\n"
TURN_BYTES: Final = 4 * 1024
"""So much is sent of what is there already before others have their turn."""

log = logging.getLogger(__name__)


class EventStream:
    """One answer of events to one client.

    Its head, with these `headers` besides, waits for the first frame, so that a failure before has an HTTP status, but
    at most `opening_seconds`.
    """

    def __init__(
        self,
        departure: Departure,
        send: Send,
        reply: Reply | None,
        *,
        request_id: str,
        opening_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self._send = send
        self._reply = reply
        self._request_id = request_id
        self._interval = heartbeat_seconds
        self._started = False
        self._finished = False
        self._loop = asyncio.get_running_loop()
        self._last_sent = self._loop.time()
        due = self._last_sent + min(opening_seconds, heartbeat_seconds)
        self._presence = Presence(departure, beat=self._beat, due=due)

    def takes(self) -> bool:
        """Whether `write` could be called now."""
        if self._reply is None:
            return False
        return self._reply.takes() if self._started else self._reply.begins()

    def write(self, frames: bytes, *, over: bool = False) -> None:
        """Sends them at once, where `takes` says so, and the head with the first.

        `over` says that these are the last, so that `[DONE]` follows.
        """
        if self._reply is None or not frames:
            return
        self._last_sent = self._loop.time()
        if not self._started:
            self._started = True
            self._reply.begin(_FIELDS + b"".join([b"%b: %b\r\n" % field for field in self.headers]), frames)
            return
        if over:
            self._finished = self._reply.last(frames + DONE)
        if not self._finished:
            self._reply.piece(frames)

    def end(self, refusal: RequestError) -> None:
        """Makes the stream end soon, with `refusal` told to the client."""
        self._presence.end(refusal)

    async def play(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        over: Callable[[], bool],
        interrupted: Callable[[RequestError], bytes],
    ) -> None:
        """Sends what `frames` yields, one write each, then `[DONE]`.

        `over` says whether what was yielded is the last of it, which is sent with `[DONE]`. A RequestError before the
        head is raised to the caller; afterwards `interrupted` makes an event of it. Raises ClientLeft. `frames` is
        closed in any case.
        """
        try:
            async with aclosing(frames), self._presence:
                await self._pass_on(frames, over)
                await self._start()
            last = DONE
        except RequestError as refusal:
            if not self._started:
                raise
            last = interrupted(refusal) + DONE
        except asyncio.CancelledError:
            if not self._started:
                raise
            # The process ends; this is the last chance to say so.
            last = interrupted(RequestError("server_draining", "The server was stopped.")) + DONE
        if not self._finished:
            await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def _pass_on(self, frames: AsyncGenerator[bytes, None], over: Callable[[], bool]) -> None:
        unwaited = 0
        try:
            async for frame in frames:
                if frame:
                    await self._write(frame, over=over())
                # uvicorn's send returns at once when the client is gone, and a replay need not wait for anything else:
                # without this, such a loop would never let anybody notice. Tokens that come alone are waited for.
                unwaited += len(frame) or TURN_BYTES
                if unwaited >= TURN_BYTES:
                    unwaited = 0
                    await asyncio.sleep(0)
        except RequestError:
            raise
        except Exception:
            log.exception("a stream failed by a bug", extra={"request_id": self._request_id})
            raise internal(self._request_id) from None

    async def _start(self) -> None:
        if not self._started:
            self._started = True
            headers = [*HEADERS, *self.headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _write(self, body: bytes, *, over: bool = False) -> None:
        self._last_sent = self._loop.time()
        if self.takes():
            self.write(body, over=over)
            return
        await self._start()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _beat(self) -> float:
        if not self._started:
            await self._start()
        elif not self._finished and self._loop.time() - self._last_sent >= self._interval:
            await self._write(HEARTBEAT)
        return self._last_sent + self._interval
