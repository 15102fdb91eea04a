"""A gRPC stream of bytes in the place of a socket, for a core on another machine: what is said is the same."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

METHOD: Final = "/nodexa.v1.BridgeService/Link"
"""Internal: a stream in both directions whose messages are bytes, cut anywhere."""
_LARGEST: Final = 512 * 1024


class Stream(asyncio.Transport):
    """`ends` is a call or its context, with gRPC's `read` and `write`; `protocol` hears of what happens."""

    def __init__(self, ends: Any, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._ends = ends
        self._protocol = protocol
        self._outbox: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._closing = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def run(self) -> None:
        """Carries what is said until one of the two ends it. The stream is the caller's to end."""
        self._tasks = (asyncio.create_task(self._read()), asyncio.create_task(self._write()))
        self._protocol.connection_made(self)
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            # Last, and nothing is waited for behind it: nothing may be said in between.
            self._protocol.connection_lost(None)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends it, and what else there is when the loop comes to it."""
        self._outbox.append(bytes(data))
        self._ready.set()

    def close(self) -> None:
        """Ends it behind what was written."""
        self._closing = True
        self._ready.set()

    def abort(self) -> None:
        """Ends it at once."""
        for task in self._tasks:
            task.cancel()

    async def _read(self) -> None:
        # At the end it is EOF, and no bytes.
        while isinstance(data := await self._ends.read(), bytes):
            self._protocol.data_received(data)

    async def _write(self) -> None:
        while self._outbox or not self._closing:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                data = b"".join(self._outbox)
                self._outbox.clear()
                for at in range(0, len(data), _LARGEST):
                    await self._ends.write(data[at : at + _LARGEST])
