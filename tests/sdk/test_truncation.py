"""A conversation that its model can't read any more: it goes on without its beginning, where the client wants that."""

from __future__ import annotations

import openai
import pytest


def conversation(client: openai.OpenAI, assistant: str) -> str:
    """The id of the second of two turns, of four items together."""
    first = client.responses.create(model=assistant, input="Good morning")
    return client.responses.create(model=assistant, input="How are you?", previous_response_id=first.id).id


def test_auto_leaves_out_the_oldest_turn(client: openai.OpenAI, assistant: str) -> None:
    previous = conversation(client, assistant)

    response = client.responses.create(
        model=assistant, input="fits 3 Here I am", previous_response_id=previous, truncation="auto"
    )

    assert (response.output_text, response.truncation) == ("Here I am", "auto")
    assert response.to_dict()["nodexa"] == {"ignored": [], "truncated_items": 2}


def test_a_stream_of_it_is_one_that_every_client_reads(client: openai.OpenAI, assistant: str) -> None:
    previous = conversation(client, assistant)

    with client.responses.stream(
        model=assistant, input="fits 3 Here I am", previous_response_id=previous, truncation="auto"
    ) as stream:
        assert stream.get_final_response().output_text == "Here I am"


def test_without_auto_it_is_refused(client: openai.OpenAI, assistant: str) -> None:
    previous = conversation(client, assistant)

    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=assistant, input="fits 3 Here I am", previous_response_id=previous)

    assert caught.value.code == "context_length_exceeded"
