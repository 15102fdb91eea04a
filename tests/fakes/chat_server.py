"""A fake `/v1/chat/completions` server on a real socket, in the test's own loop or as a process of its own.

In a test: `async with ChatServer() as server: … server.url …`. As a process:
`python -m tests.fakes.chat_server --port 0` prints its port on a line of its own, and `GET /requests` returns what it
was asked as JSON.

It answers as the table in `chat_words.py` says, or what a test put into `replies`: a `Reply`, or raw bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.fakes.chat_frames import error_body, frames, whole
from tests.fakes.chat_words import Json, Reply, reply_to


@dataclass(frozen=True, slots=True)
class Raw:
    """The exact bytes of an answer, head included, a write each; afterwards the connection is closed, or held open."""

    writes: tuple[bytes, ...]
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What the server was asked."""

    path: str
    headers: dict[str, str]
    body: Json


class ChatServer:
    """`replies` are used up first, one a request; `gate`, once cleared, holds every reply behind its first piece.

    `asked` is set by each request, `hung_up` by each client that leaves before the end of its answer.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.replies: deque[Reply | Raw] = deque()
        self.requests: list[Request] = []
        self.connections = 0
        self.hangups = 0
        self.asked = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """The base URL, `/v1` included."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
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

    async def until_asked(self, times: int) -> None:
        """Returns when it has been asked so often, and has taken a reply for each."""
        async with asyncio.timeout(60):
            while len(self.requests) < times:
                self.asked.clear()
                await self.asked.wait()
        # The task that answers is due, and takes its reply in its first step.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        try:
            first: bytes | None = b""
            while first is not None:
                first = await self._exchange(first, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _exchange(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Answers one request; returns what was already read of the next one, None where there will be none."""
        request = await _read_request(first, reader)
        if request.path == "/requests":
            _write_json(writer, 200, [each.body for each in self.requests])
            return b""
        self.requests.append(request)
        self.asked.set()
        answer = asyncio.ensure_future(self._answer(request, writer))
        # A client sends nothing while it waits: whatever can be read is its end.
        left = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or isinstance(answer.exception(), ConnectionError):
                self.hangups += 1
                self.hung_up.set()
                return None
            goes_on = answer.result()
        finally:
            answer.cancel()
            left.cancel()
        await asyncio.wait((left,))
        read = b"" if left.cancelled() else left.result()
        return read if goes_on and (read or left.cancelled()) else None

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        reply = self.replies.popleft() if self.replies else reply_to(request.body)
        if isinstance(reply, Raw):
            for data in reply.writes:
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0)
            if reply.hold:
                await asyncio.Event().wait()
            return False
        if reply.status != 200:
            _write_json(writer, reply.status, error_body(reply), headers=dict(reply.headers))
            return True
        if reply.fault == "stall":
            await asyncio.Event().wait()
        if request.body.get("stream"):
            return await self._stream(reply, request.body, writer)
        if reply.fault:
            return await _fail(reply.fault, writer, streaming=False)
        await self.gate.wait()
        _write_json(writer, 200, whole(reply, request.body))
        return True

    async def _stream(self, reply: Reply, body: Json, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for index, frame in enumerate(frames(reply, body)):
            if index == 2:
                await self.gate.wait()
                if reply.fault:
                    return await _fail(reply.fault, writer, streaming=True)
            _write_chunk(writer, b"data: " + json.dumps(frame).encode() + b"\n\n")
            await writer.drain()
            if reply.pause:
                await asyncio.sleep(reply.pause)
        _write_chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


async def _read_request(begun: bytes, reader: asyncio.StreamReader) -> Request:
    head = (begun + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    text = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(path=first.split()[1], headers=headers, body=json.loads(text) if text else {})


async def _fail(fault: str, writer: asyncio.StreamWriter, *, streaming: bool) -> bool:
    if fault == "hang":
        await asyncio.Event().wait()
    if fault == "reset" or (not streaming and fault == "cut"):
        writer.transport.abort()
        return False
    data = {"garbage": b"data: {]\n\n", "complain": b'data: {"error": {"message": "upstream-secret"}}\n\n'}.get(
        fault, b""
    )
    if streaming:
        _write_chunk(writer, data)
        writer.write(b"0\r\n\r\n" if data else b"")
    else:
        _write_text(writer, 200, data.removeprefix(b"data: "))
    await writer.drain()
    return True


def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def _write_json(
    writer: asyncio.StreamWriter, status: int, value: object, *, headers: dict[str, str] | None = None
) -> None:
    _write_text(writer, status, json.dumps(value).encode(), headers=headers)


def _write_text(
    writer: asyncio.StreamWriter, status: int, text: bytes, *, headers: dict[str, str] | None = None
) -> None:
    def lines() -> Iterator[str]:
        yield f"HTTP/1.1 {status} X"
        yield "content-type: application/json"
        yield f"content-length: {len(text)}"
        yield from (f"{name}: {value}" for name, value in (headers or {}).items())

    writer.write("\r\n".join(lines()).encode() + b"\r\n\r\n" + text)


async def _main(port: int) -> None:
    async with ChatServer(port=port) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().port))
