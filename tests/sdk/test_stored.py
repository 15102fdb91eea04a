"""What stays of a response, through the Python SDK: fetched, resumed, cancelled, deleted, and its input listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest

from tests.rest_bridge.ladder import events_of
from tests.sdk.stack import Stack
from tests.sdk.stories import STORIES, TOOLS
from tests.sdk.told import begun, ended


@pytest.fixture
def hanging(client: openai.OpenAI, assistant: str) -> Iterator[str]:
    """A background response whose model has fallen silent after its first word."""
    response = client.responses.create(model=assistant, input="hang One two", background=True)
    yield response.id
    client.responses.cancel(response.id)


def first_text(stream: Any) -> str:
    """The id of the streamed response, read as far as its first piece of text."""
    response_id = begun(next(stream)).id
    next(event for event in stream if event.type == "response.output_text.delta")
    return response_id


@pytest.mark.parametrize("said", STORIES.values(), ids=STORIES.keys())
def test_a_stream_resumed_from_any_number_is_exactly_the_rest(client: openai.OpenAI, assistant: str, said: str) -> None:
    raw = client.responses.with_streaming_response
    with raw.create(model=assistant, input=said, tools=TOOLS, stream=True) as answer:
        whole = answer.read()
    events = events_of(whole)
    frames = whole.split(b"\n\n")
    for number in range(len(events)):
        with raw.retrieve(events[0]["response"]["id"], stream=True, starting_after=number) as answer:
            assert answer.read() == b"\n\n".join(frames[number + 1 :])


def test_the_sdk_reads_a_resumed_stream_as_it_read_the_first(client: openai.OpenAI, assistant: str) -> None:
    created, *events = client.responses.create(model=assistant, input="Hello, wide world", stream=True)
    assert list(client.responses.retrieve(begun(created).id, stream=True, starting_after=0)) == events


def test_a_fetched_response_is_the_one_that_was_made(client: openai.OpenAI, assistant: str) -> None:
    made = client.responses.create(model=assistant, input="Hello", metadata={"a": "b"}, user="alice")
    fetched = client.responses.retrieve(made.id, include=["message.output_text.logprobs"])
    assert fetched == made
    assert (fetched.metadata, fetched.user) == ({"a": "b"}, "alice")


def test_the_stream_helper_takes_up_a_stored_response(client: openai.OpenAI, assistant: str) -> None:
    made = client.responses.create(model=assistant, input="Hello, wide world")
    with client.responses.stream(response_id=made.id, starting_after=5) as stream:
        events = list(stream)
        assert stream.get_final_response().output_text == "Hello, wide world"
    assert [event.sequence_number for event in events] == list(range(6, 6 + len(events)))


def test_a_background_response_can_be_watched_from_its_beginning(client: openai.OpenAI, assistant: str) -> None:
    started = client.responses.create(model=assistant, input="Hello, wide world", background=True)
    assert started.status in ("queued", "in_progress")
    finished = ended(client.responses.retrieve(started.id, stream=True))
    assert (finished.status, finished.output_text) == ("completed", "Hello, wide world")
    assert client.responses.retrieve(started.id) == finished


def test_cancelling_stops_a_background_response(client: openai.OpenAI, hanging: str) -> None:
    cancelled = client.responses.cancel(hanging)
    assert cancelled.status == "cancelled"
    assert client.responses.cancel(hanging) == client.responses.retrieve(hanging) == cancelled
    assert ended(client.responses.retrieve(hanging, stream=True)) == cancelled


def test_a_response_that_was_left_can_be_taken_up_again(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.create(model=assistant, input="hang One two", stream=True) as stream:
        response_id = first_text(stream)
    with client.responses.retrieve(response_id, stream=True) as stream:
        assert first_text(stream) == response_id
        client.responses.cancel(response_id)
        assert ended(stream).status == "cancelled"


def test_a_deleted_response_is_gone(client: openai.OpenAI, assistant: str) -> None:
    made = client.responses.create(model=assistant, input="Hello")
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(made.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=assistant, input="recall", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"


def test_what_is_not_to_be_stored_cannot_be_fetched(client: openai.OpenAI, assistant: str) -> None:
    made = client.responses.create(model=assistant, input="Hello", store=False)
    assert made.output_text == "Hello"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_input_is_listed_page_by_page(
    client: openai.OpenAI, assistant: str, order: Literal["asc", "desc"], limit: int
) -> None:
    texts = ["one", "two", "three", "four", "five"]
    made = client.responses.create(model=assistant, input=[{"role": "user", "content": text} for text in texts])
    pages = list(client.responses.input_items.list(made.id, order=order, limit=limit).iter_pages())
    assert [len(page.data) for page in pages] == [min(limit, 5 - at) for at in range(0, 5, limit)]
    items: list[Any] = [item for page in pages for item in page.data]
    listed = [item.content[0].text for item in items]
    assert listed == (texts if order == "asc" else texts[::-1])
    assert len({item.id for item in items}) == 5


def test_the_input_of_a_turn_is_its_own_only(client: openai.OpenAI, assistant: str) -> None:
    first = client.responses.create(model=assistant, input="one")
    second = client.responses.create(model=assistant, input="two", previous_response_id=first.id)
    items: list[Any] = list(client.responses.input_items.list(second.id))
    assert [item.content[0].text for item in items] == ["two"]


def test_assistants_are_listed_as_models(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {assistant, stack.quickstart["NODEXA_ASSISTANT_ID"]} <= set(models)
    assert client.models.retrieve(assistant) == models[assistant]
    assert models[assistant].object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("asst_00000000-0000-7000-8000-000000000000")


def test_another_user_finds_nothing(client: openai.OpenAI, assistant: str) -> None:
    alice, bob = ({"x-user-id": name} for name in ("alice", "bob"))
    made = client.responses.create(model=assistant, input="Hello", extra_headers=alice)
    assert client.responses.retrieve(made.id, extra_headers=alice) == made
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id, extra_headers=bob)
