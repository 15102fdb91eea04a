"""A fake `/v1/responses` server on a real socket: it says what a test scripted, else it repeats what it heard.

`async with ResponsesServer() as server: server.scripts.append(Script(answer(message("Hi")))) … server.url …`
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.chat_server import ChatServer, Raw, Request
from tests.fakes.responses_events import Json, answer, message, whole


@dataclass(frozen=True, slots=True)
class Script:
    """The events of one answer; with `piece` they come that many bytes at a time.

    `fault` happens behind the first delta: hang, reset, cut (a clean end), garbage. With `stall` not even a head comes.
    """

    events: Sequence[Json]
    piece: int = 0
    fault: str = ""


class ResponsesServer(ChatServer):
    """Takes scripts beside raw bytes; `counts` is what it answers who asks for the tokens, None for 404."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[Script] = []
        self.counts: int | None = None

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.path.endswith("/input_tokens"):
            body = {"object": "response.input_tokens", "input_tokens": self.counts}
            await _write(writer, 200 if self.counts is not None else 404, json.dumps(body).encode())
            return True
        if self.replies:
            assert isinstance(self.replies[0], Raw)
            return await super()._answer(request, writer)
        script = self.scripts.pop(0) if self.scripts else Script(answer(message(*_heard(request.body))))
        if script.fault == "stall":
            await asyncio.Event().wait()
        if request.body["stream"]:
            return await self._tell(script, writer)
        if script.fault:
            return await _break(script.fault, writer)
        await self.gate.wait()
        await _write(writer, 200, json.dumps(whole(script.events)).encode())
        return True

    async def _tell(self, script: Script, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        first = next(place for place, event in enumerate(script.events) if event["type"].endswith(".delta"))
        events = script.events[: first + 1] if script.fault else script.events
        frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
        if script.piece:
            text = b"".join(frames)
            frames = [text[at : at + script.piece] for at in range(0, len(text), script.piece)]
        for place, frame in enumerate(frames):
            writer.write(_chunk(frame))
            await writer.drain()
            await (self.gate.wait() if place == first else asyncio.sleep(0))
        if script.fault:
            return await _break(script.fault, writer)
        writer.write(_chunk(b""))
        await writer.drain()
        return True


async def _break(fault: str, writer: asyncio.StreamWriter) -> bool:
    if fault == "hang":
        await asyncio.Event().wait()
    if fault == "reset":
        writer.transport.abort()
    else:
        writer.write((_chunk(b"data: {]\n\n") if fault == "garbage" else b"") + _chunk(b""))
        await writer.drain()
    return False


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _write(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def _heard(body: Json) -> list[str]:
    said = body["input"][-1]["content"][0]["text"]
    return [said[:2], said[2:]]
