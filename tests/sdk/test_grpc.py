"""One response, two transports: gRPC tells what the SDK was told, with the same numbers."""

from __future__ import annotations

import openai
import pytest
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_service_pb2 import WatchResponseRequest

from rest_bridge.wire.event_body import event_name
from tests.conftest import events_in
from tests.rest_bridge.ladder import events_of
from tests.sdk.stack import Stack
from tests.sdk.stories import STORIES, TOOLS
from tests.sdk.told import begun
from tests.service.cli.served import SECONDS


def name_of(event: ResponseEvent) -> str:
    """Its `type` word over HTTP."""
    kind = str(event.WhichOneof("kind"))
    return event_name(kind, getattr(event, kind))


def watched(stack: Stack, response_id: str, *, after: int | None = None) -> list[ResponseEvent]:
    """The events of a response that come after a number, over gRPC."""
    request = WatchResponseRequest(id=response_id, starting_after=after)
    with stack.responses() as responses:
        return events_in(list(responses.WatchResponse(request, metadata=stack.metadata, timeout=SECONDS)))


@pytest.mark.parametrize("said", STORIES.values(), ids=STORIES.keys())
def test_both_transports_tell_the_same_events_with_the_same_numbers(
    client: openai.OpenAI, assistant: str, stack: Stack, said: str
) -> None:
    raw = client.responses.with_streaming_response
    with raw.create(model=assistant, input=said, tools=TOOLS, stream=True) as answer:
        events = events_of(answer.read())
    told = [(event["sequence_number"], event["type"]) for event in events]
    response_id = events[0]["response"]["id"]
    for after in (None, 0, len(told) // 2, len(told) - 1):
        found = watched(stack, response_id, after=after)
        numbered = [(event.sequence_number, name_of(event)) for event in found]
        assert numbered == told[0 if after is None else after + 1 :]


def test_a_response_can_be_followed_over_both_while_it_is_made(
    client: openai.OpenAI, assistant: str, stack: Stack
) -> None:
    with client.responses.create(model=assistant, input="hang One two", stream=True) as stream:
        created = next(stream)
        request = WatchResponseRequest(id=begun(created).id)
        with stack.responses() as responses:
            batches = responses.WatchResponse(request, metadata=stack.metadata, timeout=SECONDS)
            first = next(batches)
            client.responses.cancel(request.id)
            over_grpc = [event.sequence_number for event in events_in([first, *batches])]
        over_http = [created.sequence_number, *(event.sequence_number for event in stream)]
    assert over_grpc == over_http
