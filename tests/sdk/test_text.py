"""Text through the Python SDK: whole, as a stream, with the stream helper, over several turns."""

from __future__ import annotations

import openai

from tests.sdk.stack import Stack
from tests.sdk.told import begun, deltas, ended


def test_a_response_comes_whole(client: openai.OpenAI, assistant: str) -> None:
    response = client.responses.create(model=assistant, input="Hello, wide world")
    assert (response.status, response.output_text) == ("completed", "Hello, wide world")
    assert response.model == assistant
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (3, 3, 6)


def test_a_stream_brings_the_text_piece_by_piece(client: openai.OpenAI, assistant: str) -> None:
    events = list(client.responses.create(model=assistant, input="Hello, wide world", stream=True))
    assert deltas(events) == ["Hello,", " wide", " world"]
    assert ended(events).output_text == "Hello, wide world"


def test_the_stream_helper_gives_the_final_response(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.stream(model=assistant, input="Hello, wide world") as stream:
        pieces = deltas(list(stream))
        final = stream.get_final_response()
    assert pieces == ["Hello,", " wide", " world"]
    assert (final.status, final.output_text) == ("completed", "Hello, wide world")
    assert final.usage
    assert final.usage.total_tokens == 6


def test_the_stream_helper_waits_for_the_end_by_itself(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.stream(model=assistant, input="count 30") as stream:
        assert stream.get_final_response().output_text.endswith("29 30")


def test_a_piece_arrives_while_the_model_still_writes(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.create(model=assistant, input="hang One two", stream=True) as stream:
        started = begun(next(stream))
        first = next(event for event in stream if event.type == "response.output_text.delta")
        assert first.delta == "One"
        client.responses.cancel(started.id)
        cancelled = ended(stream)
    assert (cancelled.status, cancelled.output_text) == ("cancelled", "One")


async def test_the_asynchronous_client_gets_the_same(async_client: openai.AsyncOpenAI, assistant: str) -> None:
    whole = await async_client.responses.create(model=assistant, input="Hello, wide world")
    streamed = await async_client.responses.create(model=assistant, input="Hello, wide world", stream=True)
    events = [event async for event in streamed]
    async with async_client.responses.stream(model=assistant, input="Hello, wide world") as stream:
        helped = [event async for event in stream]
        final = await stream.get_final_response()
    assert whole.output_text == final.output_text == "Hello, wide world"
    assert deltas(events) == deltas(helped) == ["Hello,", " wide", " world"]


def test_a_second_turn_knows_the_first_one(client: openai.OpenAI, assistant: str) -> None:
    first = client.responses.create(model=assistant, input="My name is Alice.")
    second = client.responses.create(model=assistant, input="recall", previous_response_id=first.id)
    assert second.output_text == "My name is Alice."
    assert second.previous_response_id == first.id


def test_a_second_turn_knows_the_first_one_in_streams(client: openai.OpenAI, assistant: str) -> None:
    first = ended(client.responses.create(model=assistant, input="My name is Bob.", stream=True))
    events = list(client.responses.create(model=assistant, input="recall", previous_response_id=first.id, stream=True))
    assert "".join(deltas(events)) == "My name is Bob."


def test_a_response_can_be_continued_twice(client: openai.OpenAI, assistant: str) -> None:
    first = client.responses.create(model=assistant, input="My name is Carol.")
    for _ in range(2):
        with client.responses.stream(model=assistant, input="recall", previous_response_id=first.id) as stream:
            assert stream.get_final_response().output_text == "My name is Carol."


def test_instructions_reach_the_model_and_are_not_inherited(client: openai.OpenAI, assistant: str) -> None:
    first = client.responses.create(model=assistant, input="instructions", instructions="Speak Latin.")
    second = client.responses.create(model=assistant, input="instructions", previous_response_id=first.id)
    assert (first.output_text, second.output_text) == ("Speak Latin.", "nothing")


def test_a_conversation_outlives_a_restart_of_everything(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    first = client.responses.create(model=assistant, input="My name is Dora.")
    streamed = client.responses.create(model=assistant, input="Hello again", previous_response_id=first.id, stream=True)
    second = ended(streamed)
    stack.restart()
    assert client.responses.retrieve(first.id) == first
    third = client.responses.create(model=assistant, input="recall", previous_response_id=second.id)
    assert third.output_text == "My name is Dora."
    (asked,) = stack.asked("My name is Dora.")
    told = [message["content"] for message in asked["messages"]]
    assert told == ["My name is Dora.", "My name is Dora.", "Hello again", "Hello again", "recall"]
