"""Settings become the fields of a Messages request; what is unset is not sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import ContentPart, FunctionCall, FunctionCallOutput, InputText, Item, Message, Reasoning
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.anthropic_request import MAX_TOKENS, count_body, message_body
from service.model.anthropic_schema import narrowed
from service.model.model import Prompt

Json = dict[str, Any]

CITY = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}'
WEATHER = {"function": {"name": "weather", "description": "Tells it.", "parametersJson": CITY}}
MARK = {"cache_control": {"type": "ephemeral"}}
HI = Item(message=Message(role=Message.ROLE_USER, content=[ContentPart(input_text=InputText(text="Hi"))]))
CALL = Item(function_call=FunctionCall(call_id="a", name="weather", arguments="{}"))
OUTPUT = Item(function_call_output=FunctionCallOutput(call_id="a", text="Mild"))
THOUGHT = Item(reasoning=Reasoning(encrypted_content="anthropic:signature:s"))


def prompt(*items: Item, instructions: str = "", **settings: Any) -> Prompt:
    return Prompt(instructions, items or [HI], ParseDict(settings, ResponseSettings()))


def body(*items: Item, model: str = "claude-opus-5-5", **settings: Any) -> Json:
    return message_body(prompt(*items, **settings), model=model)


def added(*items: Item, **settings: Any) -> Json:
    """What the settings add to a request."""
    return {key: value for key, value in body(*items, **settings).items() if key not in ("model", "messages")}


def test_without_settings_only_the_model_the_messages_and_the_limit_are_sent() -> None:
    content = [{"type": "text", "text": "Hi", **MARK}]
    assert body() == {
        "model": "claude-opus-5-5",
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": content}],
    }


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"maxOutputTokens": 5}, {"max_tokens": 5}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"user": "u", "safetyIdentifier": "s"}, {"metadata": {"user_id": "s"}}),
        ({"serviceTier": "auto"}, {"service_tier": "auto"}),
        ({"serviceTier": "priority"}, {"service_tier": "auto"}),
        ({"serviceTier": "default"}, {"service_tier": "standard_only"}),
        ({"serviceTier": "flex"}, {"service_tier": "standard_only"}),
        ({"temperature": 0.5, "topP": 0.5, "seed": 7, "topLogprobs": 3, "promptCacheKey": "k"}, {}),
        ({"toolChoice": {"mode": "MODE_REQUIRED"}, "parallelToolCalls": False}, {}),
        ({"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}),
        (
            {"reasoning": {"effort": "minimal"}},
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        ),
        (
            {"reasoning": {"effort": "xhigh", "summary": "auto"}},
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}},
        ),
        ({"reasoning": {"summary": "auto"}}, {"thinking": {"type": "adaptive", "display": "summarized"}}),
    ],
)
def test_each_setting_has_its_field(settings: Json, sent: Json) -> None:
    assert added(**settings) == {"max_tokens": MAX_TOKENS} | sent


def test_a_user_whose_id_is_too_long_is_known_by_its_digest() -> None:
    told = added(user="u" * 300)["metadata"]["user_id"]
    assert len(told) == 64
    assert told != added(user="u" * 301)["metadata"]["user_id"]


def test_tools_are_shown_with_their_schema() -> None:
    plain = {"function": {"name": "now"}}
    sent = added(tools={"tools": [WEATHER, plain]})
    assert sent["tool_choice"] == {"type": "auto"}
    assert sent["tools"] == [
        {"name": "weather", "description": "Tells it.", "input_schema": json.loads(CITY)},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}, **MARK},
    ]


def test_custom_tools_are_shown_as_functions() -> None:
    sent = added(tools={"tools": [{"custom": {"name": "sh"}}]}, toolChoice={"custom": {"name": "sh"}})
    assert sent["tools"][0]["input_schema"]["required"] == ["input"]
    assert sent["tool_choice"] == {"type": "tool", "name": "sh"}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"mode": "MODE_AUTO"}, {"type": "auto"}),
        ({"mode": "MODE_NONE"}, {"type": "none"}),
        ({"mode": "MODE_REQUIRED"}, {"type": "any"}),
        ({"function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
        ({"allowedTools": {"mode": "MODE_REQUIRED", "tools": [{"function": {"name": "weather"}}]}}, {"type": "any"}),
    ],
)
def test_each_choice_has_its_form(choice: Json, sent: Json) -> None:
    tools = {"tools": [WEATHER]}
    assert added(tools=tools, toolChoice=choice)["tool_choice"] == sent
    one_by_one = {} if sent["type"] == "none" else {"disable_parallel_tool_use": True}
    assert added(tools=tools, toolChoice=choice, parallelToolCalls=False)["tool_choice"] == sent | one_by_one
    assert added(tools=tools, toolChoice=choice, parallelToolCalls=True)["tool_choice"] == sent


def test_a_forced_call_leaves_no_room_for_thinking() -> None:
    sent = added(tools={"tools": [WEATHER]}, toolChoice={"mode": "MODE_REQUIRED"}, reasoning={"effort": "high"})
    assert "thinking" not in sent
    assert sent["output_config"] == {"effort": "high"}


def test_calls_of_tools_that_are_gone_are_still_declared() -> None:
    sent = added(HI, CALL, OUTPUT)
    assert [tool["name"] for tool in sent["tools"]] == ["weather"]
    assert sent["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5",
        "claude-haiku-4-5-20251001",
        "claude-opus-4-1-20250805",
        "claude-sonnet-4-20250514",
        "claude-3-7-sonnet-latest",
        "anthropic/claude-opus-4-5",
    ],
)
def test_models_that_know_no_effort_think_within_a_budget(model: str) -> None:
    sent = body(model=model, reasoning={"effort": "high"})
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 16_000}
    assert "output_config" not in sent
    assert body(model=model, reasoning={"effort": "low"})["thinking"]["budget_tokens"] == 2048
    assert "thinking" not in body(model=model, reasoning={"effort": "none"})
    assert "thinking" not in body(model=model, reasoning={"effort": "high"}, maxOutputTokens=2000)


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-opus-4-8", "claude-sonnet-5-5", "claude-haiku-5-5"])
def test_later_models_decide_by_themselves_how_much_they_think(model: str) -> None:
    assert body(model=model, reasoning={"effort": "high"})["thinking"]["type"] == "adaptive"


def test_a_model_with_a_budget_does_not_begin_to_think_in_a_loop_of_calls() -> None:
    old = {"model": "claude-sonnet-4-5", "reasoning": {"effort": "high"}, "tools": {"tools": [WEATHER]}}
    assert "thinking" not in body(HI, CALL, OUTPUT, **old)
    assert "thinking" in body(HI, THOUGHT, CALL, OUTPUT, **old)


def test_the_cache_ends_behind_the_tools_and_system_prompt_and_behind_the_history() -> None:
    sent = message_body(prompt(HI, instructions="Be brief.", tools={"tools": [WEATHER]}), model="m")
    assert sent["system"] == [{"type": "text", "text": "Be brief.", **MARK}]
    assert str(sent).count("cache_control") == 2
    assert "cache_control" in sent["messages"][-1]["content"][-1]


def test_a_count_asks_with_what_is_counted_only() -> None:
    asked = prompt(
        HI, instructions="Be brief.", user="u", stop=["a"], tools={"tools": [WEATHER]}, reasoning={"effort": "low"}
    )
    keys = {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"}
    assert count_body(asked, model="m").keys() == keys


def test_an_answer_is_held_to_its_schema() -> None:
    form = {"jsonSchema": {"name": "city", "schemaJson": CITY, "strict": True}}
    sent = added(text={"format": form}, reasoning={"effort": "low"})
    assert sent["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": json.loads(CITY)},
    }


@pytest.mark.parametrize(
    "form",
    [
        {"jsonObject": {}},
        {"jsonSchema": {"name": "any", "schemaJson": '{"type":"object","additionalProperties":{"type":"string"}}'}},
    ],
)
def test_a_form_that_the_model_can_not_be_held_to_is_told_in_words(form: Json) -> None:
    sent = added(text={"format": form})
    assert "output_config" not in sent
    assert "JSON" in sent["system"][-1]["text"]


def test_strict_tools_are_strict_as_long_as_they_are_few() -> None:
    strict = [{"function": {"name": f"f{n}", "parametersJson": CITY, "strict": True}} for n in range(21)]
    assert all(tool["strict"] for tool in added(tools={"tools": strict[:20]})["tools"])
    assert not any("strict" in tool for tool in added(tools={"tools": strict})["tools"])


@pytest.mark.parametrize(
    ("schema", "narrow"),
    [
        (
            {"type": "integer", "minimum": 1, "description": "How many"},
            {"type": "integer", "description": "How many\n\n{minimum: 1}"},
        ),
        (
            {"type": ["object", "null"], "properties": {"a": {"type": "string", "pattern": "^x$"}}},
            {
                "type": ["object", "null"],
                "properties": {"a": {"type": "string", "description": '{pattern: "^x$"}'}},
                "additionalProperties": False,
            },
        ),
        (
            {"type": "array", "items": {"oneOf": [{"type": "string", "format": "date"}, {"const": 1}]}, "minItems": 1},
            {"type": "array", "items": {"anyOf": [{"type": "string", "format": "date"}, {"const": 1}]}, "minItems": 1},
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"enum": ["x"]}}},
            {"$ref": "#/$defs/a", "$defs": {"a": {"enum": ["x"]}}},
        ),
        ({"type": "object", "additionalProperties": True}, None),
        ({"type": "object", "properties": {"a": {}}}, None),
        ({"type": "object", "properties": {"a": True}}, None),
        ({"type": "object", "properties": {"next": {"$ref": "#"}}}, None),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}, None),
    ],
)
def test_a_schema_keeps_what_the_api_takes(schema: Json, narrow: Json | None) -> None:
    assert narrowed(json.dumps(schema)) == narrow
