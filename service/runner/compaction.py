"""A conversation made short: its model writes a summary, which stands in the place of what it sums up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message, OutputText
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import ToolChoice

from service.errors import NodexaError
from service.model.chunk import Chunk, FinishReason, OutputItem, Status, text_of
from service.model.model import Model, Prompt
from service.runner.calls import answers, call_of
from service.runner.sealed import Sealed
from service.runner.summary_words import ASK, FRAME, SUMMARY
from service.runner.turn import Turn

INDEX: Final = -1
"""The OutputItem of a compaction; models count theirs from zero."""
_ROLES_THAT_STAY: Final = (Message.ROLE_SYSTEM, Message.ROLE_DEVELOPER)
_FOR_THE_ANSWER: Final = (
    "text",
    "stop",
    "max_output_tokens",
    "max_tool_calls",
    "top_logprobs",
    "include",
    "tool_choice",
    "parallel_tool_calls",
)
"""Settings that are meant for the answer and would spoil a summary."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A conversation in two: `old` goes into the summary, `kept` stays as it is behind it.

    What the application said with the force of instructions is in `old` too, and stays as it is before the summary.
    """

    old: Sequence[Item]
    kept: Sequence[Item]

    @property
    def worth(self) -> bool:
        """Whether a summary would say anything new."""
        said = [item for item in self.old if not _stays(item)]
        return len(said) > (2 if said[:1] == [_note()] else 0)


def before_the_answer(items: Sequence[Item]) -> Cut:
    """The cut of a prompt that is to be answered: what is new in it stays, the calls that it answers included."""
    start = len(items)
    while start and not _by_model(items[start - 1]):
        start -= 1
    if start == len(items):
        return Cut((), items)
    return _cut(items, _calls_from(items, start, {answers(item) for item in items[start:]}))


def whole(items: Sequence[Item]) -> Cut:
    """The cut of a conversation that is only made short: calls that wait for their outputs stay."""
    answered = {answers(item) for item in items}
    waiting = {call.call_id for item in items if (call := call_of(item))} - answered
    return _cut(items, _calls_from(items, len(items), waiting))


async def shortening_of(model: Model, prompt: Prompt, sealed: Sealed, *, spent: int | None) -> Shortening | None:
    """What must come before the answer to a prompt, by its `compact_threshold`; None for nothing.

    `spent` are the tokens of the turn before, for models that can't count. Where nobody knows any, nothing is done and
    the settings say so.
    """
    settings = prompt.settings
    if not settings.HasField("compact_threshold"):
        return None
    tokens = await _counted(model, prompt)
    if tokens is None and spent is None:
        settings.ignored.append("context_management")
        return None
    cut = before_the_answer(prompt.items)
    over = (tokens if tokens is not None else spent or 0) > settings.compact_threshold
    return Shortening(cut, sealed) if over and cut.worth else None


def shortening_of_all(prompt: Prompt, sealed: Sealed) -> Shortening:
    """The compaction of a conversation that is not to be answered. Raises NodexaError where there is none."""
    if not prompt.items:
        raise NodexaError("missing_required_field", "There is nothing to compact: give its items.", param="input")
    return Shortening(whole(prompt.items), sealed, only=True)


async def _counted(model: Model, prompt: Prompt) -> int | None:
    try:
        return await model.count(prompt.told())
    except NodexaError as refusal:
        if refusal.code != "tokens_not_countable":
            raise
        return None


@dataclass(frozen=True, slots=True)
class Shortening:
    """What comes before an answer, or, with `only`, in its place: the compaction of the turn's prompt at `cut`."""

    cut: Cut
    sealed: Sealed
    only: bool = False

    async def chunks(self, turn: Turn) -> AsyncGenerator[Sequence[Chunk], None]:
        """What the response shows of it; afterwards the turn has the short prompt, and the tokens in its usage.

        Raises NodexaError as models do, and `invalid_output` where no usable summary came.
        """
        yield [Status("compacting")]
        yield [OutputItem(INDEX, await self.item(turn), done=True)]

    async def item(self, turn: Turn) -> Item:
        """The compaction alone; otherwise as `chunks`."""
        items = await self._items(turn)
        turn.prompt = replace(turn.prompt, items=items)
        return self.sealed.compaction(items)

    async def _items(self, turn: Turn) -> Sequence[Item]:
        """The short prompt's items."""
        told = [*self.cut.old, _message(Message.ROLE_USER, ASK)]
        # What is known of the user would stay in the summary after it was changed or deleted.
        quiet = replace(turn.prompt, items=told, settings=_quiet(turn.prompt.settings), known=())
        asked = Turn(turn.model, quiet)
        try:
            summary = await _summary(asked)
        finally:
            turn.add_usage(asked.usage)
        stay = [item for item in self.cut.old if _stays(item)]
        said = _message(Message.ROLE_ASSISTANT, SUMMARY.format(summary=summary))
        return [*stay, _note(), said, *self.cut.kept]


async def _summary(turn: Turn) -> str:
    async with aclosing(turn.chunks()) as batches:
        summary = "".join([text_of(batch) async for batch in batches]).strip()
    if turn.reason is not FinishReason.STOP:
        raise _no_summary("The model's summary of the conversation was cut")
    if not summary:
        raise _no_summary("The model wrote no summary of the conversation")
    return summary


def _no_summary(what: str) -> NodexaError:
    return NodexaError(
        "invalid_output", f"{what}, so nothing was compacted. Try again, or let an assistant with another model do it."
    )


def _quiet(settings: ResponseSettings) -> ResponseSettings:
    """The settings for a summary: the tools stay in sight, so that servers find the prompt in their caches."""
    quiet = ResponseSettings()
    quiet.CopyFrom(settings)
    for name in _FOR_THE_ANSWER:
        quiet.ClearField(name)
    if quiet.tools.tools:
        quiet.tool_choice.mode = ToolChoice.MODE_NONE
    return quiet


def _cut(items: Sequence[Item], start: int) -> Cut:
    return Cut(items[:start], items[start:])


def _calls_from(items: Sequence[Item], start: int, call_ids: Collection[str]) -> int:
    """Where the first of these calls begins, with the thinking that led to it; `start` where none is before it."""
    places = (place for place, item in enumerate(items[:start]) if (call := call_of(item)) and call.call_id in call_ids)
    first = next(places, start)
    while first < start and first and items[first - 1].HasField("reasoning"):
        first -= 1
    return first


def _by_model(item: Item) -> bool:
    spoken = item.HasField("message") and item.message.role == Message.ROLE_ASSISTANT
    return spoken or item.HasField("reasoning") or call_of(item) is not None


def _stays(item: Item) -> bool:
    return item.HasField("message") and item.message.role in _ROLES_THAT_STAY


def _note() -> Item:
    return _message(Message.ROLE_USER, FRAME)


def _message(role: Message.Role.ValueType, text: str) -> Item:
    spoken = role == Message.ROLE_ASSISTANT
    part = ContentPart(output_text=OutputText(text=text)) if spoken else ContentPart(input_text=InputText(text=text))
    return Item(message=Message(role=role, content=[part]))
