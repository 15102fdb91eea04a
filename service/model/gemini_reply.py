"""What the Gemini SDK read → chunks; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import orjson
from nodexa.v1.item_pb2 import TokenLogprob

from service.errors import NodexaError
from service.model.chat_errors import broken
from service.model.chunk import (
    Chunk,
    Finish,
    FinishReason,
    ReasoningEnd,
    SummaryDelta,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)
from service.model.gemini_errors import garbled
from service.model.gemini_signature import Place, Signature

if TYPE_CHECKING:
    from google.genai.types import (
        Candidate,
        FunctionCall,
        GenerateContentResponse,
        GenerateContentResponseUsageMetadata,
        LogprobsResult,
        LogprobsResultCandidate,
        Part,
    )

FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "ESCALATION": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
}
BAD_CALLS: Final = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})


class Reply:
    """The first candidate of an answer as it grows. `finish` is set once Gemini said why it stopped."""

    def __init__(self, model: str) -> None:
        self.finish: FinishReason | None = None
        self._model = model
        self._calls = 0
        self._usage: TokenUsage | None = None
        self._has_text = False
        # Signatures of text that had begun unsigned: they come back on empty parts behind it.
        self._late: list[Signature] = []

    def add(self, response: GenerateContentResponse) -> list[Chunk]:
        """Returns what a response adds; often it is a piece of the whole. Raises NodexaError."""
        if response.usage_metadata:
            self._usage = _usage(response.usage_metadata) or self._usage
        if response.prompt_feedback and response.prompt_feedback.block_reason and not response.candidates:
            self.finish = FinishReason.CONTENT_FILTER
        candidates = [candidate for candidate in response.candidates or () if not candidate.index]
        return [chunk for candidate in candidates[:1] for chunk in self._candidate(candidate)]

    def end(self) -> list[Chunk]:
        """Returns the last chunks. Raises NodexaError where Gemini did not say that it finished."""
        if self.finish is None:
            raise garbled(self._model, "an answer that stops without a finishReason")
        return [*self._text_ended(), *([self._usage] if self._usage else ()), Finish(self.finish)]

    def _candidate(self, candidate: Candidate) -> Iterator[Chunk]:
        logprobs = _logprobs(candidate.logprobs_result) if candidate.logprobs_result else ()
        for part in (candidate.content.parts if candidate.content else None) or ():
            if part.function_call:
                yield from self._call(part, part.function_call)
            elif part.thought:
                yield from self._thought(part)
            elif part.text or part.thought_signature:
                yield from self._text(part, logprobs)
                logprobs = ()
        if candidate.finish_reason:
            self.finish = self._finish(str(candidate.finish_reason.value))

    def _call(self, part: Part, call: FunctionCall) -> Iterator[Chunk]:
        if not call.name:
            raise garbled(self._model, "a function call without a name")
        yield from self._text_ended()
        if part.thought_signature:
            yield _end("call", part.thought_signature)
        arguments = orjson.dumps(call.args or {}).decode()
        yield ToolCallDelta(index=self._calls, name=call.name, call_id=call.id or "", arguments=arguments)
        self._calls += 1

    def _thought(self, part: Part) -> Iterator[Chunk]:
        yield from self._text_ended()
        if part.text:
            yield SummaryDelta(part.text)
        if part.thought_signature:
            yield _end("thought", part.thought_signature)

    def _text(self, part: Part, logprobs: Sequence[TokenLogprob]) -> Iterator[Chunk]:
        text, signature = part.text or "", part.thought_signature
        if signature and text and not self._has_text:
            yield _end("text", signature, len(text))
        elif signature:
            self._late.append(Signature("empty", signature))
        if text:
            self._has_text = True
            yield TextDelta(text, logprobs)

    def _text_ended(self) -> Iterator[Chunk]:
        yield from (ReasoningEnd(signature.keep()) for signature in self._late)
        self._late, self._has_text = [], False

    def _finish(self, reason: str) -> FinishReason:
        if reason in BAD_CALLS:
            message = f"The model {self._model!r} made a function call that can't be used. Try again."
            raise NodexaError("invalid_tool_call", message)
        known = FINISH.get(reason)
        if known is None:  # `OTHER`, `MALFORMED_RESPONSE`, … are no ends of an answer.
            raise broken(self._model, "broke off its answer. Try again")
        return known


def _end(place: Place, signature: bytes, length: int = 0) -> ReasoningEnd:
    return ReasoningEnd(Signature(place, signature, length).keep())


def _usage(counts: GenerateContentResponseUsageMetadata) -> TokenUsage | None:
    """Returns the counts; None where the prompt's is missing, for then they mean nothing."""
    if counts.prompt_token_count is None:
        return None
    thoughts = counts.thoughts_token_count or 0
    return TokenUsage(
        input_tokens=counts.prompt_token_count + (counts.tool_use_prompt_token_count or 0),
        output_tokens=(counts.candidates_token_count or 0) + thoughts,
        cached_tokens=counts.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )


def _logprobs(result: LogprobsResult) -> Sequence[TokenLogprob]:
    likeliest = [top.candidates or [] for top in result.top_candidates or ()]
    chosen = result.chosen_candidates or []
    likeliest += [[] for _ in chosen[len(likeliest) :]]
    return [
        _logprob(token, [_logprob(other) for other in others if other.log_probability is not None])
        for token, others in zip(chosen, likeliest, strict=False)
        if token.log_probability is not None
    ]


def _logprob(token: LogprobsResultCandidate, others: list[TokenLogprob] | None = None) -> TokenLogprob:
    text = token.token or ""
    return TokenLogprob(
        token=text, logprob=token.log_probability or 0.0, token_bytes=text.encode(), top_logprobs=others or ()
    )
