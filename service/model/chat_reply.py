"""The answer of a chat-completions server, bytes split anywhere → chunks; pure.

Both readers have `feed(bytes)` and `end()`, which return chunks, and `done`. `Finish` is the last chunk of `end()` and
stands behind the usage. What is nonsense raises NodexaError("upstream_protocol_error").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from service.errors import NodexaError
from service.model.chat_answer import Answer
from service.model.chat_errors import garbled
from service.model.chat_template import LINE_END, TextTemplate
from service.model.chunk import Chunk, TextDelta, TextRun
from service.model.sse import SseParser

MANY_BYTES = 2 * 1024
FEW_PIECES = 4
MAX_BODY_BYTES = 32 * 1024 * 1024


class Reader(Protocol):
    """Takes the bytes of one answer."""

    @property
    def done(self) -> bool:
        """The server has said all; what still comes is of no interest."""

    @property
    def closing(self) -> bool:
        """The answer is whole; only usage and the end mark may follow."""

    def feed(self, data: bytes) -> list[Chunk]:
        """Returns the chunks that `data` completes; often none."""

    def feed_all(self, pieces: Sequence[bytes]) -> list[Chunk]:
        """Returns what `feed` of all of them together does: sooner, where each is an event."""

    def end(self) -> list[Chunk]:
        """Returns the last chunks, once the body ended or `done` is set."""


class StreamReader:
    """Reads `text/event-stream`. A missing `[DONE]` is forgiven once the server said why it finished."""

    def __init__(self, model: str) -> None:
        self.done = False
        self._model = model
        self._parser = SseParser()
        self._answer = Answer(model)
        self._template = TextTemplate()
        self._failure: NodexaError | None = None

    @property
    def closing(self) -> bool:
        return self._answer.finish is not None

    def feed(self, data: bytes) -> list[Chunk]:
        # A token that comes alone, told like the one before.
        if self._parser.between and (text := self._template.alone(data)):
            return [TextDelta(text)]
        chunks: list[Chunk] = []
        try:
            for part in self._parts(data, chunks):
                self._take(self._events(part), chunks)
        except NodexaError as failure:
            if not chunks:
                raise
            # What came before the failure is good, and is shown first.
            self._failure, self.done = failure, True
        return chunks

    def feed_all(self, pieces: Sequence[bytes]) -> list[Chunk]:
        if len(pieces) < FEW_PIECES:
            return self.feed(b"".join(pieces))
        # As below, two are enough to learn from.
        start = 0 if self._template.learned else 2
        chunks = self.feed(b"".join(pieces[:start])) if start else []
        if not self.done and self._parser.between:
            texts = self._template.begin(pieces[start:])
            start += len(texts)
            if texts:
                chunks.append(TextRun(texts) if len(texts) > 1 else TextDelta(texts[0]))
        if start < len(pieces) and not self.done:
            self._feed_behind(b"".join(pieces[start:]), chunks)
        return chunks

    def _feed_behind(self, data: bytes, chunks: list[Chunk]) -> None:
        try:
            chunks += self.feed(data)
        except NodexaError as failure:
            if not chunks:
                raise
            self._failure, self.done = failure, True

    def end(self) -> list[Chunk]:
        if self._failure:
            raise self._failure
        chunks: list[Chunk] = []
        if not self.done:
            self._take(self._parser.end(), chunks)
        return chunks + self._answer.end()

    def _parts(self, data: bytes, chunks: list[Chunk]) -> Iterator[bytes]:
        """What has to be taken apart; texts that are told like one before are in `chunks` then, in their order."""
        if LINE_END in data and not self._parser.begun:
            data = self._cut(self._parser.with_kept(data), chunks)
            # Of many events that came at once, the first two are enough to learn from.
            if len(data) > MANY_BYTES and (end := data.find(b"\n\n", data.find(b"\n\n") + 2) + 2) > 2:
                yield data[:end]
                data = self._cut(data[end:], chunks) if not self.done else b""
        if data:
            yield data

    def _cut(self, data: bytes, chunks: list[Chunk]) -> bytes:
        texts, rest = self._template.cut(data)
        if texts:
            chunks.append(TextRun(texts) if len(texts) > 1 else TextDelta(texts[0]))
        return rest

    def _events(self, data: bytes) -> list[bytes]:
        try:
            return self._parser.feed(data)
        except ValueError:
            raise garbled(self._model, "an event of more than 10 MB") from None

    def _take(self, events: Sequence[bytes], chunks: list[Chunk]) -> None:
        position = 0
        while position < len(events):
            if texts := self._template.run(events, position):
                chunks.append(TextRun(texts) if len(texts) > 1 else TextDelta(texts[0]))
                position += len(texts)
                continue
            event = events[position]
            position += 1
            if event.strip() == b"[DONE]":
                self.done = True
                return
            known = len(chunks)
            self._answer.add(json_object(event, self._model), "delta", chunks)
            self._learn(event, chunks[known:])

    def _learn(self, event: bytes, chunks: list[Chunk]) -> None:
        """Learns from an event that is nothing but text: no log probabilities, no end, no usage that goes with it."""
        match chunks:
            case [TextDelta(text, ())] if not self._answer.finish and b'"usage":{' not in event:
                self._template.learn(event, text)


@dataclass(frozen=True, slots=True)
class Readers:
    """How a kind of server is read: its streams, and its answers that come whole; each takes the model's name."""

    stream: Callable[[str], Reader]
    whole: Callable[[str], Reader]


class JsonReader:
    """Reads `application/json`: the whole answer at once, when it has ended; `read` makes the chunks of it."""

    def __init__(self, model: str, read: Callable[[dict[str, Any], str], list[Chunk]] | None = None) -> None:
        self.done = False
        self.closing = False
        self._model = model
        self._read = read or _read_completion
        self._pieces: list[bytes] = []
        self._size = 0

    def feed_all(self, pieces: Sequence[bytes]) -> list[Chunk]:
        return self.feed(b"".join(pieces))

    def feed(self, data: bytes) -> list[Chunk]:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise garbled(self._model, "an answer of more than 32 MB")
        return []

    def end(self) -> list[Chunk]:
        return self._read(json_object(b"".join(self._pieces), self._model), self._model)


def _read_completion(value: dict[str, Any], model: str) -> list[Chunk]:
    chunks: list[Chunk] = []
    answer = Answer(model)
    answer.add(value, "message", chunks)
    return chunks + answer.end()


def json_object(data: bytes, model: str) -> dict[str, Any]:
    """Returns the object that `data` is. Raises NodexaError for anything else."""
    try:
        value = orjson.loads(data)
    except ValueError:
        raise garbled(model, "something that is not JSON") from None
    if not isinstance(value, dict):
        raise garbled(model, "JSON that is not an object")
    return value


CHAT = Readers(stream=StreamReader, whole=JsonReader)
