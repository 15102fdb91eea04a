"""What the Python SDK made of a stream: its pieces of text, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
)


def deltas(events: Iterable[Any]) -> list[str]:
    """The pieces of text among the events."""
    return [event.delta for event in events if event.type == "response.output_text.delta"]


def begun(event: object) -> Response:
    """The response as its first event tells it."""
    assert isinstance(event, ResponseCreatedEvent)
    return event.response


def ended(events: Iterable[object]) -> Response:
    """The response as the last of the events tells it."""
    *_, last = events
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent | ResponseFailedEvent)
    assert last.type.removeprefix("response.") == _ENDS.get(str(last.response.status), last.response.status)
    return last.response


_ENDS = {"requires_action": "completed", "cancelled": "incomplete"}
