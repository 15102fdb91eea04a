"""A response is the fold of its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from nodexa.v1.event_pb2 import ResponseEvent, TextDelta
from nodexa.v1.item_pb2 import ContentPart, Item
from nodexa.v1.response_pb2 import Response

from service.runner.calls import CALL_KINDS
from service.runner.parts import TEXT_KINDS, content_of

_SNAPSHOTS: Final = frozenset({"created", "queued", "in_progress", "completed", "incomplete", "failed"})
_TEXT_DELTAS: Final = frozenset({"output_text_delta", "refusal_delta", "reasoning_text_delta"})
_CALL_DELTAS: Final = frozenset(kind.delta for kind in CALL_KINDS.values())
_UNFOLDED: Final = frozenset(
    {
        "output_text_done",
        "refusal_done",
        "reasoning_text_done",
        "content_part_done",
        "reasoning_summary_text_done",
        "reasoning_summary_part_done",
        "function_call_arguments_done",
        "custom_tool_call_input_done",
        "item_progress",
        "mcp_call_arguments_done",
        "status",
        "error",
    }
)
"""Events that only repeat what their deltas said, that the next snapshot says, or that are of the moment."""

_Place = tuple[int, int]
"""The place of an item in the output, and that of a part in the item."""


class _Open:
    """What deltas said of parts and calls whose items may still be open."""

    def __init__(self) -> None:
        self.texts: dict[_Place, list[TextDelta]] = {}
        self.summaries: dict[_Place, list[str]] = {}
        self.calls: dict[int, list[str]] = {}


def fold(events: Iterable[ResponseEvent]) -> Response:
    """The response after `events`, which start at number 0; open items hold what their deltas said so far."""
    response = Response()
    heard = _Open()
    for event in events:
        kind = str(event.WhichOneof("kind"))
        if kind in _TEXT_DELTAS:
            text = getattr(event, kind)
            heard.texts.setdefault((text.output_index, text.content_index), []).append(text)
        elif kind in _CALL_DELTAS:
            piece = getattr(event, kind)
            heard.calls.setdefault(piece.output_index, []).append(piece.delta)
        elif kind == "reasoning_summary_text_delta":
            more = event.reasoning_summary_text_delta
            heard.summaries.setdefault((more.output_index, more.summary_index), []).append(more.delta)
        elif kind in _SNAPSHOTS:
            response.CopyFrom(getattr(event, kind).response)
        elif kind not in _UNFOLDED:
            _fold_structure(response, kind, event)
    _fill_open_items(response, heard)
    return response


def _fold_structure(response: Response, kind: str, event: ResponseEvent) -> None:
    if kind == "output_item_added":
        response.output.append(event.output_item_added.item)
    elif kind == "output_item_done":
        response.output[event.output_item_done.output_index].CopyFrom(event.output_item_done.item)
    elif kind == "content_part_added":
        added = event.content_part_added
        content_of(response.output[added.output_index]).append(added.part)
    elif kind == "reasoning_summary_part_added":
        summary = event.reasoning_summary_part_added
        response.output[summary.output_index].reasoning.summary.append(summary.part)
    elif kind == "output_text_annotation_added":
        note = event.output_text_annotation_added
        part = content_of(response.output[note.output_index])[note.content_index]
        part.output_text.annotations_json.append(note.annotation_json)
    else:
        raise ValueError(f"no rule to fold {kind}")


def _fill_open_items(response: Response, heard: _Open) -> None:
    open_items = {i: item for i, item in enumerate(response.output) if item.status == Item.STATUS_IN_PROGRESS}
    for (index, place), pieces in heard.texts.items():
        if index in open_items:
            part = content_of(open_items[index])[place]
            _fill(part, (piece.delta for piece in pieces))
            if part.HasField("output_text"):
                part.output_text.logprobs.extend(logprob for piece in pieces for logprob in piece.logprobs)
    for (index, place), said in heard.summaries.items():
        if index in open_items:
            _fill(open_items[index].reasoning.summary[place], said)
    _fill_calls(open_items, heard.calls)


def _fill_calls(open_items: Mapping[int, Item], calls: Mapping[int, list[str]]) -> None:
    for index, written in calls.items():
        kind = str(open_items[index].WhichOneof("kind")) if index in open_items else ""
        if kind in CALL_KINDS:
            setattr(getattr(open_items[index], kind), CALL_KINDS[kind].text, "".join(written))


def _fill(part: ContentPart, pieces: Iterable[str]) -> None:
    kind = str(part.WhichOneof("kind"))
    setattr(getattr(part, kind), TEXT_KINDS[kind].text, "".join(pieces))
