"""Content parts as they are written: which member holds the text, and which events tell of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodexa.v1.item_pb2 import ContentPart, TokenLogprob


@dataclass(frozen=True, slots=True)
class TextKind:
    """How text of one kind is told: the part's member and its text field, and the two events about it."""

    part: str
    text: str
    delta: str
    done: str


TEXT_KINDS: Final = {
    "output_text": TextKind("output_text", "text", "output_text_delta", "output_text_done"),
    "refusal": TextKind("refusal", "refusal", "refusal_delta", "refusal_done"),
    "reasoning_text": TextKind("reasoning_text", "text", "reasoning_text_delta", "reasoning_text_done"),
}


def text_field(kind: str) -> str:
    """The field that holds the text of a part of that kind."""
    return "refusal" if kind == "refusal" else "text"


def part_of(kind: str, text: str, logprobs: Sequence[TokenLogprob] = ()) -> ContentPart:
    """A part of that kind."""
    described = TEXT_KINDS[kind]
    content: dict[str, Any] = {described.text: text}
    if logprobs:
        content["logprobs"] = logprobs
    members: dict[str, Any] = {described.part: content}
    return ContentPart(**members)
