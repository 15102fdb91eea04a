"""An answer that must obey a schema: it is held against it when it is whole, whatever the model's server promised.

What a reader has seen can't be taken back. So where nobody reads before the end, an answer is held back until it was
checked, and a wrong one is told to the model once; where somebody reads, a wrong one fails the response.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message, OutputText
from nodexa.v1.response_pb2 import JsonSchema

from service.errors import NodexaError
from service.model.chunk import Chunk, FinishReason, RefusalDelta, text_of
from service.model.model import Prompt
from service.runner.schema_evaluation import TooMuchError
from service.runner.schema_value import form_of
from service.runner.turn import Turn

LARGE: Final = 64 * 1024
AT_ONCE: Final = 10_000
"""The steps that are gone here and now; what needs more goes on in a thread, so that nobody else waits."""
AT_MOST: Final = 500_000
_TOLD: Final = (
    "Your answer can't be used: {problem}. Answer again, with nothing but JSON that obeys the schema, "
    "without any words before or behind it. The schema: {schema}"
)
_TRY_UNARY: Final = "Ask without stream and background: then the model gets a second try."
_SIMPLIFY: Final = "Write a simpler schema, or use a model whose server keeps to schemas."


def answered(turn: Turn) -> AsyncGenerator[Sequence[Chunk], None]:
    """`turn.chunks()`, of which the text obeys the strict schema that was asked for.

    Raises NodexaError `invalid_output` where it doesn't. Refusals, function calls and answers that a limit cut are not
    held against the schema.
    """
    form = turn.prompt.settings.text.format.json_schema
    if not form.strict:
        return turn.chunks()
    return _shown(turn, form) if turn.prompt.streaming else _held_back(turn, form)


async def _shown(turn: Turn, form: JsonSchema) -> AsyncGenerator[Sequence[Chunk], None]:
    answer = _Answer()
    async with aclosing(turn.chunks()) as batches:
        async for batch in batches:
            answer.chunks += batch
            yield batch
    if problem := await _problem(turn, answer, form):
        raise _invalid(problem, form, _TRY_UNARY)


async def _held_back(turn: Turn, form: JsonSchema) -> AsyncGenerator[Sequence[Chunk], None]:
    answer = await _heard(turn, form)
    if answer.problem:
        turn.prompt = _told(turn.prompt, answer, form)
        second = await _heard(turn, form)
        # A second try that fails leaves the first as what there is.
        answer = answer if second.failure else second
    if answer.chunks:
        yield answer.chunks
    if answer.failure:
        raise answer.failure
    if answer.problem:
        raise _invalid(answer.problem, form, _SIMPLIFY)


@dataclass(slots=True)
class _Answer:
    """What the model wrote in one try, and how that failed or what is wrong with it."""

    chunks: list[Chunk] = field(default_factory=list)
    failure: NodexaError | None = None
    problem: str = ""

    @property
    def text(self) -> str:
        return text_of(self.chunks)


async def _heard(turn: Turn, form: JsonSchema) -> _Answer:
    answer = _Answer()
    try:
        async with aclosing(turn.chunks()) as batches:
            async for batch in batches:
                answer.chunks += batch
        answer.problem = await _problem(turn, answer, form)
    except NodexaError as failure:
        answer.failure = failure
    return answer


async def _problem(turn: Turn, answer: _Answer, form: JsonSchema) -> str:
    """What is wrong with an answer; empty for a good one, and for one that need not be JSON.

    Raises NodexaError where that can't be known.
    """
    refused = any(isinstance(chunk, RefusalDelta) for chunk in answer.chunks)
    if turn.reason is not FinishReason.STOP or turn.calls or refused:
        return ""
    schema, text = form.schema_json, answer.text
    if len(schema) + len(text) <= LARGE:
        with suppress(TooMuchError):
            return form_of(schema).problem(text, steps=AT_ONCE)
    try:
        return await asyncio.to_thread(_thorough_problem, schema, text)
    except TooMuchError:
        raise NodexaError(
            "invalid_output",
            f"It takes too long to check the model's answer against the schema {form.name!r}. Write a simpler one.",
        ) from None


def _thorough_problem(schema: str, text: str) -> str:
    return form_of(schema).problem(text, steps=AT_MOST)


def _told(prompt: Prompt, answer: _Answer, form: JsonSchema) -> Prompt:
    """The prompt with the answer and what was wrong with it."""
    words = _TOLD.format(problem=answer.problem, schema=form.schema_json)
    told = Item(message=Message(role=Message.ROLE_USER, content=[ContentPart(input_text=InputText(text=words))]))
    if not answer.text:
        return replace(prompt, items=[*prompt.items, told])
    part = ContentPart(output_text=OutputText(text=answer.text))
    said = Item(message=Message(role=Message.ROLE_ASSISTANT, content=[part]))
    return replace(prompt, items=[*prompt.items, said, told])


def _invalid(problem: str, form: JsonSchema, advice: str) -> NodexaError:
    return NodexaError(
        "invalid_output", f"The model's answer doesn't obey the schema {form.name!r}: {problem}. {advice}"
    )
