"""The body of POST /v1/responses → CreateResponseRequest."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import ToolChoice
from openai.resources.responses import Responses

from rest_bridge.errors import RequestError
from rest_bridge.wire.choice import render_choice
from rest_bridge.wire.item import render_items
from rest_bridge.wire.request import FIELDS, Reading, Treatment, parse_create
from rest_bridge.wire.response import render_settings

BASE = {"model": "asst_1", "input": "Hello"}
OF_THE_CALL = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
OURS = {"stop", "seed"}
ALLOWED: dict[str, Any] = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}
GRAMMAR: dict[str, Any] = {
    "type": "custom",
    "name": "patch",
    "description": "Patches.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
}


def read(**more: Any) -> Reading:
    return parse_create({**BASE, **more}, user_tokens={}, ignored=[])


def test_every_parameter_of_the_sdk_has_a_treatment() -> None:
    parameters = set(inspect.signature(Responses.create).parameters) - OF_THE_CALL
    assert set(FIELDS) == parameters | OURS


def test_a_field_is_read_unless_it_is_refused_or_noted() -> None:
    for name, field in FIELDS.items():
        if field.treatment in (Treatment.ENFORCED, Treatment.FORWARDED):
            assert field.read is not None, name
        if field.treatment is Treatment.REFUSED:
            assert field.instead, name


def test_a_small_request_says_little() -> None:
    reading = read()
    assert reading.request.assistant_id == "asst_1"
    assert reading.request.settings == ResponseSettings()
    assert reading.request.HasField("settings")
    assert not reading.stream


def test_a_large_request_is_read_whole() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9007199254740993}}}
    reading = read(
        previous_response_id="resp_1",
        instructions="Be brief.",
        stream=True,
        store=False,
        background=False,
        tools=[{"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": True}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        temperature=1,
        top_p=0.5,
        max_output_tokens=10,
        top_logprobs=2,
        include=["message.output_text.logprobs"],
        stop="END",
        seed=7,
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
        metadata={"k": "v"},
    )
    settings = reading.request.settings
    assert reading.stream
    assert reading.request.previous_response_id == "resp_1"
    assert settings.instructions == "Be brief."
    assert settings.HasField("store")
    assert not settings.store
    function = settings.tools.tools[0].function
    assert (function.name, function.description, function.strict) == ("f", "d", True)
    assert "9007199254740993" in function.parameters_json
    assert settings.tool_choice.function.name == "f"
    assert (settings.temperature, settings.top_p, settings.max_output_tokens, settings.top_logprobs) == (1, 0.5, 10, 2)
    assert (list(settings.stop), settings.seed) == (["END"], 7)
    assert settings.text.format.json_schema.strict
    assert settings.text.verbosity == "low"
    assert (settings.reasoning.effort, settings.reasoning.summary) == ("low", "auto")
    assert dict(settings.metadata) == {"k": "v"}
    assert list(settings.ignored) == []


def test_null_says_nothing() -> None:
    assert read(**dict.fromkeys(FIELDS.keys() - BASE.keys()), made_up=None).request == read().request


def test_no_tools_and_the_assistants_tools_differ() -> None:
    assert read(tools=[]).request.settings.HasField("tools")
    assert not read().request.settings.HasField("tools")


@pytest.mark.parametrize(
    ("word", "mode"),
    [("auto", ToolChoice.MODE_AUTO), ("none", ToolChoice.MODE_NONE), ("required", ToolChoice.MODE_REQUIRED)],
)
def test_a_choice_of_tools_is_a_word(word: str, mode: ToolChoice.Mode.ValueType) -> None:
    assert read(tool_choice=word).request.settings.tool_choice.mode == mode


def test_a_choice_of_a_tool_that_only_model_servers_run_is_kept_as_it_came() -> None:
    named = {"type": "mcp", "server_label": "s", "name": "look"}

    choice = read(tool_choice=named).request.settings.tool_choice

    assert choice.opaque.type == "mcp"
    assert render_choice(choice) == named


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"made_up": 1}, "made_up"),
        ({"tools": [{"type": "function", "name": "f", "async": True}]}, "tools[0].async"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"text": {"tone": "dry"}}, "text.tone"),
        ({"text": {"format": {"type": "text", "font": "x"}}}, "text.format.font"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
    ],
)
def test_what_has_no_effect_is_noted_by_its_path(more: dict[str, Any], path: str) -> None:
    assert list(read(**more).request.settings.ignored) == [path]


@pytest.mark.parametrize(
    "more",
    [
        {"stream_options": {"include_obfuscation": False}},
        {"include": ["message.input_image.image_url"]},
    ],
)
def test_what_asks_for_what_happens_anyway_is_not_noted(more: dict[str, Any]) -> None:
    assert list(read(**more).request.settings.ignored) == []


def test_what_is_only_echoed_is_carried() -> None:
    settings = read(user="u", safety_identifier="s", prompt_cache_key="p").request.settings
    assert (settings.user, settings.safety_identifier, settings.prompt_cache_key) == ("u", "s", "p")


def test_what_was_ignored_before_the_body_is_listed_too() -> None:
    reading = parse_create({**BASE, "made_up": 1}, user_tokens={"p": "t"}, ignored=["idempotency-key"])
    assert list(reading.request.settings.ignored) == ["idempotency-key", "made_up"]
    assert dict(reading.request.user_tokens) == {"p": "t"}


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"model": None}, "missing_required_field", "model"),
        ({"input": None}, "missing_required_field", "input"),
        ({"model": 7}, "invalid_model", "model"),
        ({"stream": "true"}, "invalid_request", "stream"),
        ({"store": 1}, "invalid_request", "store"),
        ({"background": "no"}, "invalid_request", "background"),
        ({"temperature": "hot"}, "invalid_request", "temperature"),
        ({"temperature": True}, "invalid_request", "temperature"),
        ({"max_output_tokens": 1.5}, "invalid_request", "max_output_tokens"),
        ({"max_output_tokens": 2**31}, "invalid_request", "max_output_tokens"),
        ({"previous_response_id": 5}, "invalid_request", "previous_response_id"),
        ({"instructions": ["x"]}, "invalid_request", "instructions"),
        ({"metadata": []}, "invalid_request", "metadata"),
        ({"metadata": {"a": 1}}, "invalid_request", "metadata.a"),
        ({"include": "x"}, "invalid_request", "include"),
        ({"stop": [1]}, "invalid_request", "stop"),
        ({"tools": {}}, "invalid_request", "tools"),
        ({"tools": ["f"]}, "invalid_request", "tools[0]"),
        ({"tools": [{"name": "f"}]}, "invalid_request", "tools[0]"),
        ({"tools": [{"type": "function"}]}, "invalid_request", "tools[0].name"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "invalid_request", "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "strict": "yes"}]}, "invalid_request", "tools[0].strict"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "invalid_request", "tools[0].parameters"),
        ({"tools": [{"type": "function", "name": "f", "description": 5}]}, "invalid_request", "tools[0].description"),
        ({"tool_choice": "maybe"}, "invalid_request", "tool_choice"),
        ({"tool_choice": 5}, "invalid_request", "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "invalid_request", "tool_choice.name"),
        ({"tool_choice": {"type": ""}}, "invalid_request", "tool_choice"),
        ({"tool_choice": {"type": "custom"}}, "invalid_request", "tool_choice.name"),
        ({"tool_choice": {"type": "custom", "name": "f", "namespace": 1}}, "invalid_request", "tool_choice.namespace"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "invalid_request", "tool_choice.mode"),
        ({"tool_choice": {**ALLOWED, "mode": "none"}}, "invalid_request", "tool_choice.mode"),
        ({"tool_choice": {**ALLOWED, "tools": "f"}}, "invalid_request", "tool_choice.tools"),
        ({"tool_choice": {**ALLOWED, "tools": ["f"]}}, "invalid_request", "tool_choice.tools[0]"),
        ({"tool_choice": {**ALLOWED, "tools": [{"type": "custom"}]}}, "invalid_request", "tool_choice.tools[0].name"),
        ({"tools": [{"type": "custom"}]}, "invalid_request", "tools[0].name"),
        ({"tools": [{"type": "custom", "name": "f", "format": "lark"}]}, "invalid_request", "tools[0].format"),
        ({"tools": [{**GRAMMAR, "format": {"type": "grammar"}}]}, "invalid_request", "tools[0].format.syntax"),
        ({"tools": [{"type": "namespace", "name": "n"}]}, "invalid_request", "tools[0].tools"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
            "invalid_request",
            "tools[0].tools[0].name",
        ),
        ({"text": "x"}, "invalid_request", "text"),
        ({"text": {"format": {"type": "xml"}}}, "invalid_request", "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "invalid_request", "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "invalid_request", "text.format.schema"),
        ({"reasoning": {"effort": 5}}, "invalid_request", "reasoning.effort"),
        ({"prompt": {"id": "pmpt_1"}}, "unsupported_parameter", "prompt"),
        ({"prompt": {"id": "p"}}, "unsupported_parameter", "prompt"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_its_name(more: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RequestError) as refusal:
        read(**more)
    assert (refusal.value.code, refusal.value.param, refusal.value.status) == (code, param, 400)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORDS = st.sampled_from(
    ["type", "message", "role", "user", "assistant", "content", "input_text", "output_text", "text", "input_image",
     "image_url", "function", "function_call", "function_call_output", "call_id", "output", "name", "arguments",
     "reasoning", "summary", "format", "json_schema", "schema", "strict", "id", "status", "logprobs", "bytes", "token"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT | WORDS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(WORDS | TEXT, children, max_size=5),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | TEXT, VALUES, max_size=6))
def test_no_body_breaks_the_reading(body: dict[str, Any]) -> None:
    try:
        reading = parse_create({**BASE, **body}, user_tokens={}, ignored=[])
    except RequestError as refusal:
        told = refusal
        assert told.status == 400
    else:
        shown = json.loads(json.dumps(render_settings(reading.request.settings)))
        assert shown["nodexa"]["ignored"] == list(dict.fromkeys(reading.ignored))
        assert isinstance(render_items(reading.request.input), list)
