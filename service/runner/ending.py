"""How a run ends: by itself, stopped from outside, or without an end."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TypeAlias, TypedDict

from nodexa.v1.response_pb2 import Response

from service.model.chunk import FinishReason
from service.runner.lifecycle import word
from service.runner.rounds import Rounds
from service.runner.turn import Turn

Status: TypeAlias = Response.Status.ValueType


class Stop(enum.Enum):
    """Why a run is stopped from outside."""

    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class RefusedError(RuntimeError):
    """The store took nothing of a run, which stops without an end: its `refusal` says why."""


class Ended(TypedDict):
    """What is written of the end besides the log."""

    status: str
    result: bytes
    finished_at: int
    item_ids: Sequence[str]


def outcome(turn: Turn, rounds: Rounds | None) -> tuple[Status, str]:
    """What a response has come to whose model has said its last, and why it's incomplete, if it is."""
    if rounds and rounds.cut:
        return Response.STATUS_INCOMPLETE, rounds.cut
    if turn.reason is FinishReason.LENGTH:
        return Response.STATUS_INCOMPLETE, "max_output_tokens"
    if turn.reason is FinishReason.CONTENT_FILTER:
        return Response.STATUS_INCOMPLETE, "content_filter"
    waits = rounds.waits if rounds else turn.calls
    return (Response.STATUS_REQUIRES_ACTION if waits else Response.STATUS_COMPLETED), ""


def ended(response: Response, result: bytes) -> Ended:
    """What is written of a final response, which is `result` when it's serialized."""
    return {
        "status": word(response.status),
        "result": result,
        "finished_at": response.complete_time.ToMilliseconds(),
        "item_ids": [item.id for item in response.output],
    }
