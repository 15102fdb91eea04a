"""A response is the fold of its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence
from typing import Final

from nodexa.v1.event_pb2 import ResponseEvent, TextDelta
from nodexa.v1.item_pb2 import ContentPart, Item
from nodexa.v1.response_pb2 import Response

from service.runner.calls import CALL_KINDS

_SNAPSHOTS: Final = frozenset({"created", "queued", "in_progress", "completed", "incomplete", "failed"})
_TEXT_DELTAS: Final = frozenset({"output_text_delta", "refusal_delta", "reasoning_text_delta"})
_CALL_DELTAS: Final = frozenset(kind.delta for kind in CALL_KINDS.values())
_SUMMARIES: Final = frozenset(
    {
        "output_text_done",
        "refusal_done",
        "reasoning_text_done",
        "content_part_done",
        "function_call_arguments_done",
        "custom_tool_call_input_done",
        "error",
    }
)
"""Events that only repeat what their deltas said, or what the next snapshot says."""


def fold(events: Iterable[ResponseEvent]) -> Response:
    """The response after `events`, which start at number 0; open items hold what their deltas said so far."""
    response = Response()
    texts: dict[tuple[int, int], list[TextDelta]] = {}
    calls: dict[int, list[str]] = {}
    for event in events:
        kind = str(event.WhichOneof("kind"))
        if kind in _TEXT_DELTAS:
            text = getattr(event, kind)
            texts.setdefault((text.output_index, text.content_index), []).append(text)
        elif kind in _CALL_DELTAS:
            piece = getattr(event, kind)
            calls.setdefault(piece.output_index, []).append(piece.delta)
        elif kind == "output_item_added":
            response.output.append(event.output_item_added.item)
        elif kind == "content_part_added":
            added = event.content_part_added
            _parts(response.output[added.output_index]).append(added.part)
        elif kind == "output_item_done":
            response.output[event.output_item_done.output_index].CopyFrom(event.output_item_done.item)
        elif kind in _SNAPSHOTS:
            response.CopyFrom(getattr(event, kind).response)
        elif kind not in _SUMMARIES:
            raise ValueError(f"no rule to fold {kind}")
    _fill_open_items(response, texts, calls)
    return response


def _fill_open_items(
    response: Response, texts: dict[tuple[int, int], list[TextDelta]], calls: dict[int, list[str]]
) -> None:
    open_items = {i: item for i, item in enumerate(response.output) if item.status == Item.STATUS_IN_PROGRESS}
    for (index, content_index), pieces in texts.items():
        if index in open_items:
            part = _parts(open_items[index])[content_index]
            content = getattr(part, str(part.WhichOneof("kind")))
            setattr(content, "refusal" if part.HasField("refusal") else "text", "".join(p.delta for p in pieces))
            if part.HasField("output_text"):
                part.output_text.logprobs.extend(logprob for piece in pieces for logprob in piece.logprobs)
    for index, written in calls.items():
        kind = str(open_items[index].WhichOneof("kind")) if index in open_items else ""
        if kind in CALL_KINDS:
            setattr(getattr(open_items[index], kind), CALL_KINDS[kind].text, "".join(written))


def _parts(item: Item) -> MutableSequence[ContentPart]:
    return item.reasoning.content if item.HasField("reasoning") else item.message.content
