"""A fake Gemini API on a real socket, in the test's own loop: `async with GeminiServer() as server: … server.url …`.

It answers `generateContent` and `streamGenerateContent?alt=sse` as a test put it into `turns`, one a request.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.chat_server import ChatServer, Request

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer: its pieces as in `GenerateContentResponse`, or a status with an error's body.

    `split` writes that many bytes at once. `fault` takes the place of all behind the first piece: `cut`, `reset`,
    `hang`, `garbage` or `complain`; `linger` keeps the connection open behind the last.
    """

    pieces: Sequence[Json] = ()
    status: int = 200
    error: object = None
    headers: Mapping[str, str] | None = None
    split: int = 0
    fault: str = ""
    linger: bool = False


def piece(*parts: Json, finish: str = "", usage: Json | None = None, **candidate: Any) -> Json:
    """A piece of an answer; the fields of `candidate` stand beside its content."""
    made: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **candidate}
    if finish:
        made["finishReason"] = finish
    return {"candidates": [made], **({"usageMetadata": usage} if usage else {})}


def says(*texts: str, finish: str = "STOP", usage: Json | None = None) -> Turn:
    """An answer of these texts, a piece each; the last has the reason and the usage."""
    *first, last = texts
    return Turn([*(piece({"text": text}) for text in first), piece({"text": last}, finish=finish, usage=usage)])


def refuses(status: int, word: str, *, message: str = "secret words", details: Sequence[Json] = ()) -> Turn:
    """Google's form of an error."""
    return Turn(
        status=status, error={"error": {"code": status, "message": message, "status": word, "details": list(details)}}
    )


class GeminiServer(ChatServer):
    """`turns` are used up one a request; `gate`, once cleared, holds every streamed answer behind its first piece."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: deque[Turn] = deque()

    async def __aenter__(self) -> GeminiServer:
        await super().__aenter__()
        return self

    @property
    def url(self) -> str:
        """The base URL, the API's version included."""
        return f"http://127.0.0.1:{self.port}/v1beta"

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        turn = self.turns.popleft()
        if turn.status != 200:
            body = turn.error if isinstance(turn.error, bytes) else json.dumps(turn.error).encode()
            await _write(writer, _head(turn, f"content-length: {len(body)}") + body, split=turn.split)
            return True
        if ":streamGenerateContent?alt=sse" in request.path:
            return await self._stream_turn(turn, writer)
        if turn.fault in ("hang", "reset", "cut"):
            return await _fail(turn.fault, writer)
        body = b"{]" if turn.fault else json.dumps(_whole(turn.pieces)).encode()
        await _write(writer, _head(turn, f"content-length: {len(body)}") + body, split=turn.split)
        return True

    async def _stream_turn(self, turn: Turn, writer: asyncio.StreamWriter) -> bool:
        writer.write(_head(turn, "transfer-encoding: chunked", kind="text/event-stream"))
        for index, each in enumerate(turn.pieces):
            if index == 1:
                await self.gate.wait()
                if turn.fault:
                    break
            await _write(writer, b"data: " + json.dumps(each).encode() + b"\r\n\r\n", split=turn.split, chunked=True)
        if turn.fault:
            return await _fail(turn.fault, writer)
        if turn.linger:
            await asyncio.Event().wait()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


async def _fail(fault: str, writer: asyncio.StreamWriter) -> bool:
    said = {"garbage": b"data: {]\r\n\r\n", "complain": b'data: {"error": {"code": 500, "message": "secret"}}\r\n\r\n'}
    if fault == "hang":
        await asyncio.Event().wait()
    elif fault in said:
        await _write(writer, said[fault], chunked=True)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    elif fault == "reset":
        writer.transport.abort()
    return False


async def _write(writer: asyncio.StreamWriter, data: bytes, *, split: int = 0, chunked: bool = False) -> None:
    size = split or len(data)
    for start in range(0, len(data), size):
        part = data[start : start + size]
        writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        await writer.drain()


def _head(turn: Turn, length: str, *, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {turn.status} X", f"content-type: {kind}", length]
    lines += [f"{name}: {value}" for name, value in (turn.headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _whole(pieces: Sequence[Json]) -> Json:
    """The pieces as the one answer of a call that doesn't stream."""
    if len(pieces) == 1:
        return pieces[0]
    whole: Json = {}
    parts: list[Json] = []
    for each in pieces:
        for candidate in each.get("candidates", ()):
            parts += candidate["content"]["parts"]
            whole["candidates"] = [{**whole.get("candidates", [{}])[0], **candidate}]
        whole |= {key: value for key, value in each.items() if key != "candidates"}
    if parts:
        whole["candidates"][0]["content"] = {"role": "model", "parts": parts}
    return whole
