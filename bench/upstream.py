"""A model server that costs next to nothing: every reply is made once a shape and written as it is."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any, Final, cast

import uvloop

from bench.frames import ID, STAMP, Stream, chat_stream, chat_whole, json_reply, responses_stream, responses_whole
from bench.shape import Shape, shape_of

BACKLOG: Final = 8192
_MODELS: Final = json_reply({"object": "list", "data": [{"id": "mock", "object": "model", "owned_by": "mock"}]})
_LOST: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_REPLIES: Final[Mapping[bytes, tuple[Callable[[Shape], bytes], Callable[[Shape], Stream]]]] = {
    b"completions": (chat_whole, chat_stream),
    b"responses": (responses_whole, responses_stream),
}


class Upstream(asyncio.Protocol):
    """Answers each request as soon as its body is whole."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._data = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._data[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._data) < end + 4 + length:
                return
            body = bytes(self._data[end + 4 : end + 4 + length])
            del self._data[: end + 4 + length]
            self._answer(head.partition(b" http/")[0].rpartition(b"/")[2], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path not in _REPLIES:
            self._transport.write(_MODELS if path == b"models" else _LOST)
            return
        Upstream.count += 1
        number = b"%0*d" % (len(ID), self.count)
        shape = shape_of(body)
        whole, stream = _REPLIES[path]
        if b'"stream":true' not in body.replace(b'"stream": true', b'"stream":true', 1):
            self._transport.write(whole(shape).replace(ID, number))
        elif shape.pause_ms or shape.stamped:
            self._pace(stream(shape), shape.pause_ms / 1000, number)
        else:
            self._transport.write(stream(shape).whole().replace(ID, number))

    def _pace(self, stream: Stream, pause: float, number: bytes) -> None:
        loop = asyncio.get_running_loop()
        tokens = iter(stream.tokens)
        stamps: list[bytes] = []

        def step(due: float) -> None:
            token = next(tokens, None)
            if token is None:
                self._transport.write(_stamped(stream.last, stamps).replace(ID, number))
                return
            stamp = b"~%0*d~" % (len(STAMP) - 2, time.monotonic_ns())
            stamps.append(stamp)
            self._transport.write(token.replace(ID, number).replace(STAMP, stamp))
            self._timer = loop.call_at(due + pause, step, due + pause)

        self._transport.write(stream.first.replace(ID, number))
        due = loop.time() + pause
        self._timer = loop.call_at(due, step, due)


def _stamped(last: bytes, stamps: Sequence[bytes]) -> bytes:
    """The end of a reply, which says all of it again: with the stamps that its tokens had."""
    first, *rest = last.split(STAMP)
    return first + b"".join(stamp + piece for stamp, piece in zip(cycle(stamps), rest, strict=False))


async def _serve(port: int) -> None:
    loop: Any = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=BACKLOG)
    gc.freeze()
    gc.disable()  # its pauses would look like the server's
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
