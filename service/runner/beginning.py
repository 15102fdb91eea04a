"""What a new response begins as: its row, and itself. Pure."""

from __future__ import annotations

from typing import Final

from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CreateResponseRequest

from service.runner.caller import Caller
from service.runner.fields import set_moment
from service.runner.lifecycle import word
from service.store.records import ResponseRow

_BEGUN: Final = word(Response.STATUS_IN_PROGRESS)


def row_of(
    request: CreateResponseRequest, caller: Caller, *, id: str, now: int, retention: int, background: bool
) -> ResponseRow:
    """The row of a response that begins `now`, kept for `retention`; both in milliseconds."""
    return ResponseRow(
        id=id,
        org_id=caller.org_id,
        assistant_id=request.assistant_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
        previous_response_id=request.previous_response_id,
        # Nothing waits in a queue yet: the first batch of the log leads to this state, in the background too.
        status=_BEGUN,
        background=background,
        created_at=now,
        expires_at=now + retention,
    )


def response_of(request: CreateResponseRequest, row: ResponseRow) -> Response:
    """The response of that row, before anything is told of it."""
    response = Response(id=row.id, assistant_id=row.assistant_id)
    # Each field that is set costs as much as a call, and most requests have none of these.
    if row.background:
        response.status = Response.STATUS_QUEUED
    if row.previous_response_id:
        response.previous_response_id = row.previous_response_id
    if request.conversation_id:
        response.conversation_id = request.conversation_id
    set_moment(response.create_time, row.created_at)
    return response
