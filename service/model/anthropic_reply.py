"""The bytes of an answer from Anthropic's Messages API, split anywhere → chunks; pure.

Both readers have `feed(bytes)` and `end()`, which return chunks, and `done`. `Finish` is the last chunk of `end()` and
stands behind the usage. What is nonsense raises NodexaError("upstream_protocol_error").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from service.errors import NodexaError
from service.model.anthropic_answer import Answer
from service.model.anthropic_errors import garbled
from service.model.chat_template import TextTemplate
from service.model.chunk import Chunk, TextDelta
from service.model.sse import SseParser

MAX_BODY_BYTES: Final = 32 * 1024 * 1024


class StreamReader:
    """Reads `text/event-stream`; `summary` as in Answer."""

    def __init__(self, model: str, *, summary: bool) -> None:
        self._model = model
        self._parser = SseParser()
        self._answer = Answer(model, summary=summary)
        self._template = TextTemplate(b'"text":')
        self._failure: NodexaError | None = None

    @property
    def done(self) -> bool:
        """The server has said all; what still comes is of no interest."""
        return self._answer.stopped or self._failure is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """Returns the chunks that `data` completes; often none."""
        chunks: list[Chunk] = []
        try:
            events = self._parser.feed(data)
        except ValueError:
            raise garbled(self._model, "an event of more than 10 MB") from None
        try:
            self._take(events, chunks)
        except NodexaError as failure:
            if not chunks:
                raise
            # What came before the failure is good, and is shown first.
            self._failure = failure
        return chunks

    def end(self) -> list[Chunk]:
        """Returns the last chunks, once the body ended or `done` is set."""
        if self._failure:
            raise self._failure
        chunks: list[Chunk] = []
        if not self.done:
            self._take(self._parser.end(), chunks)
        return chunks + self._answer.end()

    def _take(self, events: Iterable[bytes], chunks: list[Chunk]) -> None:
        for event in events:
            if text := self._template.read(event):
                self._answer.add_text(text, chunks)
                continue
            known = len(chunks)
            self._answer.add(_object(event, self._model), chunks)
            match chunks[known:]:
                # An event that begins a block may say text too, and others follow it that don't begin one.
                case [TextDelta(text)] if b'"text_delta"' in event:
                    self._template.learn(event, text)
            if self._answer.stopped:
                return


class JsonReader:
    """Reads `application/json`: the whole answer at once, when it has ended."""

    def __init__(self, model: str, *, summary: bool) -> None:
        self.done = False
        self._model = model
        self._summary = summary
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Chunk]:
        """Returns no chunks: they wait for the end."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise garbled(self._model, "an answer of more than 32 MB")
        return []

    def end(self) -> list[Chunk]:
        """Returns all chunks."""
        chunks: list[Chunk] = []
        answer = Answer(self._model, summary=self._summary)
        answer.add_whole(_object(b"".join(self._pieces), self._model), chunks)
        return chunks + answer.end()


def token_count(data: bytes, model: str) -> int:
    """Returns the number that the count of a prompt's tokens says."""
    count = _object(data, model).get("input_tokens")
    if not isinstance(count, int) or count < 0:
        raise garbled(model, "no number of tokens")
    return count


def _object(data: bytes, model: str) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except ValueError:
        raise garbled(model, "something that is not JSON") from None
    if not isinstance(value, dict):
        raise garbled(model, "JSON that is not an object")
    return value
