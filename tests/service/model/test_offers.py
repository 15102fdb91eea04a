"""Tools and items of every kind, for a model that knows only functions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import CustomToolCall, FunctionCall, FunctionCallOutput, Item
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.chat_request import chat_body
from service.model.model import Prompt
from service.model.offers import as_functions, offers, shown_name

LOOK: dict[str, Any] = {"function": {"name": "look", "parametersJson": '{"type":"object"}'}}
SHELL: dict[str, Any] = {"custom": {"name": "shell", "description": "Runs it."}}
EYES: dict[str, Any] = {
    "namespace": {"name": "eyes", "description": "To see.", "tools": [{"function": {"name": "look"}}, SHELL]}
}
PATCH: dict[str, Any] = {"custom": {"name": "patch", "grammar": {"syntax": "lark", "definition": 'start: "x"'}}}
HOSTED: dict[str, Any] = {"opaque": {"type": "web_search", "json": '{"type":"web_search"}'}}


def settings_of(*tools: dict[str, Any], **choice: Any) -> ResponseSettings:
    return ParseDict({"tools": {"tools": tools}, **({"toolChoice": choice} if choice else {})}, ResponseSettings())


def body(settings: ResponseSettings, *items: Item) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(chat_body(Prompt("", items, settings, streaming=False), model="m"))
    return value


def told(settings: ResponseSettings) -> dict[str, Any]:
    return {each["function"]["name"]: each["function"] for each in body(settings).get("tools", ())}


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    shell = told(settings_of(LOOK, SHELL))["shell"]
    assert shell["description"] == "Runs it."
    assert shell["parameters"]["required"] == ["input"] == list(shell["parameters"]["properties"])
    assert shell["parameters"]["properties"]["input"]["type"] == "string"


def test_a_grammar_is_told_to_the_model() -> None:
    assert told(settings_of(PATCH))["patch"]["description"] == 'The input must follow this lark grammar:\nstart: "x"'


def test_tools_of_a_namespace_have_its_name_and_its_description() -> None:
    functions = told(settings_of(LOOK, EYES, HOSTED))
    assert list(functions) == ["look", "eyes__look", "eyes__shell"]
    assert functions["eyes__look"]["description"] == "To see."
    assert functions["eyes__shell"]["description"] == "To see.\n\nRuns it."


def test_long_names_are_shortened_and_stay_apart() -> None:
    names = {shown_name("n" * 60, f"tool_{number}") for number in range(100)}
    assert len(names) == 100
    assert {len(name) for name in names} == {64}


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        ([{"function": {"name": "look"}}], ["look"]),
        ([{"custom": {"name": "shell"}}], ["shell"]),
        ([{"function": {"name": "shell"}}], []),
        ([{"namespace": {"name": "eyes"}}], ["eyes__look", "eyes__shell"]),
        ([{"function": {"name": "look", "namespace": "eyes"}}, {"custom": {"name": "shell"}}], ["shell", "eyes__look"]),
        ([HOSTED], []),
    ],
)
def test_only_allowed_tools_are_shown(allowed: list[dict[str, Any]], names: list[str]) -> None:
    settings = settings_of(LOOK, SHELL, EYES, HOSTED, allowedTools={"mode": "MODE_AUTO", "tools": allowed})
    assert [offer.shown.name for offer in offers(settings)] == names == list(told(settings))


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"custom": {"name": "shell"}}, {"type": "function", "function": {"name": "shell"}}),
        (
            {"function": {"name": "look", "namespace": "eyes"}},
            {"type": "function", "function": {"name": "eyes__look"}},
        ),
        ({"allowedTools": {"mode": "MODE_REQUIRED", "tools": [{"function": {"name": "look"}}]}}, "required"),
        ({"allowedTools": {"mode": "MODE_AUTO", "tools": [{"function": {"name": "look"}}]}}, "auto"),
    ],
)
def test_every_choice_is_one_that_servers_know(choice: dict[str, Any], sent: object) -> None:
    assert body(settings_of(LOOK, SHELL, EYES, **choice))["tool_choice"] == sent


def test_calls_and_outputs_are_told_as_those_of_functions() -> None:
    items = [
        Item(custom_tool_call=CustomToolCall(call_id="c1", name="shell", input='echo "ä"')),
        Item(function_call=FunctionCall(call_id="c2", name="look", namespace="eyes", arguments="{}")),
        Item(function_call_output=FunctionCallOutput(call_id="c2", text="seen")),
        Item(custom_tool_call_output=FunctionCallOutput(call_id="c1", text="ä")),
    ]
    calls, *outputs = body(settings_of(), *items)["messages"]
    assert [(each["id"], each["function"]) for each in calls["tool_calls"]] == [
        ("c1", {"name": "shell", "arguments": '{"input": "echo \\"ä\\""}'}),
        ("c2", {"name": "eyes__look", "arguments": "{}"}),
    ]
    assert [(each["tool_call_id"], each["content"]) for each in outputs] == [("c1", "ä"), ("c2", "seen")]


def test_a_prompt_of_functions_stays_as_it_is() -> None:
    prompt = Prompt("", [Item(function_call=FunctionCall(call_id="c", name="look"))], settings_of(LOOK, HOSTED))
    assert as_functions(prompt) is prompt
