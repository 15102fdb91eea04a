"""A model server that costs next to nothing: every answer is made once and written as it is."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

TOKENS = 200
_USAGE = {"prompt_tokens": 8, "completion_tokens": TOKENS, "total_tokens": TOKENS + 8}
_BASE = {"id": "chatcmpl-1", "created": 1, "model": "mock"}


def _chunk(delta: dict[str, str], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps(_BASE | {'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"


def _answers() -> tuple[bytes, bytes]:
    text = "".join(f" t{number}" for number in range(TOKENS))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    whole = json.dumps(_BASE | {"object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    usage = json.dumps(_BASE | {"object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    chunks = [_chunk({"content": f" t{number}"}) for number in range(TOKENS)]
    stream = "".join([*chunks, _chunk({}, "stop"), f"data: {usage}\n\n", "data: [DONE]\n\n"]).encode()
    return _framed(whole, "application/json"), _framed(stream, "text/event-stream")


def _framed(body: bytes, kind: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind.encode(), len(body), body)


class Upstream(asyncio.Protocol):
    """Answers each request as soon as its body is whole."""

    whole, stream = _answers()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._data) < end + 4 + length:
                return
            body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
            streaming = b'"stream":true' in body.replace(b" ", b"")
            self._transport.write(self.stream if streaming else self.whole)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
