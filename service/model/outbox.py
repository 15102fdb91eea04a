"""What several connections say in one turn of the loop, written in one go behind it."""

from __future__ import annotations

import asyncio


class Outbox:
    """Writes for those who can wait for the end of the turn. Each write may wake another process, for one at a time
    where they are apart, and for many where they follow each other.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Has it written soon, in the order in which it was said; nothing is where the transport closes before."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Writes it now."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
