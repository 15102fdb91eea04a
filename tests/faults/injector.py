"""A TCP proxy that does harm on purpose, between a client and a server: late, slow, cut, reset, or silent for ever."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

PIECE: Final = 64 * 1024
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing is a reset."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of the answer's bytes on one connection; the request's go through.

    `latency` is how many seconds each piece is late, `pace` how many pass before each single byte. Behind `limit` bytes
    comes the end: a clean close; with `reset` a reset; with `hole` nothing ever, and the connection stays open.
    """

    latency: float = 0.0
    pace: float = 0.0
    limit: int | None = None
    reset: bool = False
    hole: bool = False


HONEST: Final = Fault()


class Injector:
    """A proxy to `port` of this machine. `faults` are used up first, one a connection; then `fault` is everyone's."""

    def __init__(self, port: int, fault: Fault = HONEST) -> None:
        self.fault = fault
        self.faults: deque[Fault] = deque()
        self.port = 0
        self.connections = 0
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where clients go, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.connections += 1
        fault = self.faults.popleft() if self.faults else self.fault
        try:
            back, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _end(writer, reset=True)
            return
        self._tasks.add(task)
        up = asyncio.create_task(_pass_on(reader, onward))
        down = asyncio.create_task(_spoil(back, writer, fault))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            up.cancel()
            down.cancel()
            self._tasks.discard(task)
            onward.transport.abort()
            _end(writer, reset=fault.reset)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The request's way: every byte, to the end."""
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass


async def _spoil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
    """The answer's way, to where the fault ends it."""
    left = fault.limit
    try:
        while left != 0 and (data := await reader.read(PIECE)):
            if left is not None:
                data = data[:left]
                left -= len(data)
            if fault.latency:
                await asyncio.sleep(fault.latency)
            for piece in _pieces(data, singly=bool(fault.pace)):
                if fault.pace:
                    await asyncio.sleep(fault.pace)
                writer.write(piece)
                await writer.drain()
        if left == 0 and fault.hole:
            await asyncio.Event().wait()
    except ConnectionError:
        pass


def _pieces(data: bytes, *, singly: bool) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))] if singly else [data]


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        writer.transport.abort()
    else:
        writer.close()
