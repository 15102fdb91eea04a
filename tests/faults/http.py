"""HTTP by hand for clients that misbehave: that hang up at any byte, never read, or want every byte as it came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.core_process import SECONDS

END_OF_HEAD: Final = b"\r\n\r\n"
END_OF_EVENT: Final = b"\n\n"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as far as it came: `raw` is all of it, `body` without the frames of HTTP."""

    raw: bytes
    status: int
    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The whole events in the body."""
        return events_in(self.body)


@dataclass(slots=True)
class Line:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: bytearray = field(default_factory=bytearray)

    async def until(self, mark: bytes) -> bytes:
        """Reads until `mark` has come; all that came so far."""
        async with asyncio.timeout(SECONDS):
            while mark not in self.heard:
                data = await self.reader.read(65536)
                assert data, f"the answer ended before {mark!r}: {bytes(self.heard[-500:])!r}"
                self.heard += data
        return bytes(self.heard)

    async def rest(self) -> Told:
        """Reads to the end of the connection, cut or not."""
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(ConnectionError):
                while data := await self.reader.read(65536):
                    self.heard += data
        return told(bytes(self.heard))


def request(method: str, path: str, key: str, body: dict[str, Any] | None = None) -> bytes:
    """A request whose answer is the connection's last."""
    text = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {key}", "connection: close"]
    if text:
        lines += ["content-type: application/json", f"content-length: {len(text)}"]
    return "\r\n".join([*lines, "", ""]).encode() + text


@asynccontextmanager
async def line(port: int, *, buffer: int = 0) -> AsyncIterator[Line]:
    """A connection to `port` of this machine, dropped behind the block; `buffer` bytes wait in the kernel at most."""
    connection = socket.socket()
    connection.setblocking(False)
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def ask(port: int, wanted: bytes) -> Told:
    """The whole answer to a request."""
    async with line(port) as one:
        one.writer.write(wanted)
        return await one.rest()


def told(raw: bytes) -> Told:
    """What came of an answer, which may be cut anywhere."""
    head, found, rest = raw.partition(END_OF_HEAD)
    status = int(head.split(b" ", 2)[1]) if found else 0
    body = _without_chunks(rest) if b"transfer-encoding: chunked" in head.lower() else rest
    return Told(raw, status, head, body)


def events_in(body: bytes) -> list[dict[str, Any]]:
    """The whole events, without comments and the end mark."""
    found = []
    for frame in body.split(END_OF_EVENT)[:-1]:
        data = frame.partition(b"data: ")[2]
        if data.startswith(b"{"):
            found.append(json.loads(data))
    return found


def _without_chunks(rest: bytes) -> bytes:
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body
