"""A response's states: which may follow which, what they are called on disk, which event ends a stream with them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nodexa.v1.response_pb2 import Response

_S = Response

NEXT: Final[Mapping[Response.Status.ValueType, frozenset[Response.Status.ValueType]]] = MappingProxyType(
    {
        _S.STATUS_UNSPECIFIED: frozenset({_S.STATUS_QUEUED, _S.STATUS_IN_PROGRESS}),
        _S.STATUS_QUEUED: frozenset({_S.STATUS_IN_PROGRESS, _S.STATUS_CANCELLED, _S.STATUS_FAILED}),
        _S.STATUS_IN_PROGRESS: frozenset(
            {
                _S.STATUS_COMPLETED,
                _S.STATUS_REQUIRES_ACTION,
                _S.STATUS_FAILED,
                _S.STATUS_INCOMPLETE,
                _S.STATUS_CANCELLED,
            }
        ),
    }
)
"""State → the states that may follow it; a state that is not a key is final."""

TERMINAL_EVENT: Final[Mapping[Response.Status.ValueType, str]] = MappingProxyType(
    {
        _S.STATUS_COMPLETED: "completed",
        _S.STATUS_REQUIRES_ACTION: "completed",
        _S.STATUS_FAILED: "failed",
        _S.STATUS_INCOMPLETE: "incomplete",
        # No client knows an event named after cancellation; the snapshot's status tells.
        _S.STATUS_CANCELLED: "incomplete",
    }
)
"""Final state → the member of ResponseEvent.kind that says so."""


_WORDS: Final = MappingProxyType(
    {status: name.removeprefix("STATUS_").lower() for name, status in Response.Status.items()}
)


def word(status: Response.Status.ValueType) -> str:
    """The state's name on disk and on the HTTP wire: `in_progress`."""
    return _WORDS[status]


def is_final(status: Response.Status.ValueType) -> bool:
    """Whether nothing can follow."""
    return status not in NEXT


def advance(response: Response, status: Response.Status.ValueType) -> None:
    """Moves `response` on. Raises ValueError for a step that the table doesn't have: a bug of the caller."""
    if status not in NEXT.get(response.status, frozenset()):
        raise ValueError(f"{word(response.status)} can't become {word(status)}")
    response.status = status
