"""A fake of Anthropic's Messages API on a real socket, in the test's own loop.

`async with AnthropicServer() as server: … server.url …`. It says what a test put into `script`, an entry a request;
without one what the user said last. A request that the API would refuse is refused, the reason is put into `refused`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque

from tests.fakes.anthropic_frames import Failed, Json, Said, error_body, events, frame, says, whole
from tests.fakes.anthropic_rules import complaint
from tests.fakes.chat_server import ChatServer, Raw, Request

COUNT = "/v1/messages/count_tokens"
MESSAGES = "/v1/messages"


class AnthropicServer(ChatServer):
    """`tokens` is what it counts in each prompt, None where it can't; `counts` is said in its place."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.script: deque[Said | Failed | Raw] = deque()
        self.tokens: int | None = 42
        self.counts: Failed | Raw | None = None
        self.refused: list[str] = []

    @property
    def url(self) -> str:
        """The base URL, as the SDK wants it."""
        return super().url.removesuffix("/v1")

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        counting = request.path == COUNT
        if request.path not in (COUNT, MESSAGES) or (counting and self.tokens is None):
            return await _fail(Failed(404, "not_found_error"), writer)
        if wrong := complaint(request.headers, request.body, counting=counting):
            self.refused.append(wrong)
            return await _fail(Failed(400, "invalid_request_error", wrong), writer)
        if counting and self.counts is None:
            return await _write(writer, 200, {"input_tokens": self.tokens})
        said = (self.counts if counting else None) or self._next(request.body)
        if isinstance(said, Said):
            return await self._say(said, request.body, writer)
        return await (_write_raw(said, writer) if isinstance(said, Raw) else _fail(said, writer))

    def _next(self, body: Json) -> Said | Failed | Raw:
        return self.script.popleft() if self.script else says(_last_words(body))

    async def _say(self, said: Said, body: Json, writer: asyncio.StreamWriter) -> bool:
        if said.fault == "stall":
            await asyncio.Event().wait()
        if body.get("stream"):
            return await self._stream_said(said, writer)
        await self.gate.wait()
        return await (_break(said.fault, writer, streaming=False) if said.fault else _write(writer, 200, whole(said)))

    async def _stream_said(self, said: Said, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        frames = [frame(event) for event in events(said)]
        if said.size:
            data = b"".join(frames)
            frames = [data[at : at + said.size] for at in range(0, len(data), said.size)]
        for index, piece in enumerate(frames):
            if index == 4:  # Behind the first delta.
                await self.gate.wait()
                if said.fault:
                    return await _break(said.fault, writer, streaming=True)
            await _write_chunk(writer, piece)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _last_words(body: Json) -> str:
    texts = [block["text"] for block in body["messages"][-1]["content"] if block["type"] == "text"]
    return texts[-1] if texts else "Nothing."


async def _write_raw(raw: Raw, writer: asyncio.StreamWriter) -> bool:
    for data in raw.writes:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0)
    if raw.hold:
        await asyncio.Event().wait()
    return False


async def _break(fault: str, writer: asyncio.StreamWriter, *, streaming: bool) -> bool:
    if fault == "hang":
        await asyncio.Event().wait()
    if fault == "reset":
        writer.transport.abort()
        return False
    if not streaming:
        return await _write(writer, 200, {"type": "message"} if fault == "garbage" else error_body(fault, "secret"))
    if fault == "garbage":
        await _write_chunk(writer, b"data: {]\n\n")
    elif fault != "cut":
        await _write_chunk(writer, frame(error_body(fault, "upstream-secret")))
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()


async def _fail(failed: Failed, writer: asyncio.StreamWriter) -> bool:
    return await _write(writer, failed.status, error_body(failed.kind, failed.message), dict(failed.headers))


async def _write(writer: asyncio.StreamWriter, status: int, value: Json, headers: dict[str, str] | None = None) -> bool:
    text = json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(text)}"]
    lines += [f"{name}: {told}" for name, told in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + text)
    await writer.drain()
    return True
