"""Conversations through the Python SDK: kept, listed page by page, and gone on with in every way."""

from __future__ import annotations

from typing import Any, Literal

import openai
import pytest
from openai.types.conversations import Message
from openai.types.responses import ResponseFunctionToolCall

from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS
from tests.sdk.told import begun, ended


def said(client: openai.OpenAI, conversation_id: str) -> list[str]:
    """What each item says, the oldest first: a message's text, or else its type."""
    items = client.conversations.items.list(conversation_id, order="asc", limit=3)
    return [getattr(item.content[0], "text", "") if isinstance(item, Message) else item.type for item in items]


def users(*texts: str) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


def test_a_conversation_is_made_updated_and_deleted(client: openai.OpenAI) -> None:
    made = client.conversations.create(items=users("Hi"), metadata={"a": "b"})
    assert client.conversations.retrieve(made.id) == made
    updated = client.conversations.update(made.id, metadata={"c": "d"})
    assert (made.metadata, updated.metadata) == ({"a": "b"}, {"c": "d"})
    assert client.conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError) as gone:
        client.conversations.retrieve(made.id)
    assert (gone.value.code, gone.value.param) == ("conversation_not_found", "id")


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_sdk_pages_through_the_items(client: openai.OpenAI, order: Literal["asc", "desc"]) -> None:
    conversation = client.conversations.create(items=users(*"abcdefg"))
    listed = client.conversations.items.list(
        conversation.id, order=order, limit=3, include=["message.input_image.image_url"]
    )
    texts = [item.content[0].text for item in listed if isinstance(item, Message)]  # type: ignore[union-attr]
    assert texts == (list("abcdefg") if order == "asc" else list("gfedcba"))


def test_an_empty_conversation_has_an_empty_list(client: openai.OpenAI) -> None:
    conversation = client.conversations.create()
    assert list(client.conversations.items.list(conversation.id)) == []


def test_items_are_added_shown_and_taken_out(client: openai.OpenAI) -> None:
    conversation = client.conversations.create(items=[])
    echoed: Any = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]}
    unknown: Any = {"type": "local_shell_call_output", "id": "lso_1", "call_id": "call_1", "output": "{}"}
    added = client.conversations.items.create(conversation.id, items=[*users("Hi"), echoed, unknown])
    first = added.data[0]
    assert isinstance(first, Message)
    assert client.conversations.items.retrieve(str(first.id), conversation_id=conversation.id) == first
    assert said(client, conversation.id) == ["Hi", "Yes?", "local_shell_call_output"]
    assert client.conversations.items.delete(str(first.id), conversation_id=conversation.id) == conversation
    assert said(client, conversation.id) == ["Yes?", "local_shell_call_output"]


def test_turns_of_every_kind_go_on_with_one_conversation(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    name = client.conversations.create(items=users("My name is Grace")).id
    whole = client.responses.create(model=assistant, input="One", conversation=name)
    streamed = ended(client.responses.create(model=assistant, input="Two", conversation={"id": name}, stream=True))
    with client.responses.stream(model=assistant, input="Three", conversation=name) as stream:
        helped = stream.get_final_response()
    started = client.responses.create(model=assistant, input="Four", conversation=name, background=True)
    background = ended(client.responses.retrieve(started.id, stream=True))
    recalled = client.responses.create(model=assistant, input="recall", conversation=name)

    for response in (whole, streamed, helped, background, recalled):
        assert response.conversation is not None
        assert response.conversation.id == name
    assert recalled.output_text == "My name is Grace"
    turns = ["One", "One", "Two", "Two", "Three", "Three", "Four", "Four"]
    assert said(client, name) == ["My name is Grace", *turns, "recall", "My name is Grace"]
    (asked,) = [each for each in stack.asked("Grace") if each["messages"][-1]["content"] == "recall"]
    assert [message["content"] for message in asked["messages"][-10:]] == ["My name is Grace", *turns, "recall"]


def test_two_calls_are_answered_in_the_conversation(client: openai.OpenAI, assistant: str) -> None:
    name = client.conversations.create().id
    asked = client.responses.create(
        model=assistant, input="call weather in Paris and Rome", conversation=name, tools=TOOLS
    )
    calls = [item for item in asked.output if isinstance(item, ResponseFunctionToolCall)]
    outputs: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": city}
        for call, city in zip(calls, ("Paris", "Rome"), strict=True)
    ]
    answered = client.responses.create(model=assistant, input=outputs, conversation=name)
    assert (asked.status, answered.output_text) == ("requires_action", "The tools said: Paris; Rome")
    called = ["function_call"] * 2 + ["function_call_output"] * 2
    assert said(client, name) == ["call weather in Paris and Rome", *called, "The tools said: Paris; Rome"]


def test_a_locked_conversation_is_refused_once_and_free_again(client: openai.OpenAI, assistant: str) -> None:
    name = client.conversations.create().id
    stream = client.responses.create(model=assistant, input="hang One two", conversation=name, stream=True)
    running = begun(next(stream))
    with pytest.raises(openai.ConflictError) as locked:
        client.responses.create(model=assistant, input="Me too", conversation=name)
    assert (locked.value.code, locked.value.param) == ("conversation_locked", "conversation")
    assert locked.value.response.request.headers["x-stainless-retry-count"] == "0"
    client.responses.cancel(running.id)
    assert client.responses.create(model=assistant, input="Now", conversation=name).output_text == "Now"
    assert said(client, name) == ["Now", "Now"]


def test_both_ways_at_once_are_refused(client: openai.OpenAI, assistant: str) -> None:
    name = client.conversations.create().id
    first = client.responses.create(model=assistant, input="Hi")
    with pytest.raises(openai.BadRequestError, match="send one of them") as refused:
        client.responses.create(model=assistant, input="Hi", conversation=name, previous_response_id=first.id)
    assert refused.value.param == "conversation"
