"""Content parts as they are written: which member holds the text, and which events tell of it. Pure."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodexa.v1.item_pb2 import ContentPart, Item, TokenLogprob


@dataclass(frozen=True, slots=True)
class TextKind:
    """How text of one kind is told: the part's text field, the events of it, and the field for the part's place."""

    text: str
    delta: str
    done: str
    place: str = "content_index"
    part_added: str = "content_part_added"
    part_done: str = "content_part_done"


TEXT_KINDS: Final = {
    "output_text": TextKind("text", "output_text_delta", "output_text_done"),
    "refusal": TextKind("refusal", "refusal_delta", "refusal_done"),
    "reasoning_text": TextKind("text", "reasoning_text_delta", "reasoning_text_done"),
    "summary_text": TextKind(
        "text",
        "reasoning_summary_text_delta",
        "reasoning_summary_text_done",
        "summary_index",
        "reasoning_summary_part_added",
        "reasoning_summary_part_done",
    ),
}
"""By the part's member of ContentPart.kind."""


def part_of(
    kind: str, text: str, logprobs: Sequence[TokenLogprob] = (), annotations: Sequence[str] = ()
) -> ContentPart:
    """A part of that kind; only the text of a message has anything besides."""
    content: dict[str, Any] = {TEXT_KINDS[kind].text: text}
    if logprobs:
        content["logprobs"] = logprobs
    if annotations:
        content["annotations_json"] = annotations
    members: dict[str, Any] = {kind: content}
    return ContentPart(**members)


def text_of(part: ContentPart) -> str:
    """What a part says."""
    kind = str(part.WhichOneof("kind"))
    return str(getattr(getattr(part, kind), TEXT_KINDS[kind].text))


def content_of(item: Item) -> MutableSequence[ContentPart]:
    """The content of a message or a reasoning item."""
    return item.reasoning.content if item.HasField("reasoning") else item.message.content


def parts_of(item: Item, kind: str) -> MutableSequence[ContentPart]:
    """Where a message or a reasoning item has its parts of that kind."""
    return item.reasoning.summary if kind == "summary_text" else content_of(item)


def part_left_open(item: Item) -> tuple[str, int] | None:
    """The kind and the place of the part that was written last; summaries come after all thinking of their item."""
    for parts in (item.reasoning.summary, item.reasoning.content, item.message.content):
        if parts:
            return str(parts[-1].WhichOneof("kind")), len(parts) - 1
    return None
