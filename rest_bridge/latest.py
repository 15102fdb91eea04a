"""The latest response of one connection where nothing stored it, so that this connection can continue it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent, ResponseSnapshot
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, Usage
from nodexa.v1.response_service_pb2 import CreateResponseRequest

_CONTINUABLE: Final = frozenset(
    {Response.STATUS_COMPLETED, Response.STATUS_REQUIRES_ACTION, Response.STATUS_INCOMPLETE}
)


@dataclasses.dataclass(frozen=True, slots=True)
class Latest:
    """What a response was asked and said, behind the stored response or the conversation, if one isn't empty."""

    response_id: str
    previous_response_id: str
    conversation_id: str
    items: Sequence[Item]


def put_before(latest: Latest, request: CreateResponseRequest) -> None:
    """Makes the request one that says everything by itself: what is remembered comes before its input."""
    items = [*latest.items, *request.input]
    del request.input[:]
    request.input.extend(items)
    request.previous_response_id = latest.previous_response_id
    request.conversation_id = request.conversation_id or latest.conversation_id


def remembered(request: CreateResponseRequest, final: Response, *, max_bytes: int) -> Latest | None:
    """What to keep of a response; None where it is stored, can't be continued, or is too large to be kept."""
    stored = request.settings.store or not request.settings.HasField("store")
    if stored or final.status not in _CONTINUABLE:
        return None
    # A function call that was cut can't be answered.
    said = [
        item for item in final.output if not (item.HasField("function_call") and item.status == Item.STATUS_INCOMPLETE)
    ]
    items = [*request.input, *said]
    if sum(item.ByteSize() for item in items) > max_bytes:
        return None
    return Latest(final.id, request.previous_response_id, request.conversation_id, items)


def warm_up(request: CreateResponseRequest, *, response_id: str, now: Timestamp) -> EventBatch:
    """The events of a response that asks no model: begun and completed at once, without output."""
    begun = Response(
        id=response_id,
        assistant_id=request.assistant_id,
        previous_response_id=request.previous_response_id,
        conversation_id=request.conversation_id,
        status=Response.STATUS_IN_PROGRESS,
        create_time=now,
    )
    done = Response(complete_time=now, usage=Usage())
    done.MergeFrom(begun)
    done.status = Response.STATUS_COMPLETED
    return EventBatch(
        settings=request.settings,
        events=[
            ResponseEvent(sequence_number=0, created=ResponseSnapshot(response=begun)),
            ResponseEvent(sequence_number=1, in_progress=ResponseSnapshot(response=begun)),
            ResponseEvent(sequence_number=2, completed=ResponseSnapshot(response=done)),
        ],
    )
