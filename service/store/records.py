"""What is written and read of a response, apart from how."""

from __future__ import annotations

from dataclasses import dataclass

from nodexa.v1.item_pb2 import ItemList
from nodexa.v1.response_pb2 import Response, ResponseSettings


class LostRunError(RuntimeError):
    """The run is another core's now: whoever gets this writes no more of it."""


# Not frozen, though nobody changes it: each batch makes one.
@dataclass(slots=True)
class Segment:
    """A piece of the log: `data` is the serialized EventBatch of the events `first` to `last`."""

    first: int
    last: int
    data: bytes


# Not frozen, though nobody changes it: a long thread has a thousand of them.
@dataclass(slots=True)
class ResponseRow:
    """What is known of a response without opening it. Times are milliseconds since 1970; empty text means none."""

    id: str
    org_id: str
    assistant_id: str
    user_id: str
    key_id: str
    previous_response_id: str
    status: str
    background: bool
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class State:
    """Whether a response is final, and whether it outlived its log."""

    final: bool
    log_dropped: bool


# Not frozen either, and without a row, for the same reason.
@dataclass(slots=True)
class Turn:
    """One response as its successors see it: what was put in and what came out (`result` is None until final).

    `size` is that of both in bytes; `created_at` is in milliseconds since 1970.
    """

    id: str
    previous_response_id: str
    org_id: str
    user_id: str
    created_at: int
    input: ItemList
    result: Response | None
    size: int


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response read back: `result` is None while it is not final, and the log has to say how far it is."""

    row: ResponseRow
    settings: ResponseSettings
    result: Response | None
