"""References to items through the Python SDK, as clients send them that name what the server already has."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS


def test_earlier_answers_and_calls_can_be_named(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    said = client.responses.create(model=assistant, input="Remember the heron")
    asked = client.responses.create(model=assistant, input="call weather in Paris", tools=TOOLS)
    (call,) = asked.output
    assert call.type == "function_call"
    items: list[Any] = [
        {"role": "user", "content": "Remember the heron"},
        {"type": "item_reference", "id": said.output[0].id},
        {"role": "user", "content": "call weather in Paris"},
        {"id": call.id},
        {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"},
    ]
    answered = client.responses.create(model=assistant, input=items)
    assert answered.output_text == "The tools said: 21 degrees"
    assert answered.to_dict()["nodexa"] == {"ignored": []}
    messages = stack.asked("Remember the heron")[-1]["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "user", "assistant", "tool"]
    kept = [item.to_dict()["type"] for item in client.responses.input_items.list(answered.id, order="asc")]
    assert kept == ["message", "message", "message", "function_call", "function_call_output"]


def test_an_unknown_item_is_refused_by_its_place(client: openai.OpenAI, assistant: str) -> None:
    items: list[Any] = [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_none"}]
    with pytest.raises(openai.BadRequestError, match="send the item itself") as refusal:
        client.responses.create(model=assistant, input=items)
    assert (refusal.value.code, refusal.value.param) == ("invalid_request", "input[1].id")
