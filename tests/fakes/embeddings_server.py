"""A fake `/v1/embeddings` server on a real socket: bags of words, in which words of one meaning are one word.

`async with EmbeddingsServer() as server: … server.url …`. It embeds as its fields say at the moment.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import re
from array import array
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from tests.fakes.web_server import Asked, Page, read_request

SAME: Final = {"automobile": "car", "automobiles": "car", "vehicle": "car", "physician": "doctor", "feline": "cat"}
"""Words that mean what another does."""


class EmbeddingsServer:
    """`status` answers everything else than 200 with an error; `longest` is how many words a text may have, else
    it answers with its `complaint`.

    `numbers` has it answer with lists in place of base64. While `gate` is cleared it answers nothing; after so many
    `replies` it clears it itself. `came` is set by each request. `asked` are the requests, `texts` what it embedded.
    """

    def __init__(self, *, port: int = 0, dimensions: int = 512) -> None:
        self.port = port
        self.dimensions = dimensions
        self.status = 200
        self.longest = 100_000
        self.complaint = (400, "context_length_exceeded")
        self.numbers = False
        self.replies: int | None = None
        self.answer: bytes | None = None
        self.asked: list[Asked] = []
        self.texts: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.came = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL, `/v1` included."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                asked = await read_request(reader)
                self.asked.append(asked)
                self.came.set()
                if self.replies is not None and len(self.asked) > self.replies:
                    self.gate.clear()
                await self.gate.wait()
                status, body = self._reply(asked)
                page = Page(body, status, {"content-type": "application/json"})
                writer.write(page.bytes())
                await writer.drain()
        writer.close()

    def _reply(self, asked: Asked) -> tuple[int, bytes]:
        if self.status != 200:
            return self.status, b'{"error": {"message": "upstream-secret", "type": "server_error"}}'
        if self.answer is not None:
            return 200, self.answer
        if asked.target != "/v1/embeddings":
            return 404, b"{}"
        texts = asked.json["input"]
        if any(len(text.split()) > self.longest for text in texts):
            status, words = self.complaint
            return status, json.dumps({"error": {"message": words}}).encode()
        self.texts += texts
        return 200, json.dumps(self._embedded(asked.json, texts)).encode()

    def _embedded(self, body: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
        size = body.get("dimensions", self.dimensions)
        rows = [
            {"object": "embedding", "index": index, "embedding": self._form(text, size)}
            for index, text in enumerate(texts)
        ]
        # In any order: what counts is the index.
        return {"object": "list", "model": body["model"], "data": rows[::-1]}

    def _form(self, text: str, size: int) -> str | list[float]:
        numbers = embedded(text, size)
        return list(numbers) if self.numbers else base64.b64encode(numbers.tobytes()).decode()


def embedded(text: str, size: int) -> array[float]:
    """A text as a vector: how often each of its words occurs, in places that their hashes say."""
    counts = array("f", bytes(4 * size))
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(SAME.get(word, word).encode()).digest()
        counts[int.from_bytes(digest[:4], "big") % size] += 1
    return counts
