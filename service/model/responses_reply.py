"""The answer of a Responses server, bytes split anywhere → chunks; pure. The readers are those of `chat_reply`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from service.errors import NodexaError
from service.model.chat_answer import MAX_TOKENS
from service.model.chat_errors import broken, garbled
from service.model.chat_reply import JsonReader, Readers, json_object
from service.model.chunk import Chunk, Finish, FinishReason, TokenUsage
from service.model.responses_answer import Items
from service.model.responses_errors import failure
from service.model.sse import SseParser

ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)
DONE: Final = frozenset({"completed", "requires_action"})
# What reading raises where something isn't what the form says.
NONSENSE: Final = (AttributeError, LookupError, TypeError, ValueError, OverflowError)
CUTS: Final[Mapping[str, FinishReason]] = MappingProxyType(
    {"max_output_tokens": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTER}
)


def readers(server: str) -> Readers:
    """How the one at the base URL `server` is read."""
    return Readers(
        stream=lambda model: EventReader(model, server),
        whole=lambda model: JsonReader(model, functools.partial(read_response, server=server)),
    )


class EventReader:
    """Reads `text/event-stream`, which ends with the response as it became."""

    def __init__(self, model: str, server: str) -> None:
        self.done = False
        self.closing = False
        self._model = model
        self._parser = SseParser()
        self._items = Items(server)
        self._last: list[Chunk] = []
        self._failure: NodexaError | None = None

    def feed_all(self, pieces: Sequence[bytes]) -> list[Chunk]:
        return self.feed(b"".join(pieces))

    def feed(self, data: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            events = self._parser.feed(data)
        except ValueError:
            raise garbled(self._model, "an event of more than 10 MB") from None
        try:
            self._take(events, chunks)
        except NodexaError as wrong:
            if not chunks:
                raise
            # What came before the failure is good, and is shown first.
            self._failure, self.done = wrong, True
        return chunks

    def end(self) -> list[Chunk]:
        if self._failure:
            raise self._failure
        chunks: list[Chunk] = []
        if not self.done:
            self._take(self._parser.end(), chunks)
        if not self.done:
            raise garbled(self._model, "a stream that stops before it says how the response ended")
        return chunks + self._last

    def _take(self, events: Iterable[bytes], chunks: list[Chunk]) -> None:
        try:
            for data in events:
                self._take_one(data, chunks)
                if self.done:
                    return
        except NONSENSE:
            raise garbled(self._model, "an answer of the wrong shape") from None

    def _take_one(self, data: bytes, chunks: list[Chunk]) -> None:
        if data.strip() == b"[DONE]":
            return
        event = json_object(data, self._model)
        kind = str(event.get("type"))
        if kind in ENDS:
            response = event["response"]
            if response.get("status") in DONE:
                self._items.add_rest(response.get("output") or (), chunks)
            self._last = ended(response, self._model, chunks)
            self.done = True
        elif kind == "error":
            raise failure(event.get("error") or event, model=self._model)
        else:
            self._items.event(kind, event, chunks)


def read_response(response: Mapping[str, Any], model: str, *, server: str) -> list[Chunk]:
    """Returns the chunks of a response that came whole."""
    if response.get("object") != "response":
        raise garbled(model, "something that is not a response")
    chunks: list[Chunk] = []
    items = Items(server)
    try:
        for index, item in enumerate(response.get("output") or ()):
            items.add(index, item, chunks)
        return chunks + ended(response, model, chunks)
    except NONSENSE:
        raise garbled(model, "an answer of the wrong shape") from None


def ended(response: Mapping[str, Any], model: str, chunks: list[Chunk]) -> list[Chunk]:
    """Returns usage and finish. Raises NodexaError where that is no end of an answer; then `chunks` has the usage."""
    status = str(response.get("status"))
    usage = _usage(response.get("usage"))
    counted: list[Chunk] = [usage] if usage else []
    if status in DONE:
        return [*counted, Finish(FinishReason.STOP)]
    details = response.get("incomplete_details")
    reason = CUTS.get(str(details.get("reason"))) if isinstance(details, dict) else None
    if status == "incomplete" and reason:
        return [*counted, Finish(reason)]
    chunks.extend(counted)
    if status == "failed":
        raise failure(response.get("error"), model=model)
    if status in ("incomplete", "cancelled"):
        raise broken(model, "broke off its answer. Try again; its log says why")
    raise garbled(model, "a response without an end")


def _usage(value: object) -> TokenUsage | None:
    """Returns the counts; None where they are not complete, for then they mean nothing."""
    if not isinstance(value, dict):
        return None
    read, written = _count(value, "input_tokens"), _count(value, "output_tokens")
    if read is None or written is None:
        return None
    return TokenUsage(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=_count(value.get("input_tokens_details"), "cached_tokens") or 0,
        cache_write_tokens=_count(value.get("input_tokens_details"), "cache_write_tokens") or 0,
        reasoning_tokens=_count(value.get("output_tokens_details"), "reasoning_tokens") or 0,
    )


def _count(value: object, name: str) -> int | None:
    count = value.get(name) if isinstance(value, dict) else None
    return count if isinstance(count, int) and 0 <= count <= MAX_TOKENS else None
