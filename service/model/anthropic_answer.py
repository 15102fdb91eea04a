"""The message that Anthropic's model writes, event after event → chunks; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from service.model.anthropic_errors import garbled, stream_error
from service.model.anthropic_messages import REDACTED, SIGNATURE
from service.model.chat_errors import broken
from service.model.chunk import (
    Annotation,
    Chunk,
    Finish,
    FinishReason,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)

MAX_TOKENS: Final = 2**53
FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}
JsonObject = Mapping[str, Any]


class Answer:
    """One message as it grows. With `summary`, thinking is given out as a summary of thinking, which it is then."""

    def __init__(self, model: str, *, summary: bool) -> None:
        self.stopped = False
        self._model = model
        self._thought: Callable[[str], Chunk] = SummaryDelta if summary else ReasoningDelta
        self._finish: FinishReason | None = None
        self._usage: dict[str, Any] = {}
        # The block that is being written: its kind, the number of its call, what is known of its end.
        self._kind = ""
        self._calls = 0
        self._signature: list[str] = []
        self._input = ""
        # Citations need the place of their text in the message.
        self._length = 0
        self._begin = 0
        self._citations: list[JsonObject] = []
        self._events: Mapping[str, Callable[[JsonObject, list[Chunk]], None]] = {
            "message_start": lambda event, _: self._note_usage(event["message"]),
            "content_block_start": lambda event, chunks: self._start(event["content_block"], chunks),
            "content_block_delta": lambda event, chunks: self._grow(event["delta"], chunks),
            "content_block_stop": lambda _, chunks: self._stop(chunks),
            "message_delta": self._end_message,
            "message_stop": self._end_stream,
            "error": self._fail,
        }
        self._deltas: Mapping[str, Callable[[JsonObject, list[Chunk]], None]] = {
            "text_delta": lambda delta, chunks: self.add_text(_text(delta["text"]), chunks),
            "input_json_delta": lambda delta, chunks: self._add_arguments(_text(delta["partial_json"]), chunks),
            "thinking_delta": lambda delta, chunks: self._add_thought(_text(delta["thinking"]), chunks),
            "signature_delta": lambda delta, _: self._signature.append(_text(delta["signature"])),
            "citations_delta": lambda delta, _: self._citations.append(delta["citation"]),
        }

    def add(self, event: JsonObject, chunks: list[Chunk]) -> None:
        """Appends what an event says; kinds that we don't know say nothing."""
        self._guarded(lambda: self._take(event, chunks))

    def add_whole(self, message: JsonObject, chunks: list[Chunk]) -> None:
        """Appends what a whole message says."""
        if message.get("type") == "error":
            self._fail(message, chunks)
        self._guarded(lambda: self._add_message(message, chunks))

    def add_text(self, text: str, chunks: list[Chunk]) -> None:
        """Appends text of the message."""
        if text:
            self._length += len(text)
            chunks.append(TextDelta(text))

    def end(self) -> list[Chunk]:
        """Returns usage and finish. Raises when the server did not say that it finished."""
        if self._finish is None:
            raise garbled(self._model, "an answer that stops without a stop_reason")
        usage = _usage(self._usage)
        return [*([usage] if usage else ()), Finish(self._finish)]

    def _guarded(self, take: Callable[[], None]) -> None:
        try:
            take()
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
            raise garbled(self._model, "an answer of the wrong shape") from None

    def _take(self, event: JsonObject, chunks: list[Chunk]) -> None:
        take = self._events.get(event.get("type", ""))
        if take is not None:
            take(event, chunks)

    def _add_message(self, message: JsonObject, chunks: list[Chunk]) -> None:
        self._note_usage(message)
        for block in message["content"]:
            self._start(block, chunks)
            self._stop(chunks)
        self._end_message({"delta": message}, chunks)

    def _start(self, block: JsonObject, chunks: list[Chunk]) -> None:
        """Begins a block, with what it holds already: in a stream next to nothing, otherwise all."""
        self._kind = block["type"]
        if self._kind != "text":  # The text behind it is another item's.
            self._length = 0
        if self._kind == "text":
            self._begin = self._length
            self._citations = list(block.get("citations") or ())
            self.add_text(_text(block["text"]), chunks)
        elif self._kind == "thinking":
            self._signature = [_text(block.get("signature") or "")]
            self._add_thought(_text(block["thinking"]), chunks)
        elif self._kind == "redacted_thinking":
            chunks.append(ReasoningEnd(REDACTED + _text(block["data"])))
        elif self._kind == "tool_use":
            # What stands in `input` counts where no piece of it follows.
            self._input = orjson.dumps(block["input"]).decode() if block.get("input") else ""
            chunks.append(ToolCallDelta(self._calls, name=_text(block["name"]), call_id=_text(block["id"])))

    def _grow(self, delta: JsonObject, chunks: list[Chunk]) -> None:
        grow = self._deltas.get(delta["type"])
        if grow is not None:
            grow(delta, chunks)

    def _stop(self, chunks: list[Chunk]) -> None:
        if self._kind == "text":
            cited = (_annotation(citation, self._begin, self._length) for citation in self._citations)
            chunks.extend(Annotation(orjson.dumps(each).decode()) for each in cited if each)
        elif self._kind == "thinking":
            signature = "".join(self._signature)
            chunks.append(ReasoningEnd(SIGNATURE + signature if signature else ""))
        elif self._kind == "tool_use":
            if self._input:
                chunks.append(ToolCallDelta(self._calls, arguments=self._input))
            self._calls += 1
        self._kind = ""

    def _add_arguments(self, piece: str, chunks: list[Chunk]) -> None:
        if piece and self._kind == "tool_use":
            self._input = ""
            chunks.append(ToolCallDelta(self._calls, arguments=piece))

    def _add_thought(self, text: str, chunks: list[Chunk]) -> None:
        if text:
            chunks.append(self._thought(text))

    def _note_usage(self, value: JsonObject) -> None:
        """Takes down the counts that are told; they are those of the whole message so far."""
        told = value.get("usage") or {}
        self._usage |= {name: count for name, count in told.items() if count is not None}

    def _end_message(self, event: JsonObject, chunks: list[Chunk]) -> None:
        self._note_usage(event)
        delta = event["delta"]
        if reason := delta.get("stop_reason"):
            self._finish = FINISH.get(reason)
            if self._finish is None:  # `pause_turn` waits for tools that the server runs, and we ask for none.
                raise broken(self._model, "broke off its answer. Try again")
            if reason == "refusal" and (words := (delta.get("stop_details") or {}).get("explanation")):
                chunks.append(RefusalDelta(_text(words)))

    def _end_stream(self, _: JsonObject, __: list[Chunk]) -> None:
        self.stopped = True

    def _fail(self, event: JsonObject, _: list[Chunk]) -> None:
        raise stream_error(event.get("error"), model=self._model)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _usage(counts: JsonObject) -> TokenUsage | None:
    """Returns the counts; None where they are not complete, for then they mean nothing.

    Anthropic's `input_tokens` are those that have nothing to do with the cache; ours are all.
    """
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    fresh, written, read, stored = (counts.get(name, 0 if name.startswith("cache") else None) for name in names)
    if not all(isinstance(count, int) and 0 <= count <= MAX_TOKENS for count in (fresh, written, read, stored)):
        return None
    details = counts.get("output_tokens_details")
    thought = details.get("thinking_tokens") if isinstance(details, dict) else 0
    return TokenUsage(
        input_tokens=fresh + read + stored,
        output_tokens=written,
        cached_tokens=read,
        reasoning_tokens=thought if isinstance(thought, int) else 0,
        cache_write_tokens=stored,
    )


def _annotation(citation: JsonObject, begin: int, end: int) -> JsonObject | None:
    """Returns a citation as the HTTP wire has it; None for a document of the prompt that has no id there."""
    url = citation.get("url") or citation.get("source")
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        title = citation.get("title") or ""
        return {"type": "url_citation", "url": url, "title": title, "start_index": begin, "end_index": end}
    if file_id := citation.get("file_id"):
        name = citation.get("document_title") or ""
        return {"type": "file_citation", "file_id": file_id, "filename": name, "index": end}
    return None
