"""The choice that a chat-completions server writes, JSON object after JSON object → chunks; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from nodexa.v1.item_pb2 import TokenLogprob

from service.model.chat_calls import ToolCalls
from service.model.chat_errors import broken, garbled, told
from service.model.chunk import Chunk, Finish, FinishReason, ReasoningDelta, RefusalDelta, TextDelta, TokenUsage

MAX_TOKENS = 2**53
FINISH: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "tool_calls": FinishReason.STOP,
    "function_call": FinishReason.STOP,
    "tool_use": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
}


class Answer:
    """One choice as it grows."""

    finish: FinishReason | None = None
    _calls: ToolCalls | None = None
    _usage: TokenUsage | None = None
    _logprobs: tuple[TokenLogprob, ...] = ()
    """A token may be part of a character: its log probability waits for the text that it completes."""

    def __init__(self, model: str) -> None:
        self._model = model

    def add(self, value: Mapping[str, Any], key: str, chunks: list[Chunk]) -> None:
        """Appends what one JSON object says; `key` is where its choices have their content."""
        try:
            if usage := value.get("usage"):
                self._usage = _usage(usage) or self._usage
            for choice in value.get("choices") or ():
                if not choice.get("index"):
                    self._add_choice(choice, choice.get(key) or {}, chunks)
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
            raise garbled(self._model, "an answer of the wrong shape") from None
        if value.get("error") or value.get("object") == "error":
            raise told(value.get("error") or value, model=self._model)

    def end(self) -> list[Chunk]:
        """Returns usage and finish. Raises when the server did not say that it finished."""
        if self.finish is None:
            raise garbled(self._model, "an answer that stops without a finish_reason")
        try:
            if self._calls is not None:
                self._calls.check()
        except ValueError:
            raise garbled(self._model, "a function call without a name") from None
        return [self._usage, Finish(self.finish)] if self._usage else [Finish(self.finish)]

    def _add_choice(self, choice: Mapping[str, Any], delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            chunks.append(ReasoningDelta(_text(reasoning)))
        if logprobs := choice.get("logprobs"):
            self._logprobs += tuple(token_logprobs(logprobs.get("content") or ()))
        if content := delta.get("content"):
            if isinstance(content, str):
                self._add_text(content, chunks)
            else:
                self._add_parts(content, chunks)
        if refusal := delta.get("refusal"):
            chunks.append(RefusalDelta(_text(refusal)))
        if entries := delta.get("tool_calls"):
            self._add_calls(entries, chunks)
        if function := delta.get("function_call"):  # The form before there were several calls.
            self._add_calls([{"index": 0, "function": function}], chunks)
        if reason := choice.get("finish_reason"):
            self.finish = self._finish_reason(reason)

    def _add_text(self, text: str, chunks: list[Chunk]) -> None:
        chunks.append(TextDelta(text, self._logprobs))
        self._logprobs = ()

    def _add_parts(self, parts: Iterable[Mapping[str, Any]], chunks: list[Chunk]) -> None:
        """Adds Mistral's parts, some of which are thinking."""
        for part in parts:
            if part["type"] == "text":
                self._add_text(_text(part["text"]), chunks)
            elif part["type"] == "thinking":
                chunks.append(ReasoningDelta("".join(_text(piece["text"]) for piece in part["thinking"])))

    def _add_calls(self, entries: Iterable[Mapping[str, Any]], chunks: list[Chunk]) -> None:
        calls = self._calls = self._calls or ToolCalls()
        chunks.extend(call for entry in entries if (call := calls.add(entry)))

    def _finish_reason(self, reason: str) -> FinishReason:
        known = FINISH.get(reason.lower())
        if known is None:  # `error`, `abort`, … are no ends of an answer.
            raise broken(self._model, "broke off its answer. Try again; its log says why")
        return known


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _usage(value: Mapping[str, Any]) -> TokenUsage | None:
    """Returns the counts; None where they are not complete, for then they mean nothing."""
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if not (_is_count(prompt) and _is_count(completion)):
        return None
    read, written = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    return TokenUsage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_tokens=int(read.get("cached_tokens") or 0) if read else 0,
        reasoning_tokens=int(written.get("reasoning_tokens") or 0) if written else 0,
    )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value <= MAX_TOKENS


def token_logprobs(entries: Iterable[Mapping[str, Any]]) -> list[TokenLogprob]:
    """Returns those that have a number. Raises LookupError, TypeError or ValueError where they are none at all."""
    return [_logprob(entry) for entry in entries if isinstance(entry.get("logprob"), (int, float))]


def _logprob(entry: Mapping[str, Any]) -> TokenLogprob:
    token = _text(entry["token"])
    raw = entry.get("bytes")
    return TokenLogprob(
        token=token,
        logprob=entry["logprob"],
        token_bytes=bytes(raw) if isinstance(raw, list) else token.encode(),
        top_logprobs=token_logprobs(entry.get("top_logprobs") or ()),
    )
