"""Custom tools, namespaces and allowed tools through the Python SDK, over a model server that knows only functions."""

from __future__ import annotations

from typing import Any, Final

import openai
import pytest
from openai.types.responses import CustomToolParam, NamespaceToolParam

from tests.sdk.stack import Stack
from tests.sdk.stories import CITY, TOOLS
from tests.sdk.told import ended

SHELL: Final[CustomToolParam] = {"type": "custom", "name": "shell", "description": "Runs a command."}
PATCH: Final[CustomToolParam] = {
    "type": "custom",
    "name": "patch",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
}
CRM: Final[NamespaceToolParam] = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers.",
    "tools": [{"type": "function", "name": "lookup", "parameters": CITY}],
}


def ignored(response: Any) -> list[str]:
    """What had no effect."""
    found: list[str] = response.to_dict()["nodexa"]["ignored"]
    return found


def test_a_custom_tool_is_called_with_text_and_answered(client: openai.OpenAI, assistant: str) -> None:
    asked = client.responses.create(model=assistant, input='call shell in echo "ä"', tools=[SHELL])
    (call,) = asked.output
    assert call.type == "custom_tool_call"
    assert (call.name, call.input, str(asked.status)) == ("shell", 'echo "ä"', "requires_action")
    assert ignored(asked) == []
    answered = client.responses.create(
        model=assistant,
        input=[{"type": "custom_tool_call_output", "call_id": call.call_id, "output": "ä"}],
        previous_response_id=asked.id,
        tools=[SHELL],
    )
    assert answered.output_text == "The tools said: ä"


def test_its_text_is_streamed(client: openai.OpenAI, assistant: str) -> None:
    events = list(
        client.responses.create(
            model=assistant, input="call shell in ls -l --sort size --reverse", tools=[SHELL], stream=True
        )
    )
    pieces = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    (done,) = [event.input for event in events if event.type == "response.custom_tool_call_input.done"]
    assert "".join(pieces) == done == "ls -l --sort size --reverse"
    assert len(pieces) > 1
    assert [item.type for item in ended(events).output] == ["custom_tool_call"]


def test_a_client_that_keeps_everything_itself_sends_it_back(
    client: openai.OpenAI, assistant: str, stack: Stack
) -> None:
    history: list[Any] = [{"role": "user", "content": "call shell in Codex"}]
    tools: list[Any] = [*TOOLS, SHELL, CRM]
    asked = client.responses.create(model=assistant, input=history, tools=tools, store=False)
    history += [item.to_dict() for item in asked.output]
    history += [
        {"type": "custom_tool_call_output", "call_id": item.call_id, "output": "done"}
        for item in asked.output
        if item.type == "custom_tool_call"
    ]
    history.append({"role": "user", "content": "call lookup in Kodex"})
    looked = client.responses.create(model=assistant, input=history, tools=tools, store=False)
    history += [item.to_dict() for item in looked.output]
    history += [
        {"type": "function_call_output", "call_id": item.call_id, "output": "found"}
        for item in looked.output
        if item.type == "function_call"
    ]
    last = client.responses.create(model=assistant, input=history, tools=tools, store=False)
    assert last.output_text == "The tools said: found"
    assert ignored(last) == []
    messages = stack.asked("Kodex")[-1]["messages"]
    called = [call["function"] for each in messages for call in each.get("tool_calls", ())]
    assert called == [
        {"name": "shell", "arguments": '{"input": "Codex"}'},
        {"name": "crm__lookup", "arguments": '{"city": "Kodex"}'},
    ]


def test_a_tool_of_a_namespace_is_called_by_its_plain_name(client: openai.OpenAI, assistant: str) -> None:
    events = list(client.responses.create(model=assistant, input="call lookup in Rome", tools=[CRM], stream=True))
    final = ended(events)
    (call,) = final.output
    assert call.type == "function_call"
    assert (call.namespace, call.name, call.arguments) == ("crm", "lookup", '{"city": "Rome"}')
    shown: dict[str, Any] = final.tools[0].to_dict()
    assert (shown["type"], shown["name"], shown["description"]) == ("namespace", "crm", "Customers.")
    assert [tool["name"] for tool in shown["tools"]] == ["lookup"]
    assert ignored(final) == []


def test_a_custom_tool_can_be_asked_for(client: openai.OpenAI, assistant: str) -> None:
    choice: Any = {"type": "custom", "name": "patch"}
    response = client.responses.create(model=assistant, input="Go", tools=[SHELL, PATCH], tool_choice=choice)
    assert [item.to_dict()["name"] for item in response.output] == ["patch"]
    assert response.to_dict()["tool_choice"] == choice
    assert response.tools[1].to_dict() == PATCH
    assert ignored(response) == ["tools[1].format"]


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_allowed_tools_reach_the_model(client: openai.OpenAI, assistant: str, stack: Stack, mode: Any) -> None:
    choice: Any = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "weather"}]}
    asked = f"call time in Bern, {mode}"
    response = client.responses.create(model=assistant, input=asked, tools=[*TOOLS, SHELL], tool_choice=choice)
    assert {item.to_dict()["name"] for item in response.output} == {"weather"}
    assert response.to_dict()["tool_choice"] == choice
    assert len(response.tools) == 3
    (sent,) = stack.asked(asked)
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["weather"]
    assert sent["tool_choice"] == mode
