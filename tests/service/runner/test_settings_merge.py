"""Whose setting counts: the request's, else the assistant's; and how their instructions meet."""

from __future__ import annotations

import pytest
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import JsonObject, ReasoningSettings, ResponseSettings, TextFormat, TextSettings
from nodexa.v1.tool_pb2 import FunctionChoice, FunctionTool, Tool, ToolChoice, ToolSet

from service.model.scripted import CHAT
from service.rpc.admin_check import check_assistant
from service.runner.settings_merge import DEFAULTABLE, effective_settings, system_prompt, unused_settings

LOOK, LISTEN = (Tool(function=FunctionTool(name=name)) for name in ("look", "listen"))
NAMED = ToolChoice(function=FunctionChoice(name="look"))
REQUIRED = ToolChoice(mode=ToolChoice.MODE_REQUIRED)
DEFAULTS = ResponseSettings(
    tools=ToolSet(tools=[LOOK]),
    tool_choice=NAMED,
    parallel_tool_calls=False,
    temperature=0.2,
    top_p=0.9,
    max_output_tokens=100,
    max_tool_calls=3,
    stop=["END"],
    seed=7,
    text=TextSettings(verbosity="low"),
    reasoning=ReasoningSettings(effort="low"),
)
ASSISTANT = Assistant(name="A", model="m", defaults=DEFAULTS)
ASKED = ResponseSettings(
    tool_choice=REQUIRED,
    parallel_tool_calls=True,
    temperature=0.0,
    top_p=0.0,
    max_output_tokens=1,
    max_tool_calls=1,
    stop=["a", "b"],
    seed=0,
    text=TextSettings(format=TextFormat(json_object=JsonObject())),
    reasoning=ReasoningSettings(effort="high"),
)


def names(settings: ResponseSettings) -> list[str]:
    return [tool.function.name for tool in settings.tools.tools]


def test_what_the_request_leaves_unset_comes_from_the_assistant() -> None:
    assert effective_settings(ASSISTANT, ResponseSettings()) == DEFAULTS


@pytest.mark.parametrize("field", sorted(DEFAULTABLE - {"tools"}))
def test_what_the_request_sets_counts_even_where_it_is_zero(field: str) -> None:
    asked = ResponseSettings()
    one = ResponseSettings.DESCRIPTOR.fields_by_name[field]
    if one.is_repeated or one.message_type:
        getattr(asked, field).MergeFrom(getattr(ASKED, field))
    else:
        setattr(asked, field, getattr(ASKED, field))

    settings = effective_settings(ASSISTANT, asked)

    assert getattr(settings, field) == getattr(ASKED, field)
    others = [name for name in DEFAULTABLE if name != field]
    assert all(getattr(settings, name) == getattr(DEFAULTS, name) for name in others)


def test_every_preset_field_has_an_example_here_and_passes_the_check() -> None:
    assert {field.name for field, _ in DEFAULTS.ListFields()} == DEFAULTABLE
    check_assistant(ASSISTANT)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ResponseSettings(), ["look"]),
        (ResponseSettings(tools=ToolSet()), []),
        (ResponseSettings(tools=ToolSet(tools=[LISTEN])), ["listen"]),
        (ResponseSettings(tools=ToolSet(tools=[LISTEN, LOOK])), ["listen", "look"]),
    ],
    ids=["omitted", "none", "one", "two"],
)
def test_tools_are_the_assistants_none_or_exactly_these(asked: ResponseSettings, expected: list[str]) -> None:
    assert names(effective_settings(ASSISTANT, asked)) == expected


def test_tools_of_the_request_start_from_a_free_choice() -> None:
    settings = effective_settings(ASSISTANT, ResponseSettings(tools=ToolSet(tools=[LISTEN])))

    assert not settings.HasField("tool_choice")


def test_a_choice_of_the_request_goes_with_the_tools_of_the_assistant() -> None:
    settings = effective_settings(ASSISTANT, ResponseSettings(tool_choice=REQUIRED))

    assert names(settings) == ["look"]
    assert settings.tool_choice == REQUIRED


def test_merging_changes_neither_side() -> None:
    assistant, asked = Assistant(), ResponseSettings()
    assistant.CopyFrom(ASSISTANT)
    asked.CopyFrom(ASKED)

    effective_settings(assistant, asked)

    assert (assistant, asked) == (ASSISTANT, ASKED)


SUPPLEMENT, REPLACE = Assistant.INSTRUCTIONS_MODE_SUPPLEMENT, Assistant.INSTRUCTIONS_MODE_REPLACE


@pytest.mark.parametrize(
    ("own", "mode", "asked", "expected"),
    [
        ("Be kind.", Assistant.INSTRUCTIONS_MODE_UNSPECIFIED, "Be brief.", "Be kind.\n\nBe brief."),
        ("Be kind.", SUPPLEMENT, "Be brief.", "Be kind.\n\nBe brief."),
        ("Be kind.", REPLACE, "Be brief.", "Be brief."),
        ("Be kind.", REPLACE, None, "Be kind."),
        ("Be kind.", REPLACE, "", "Be kind."),
        ("Be kind.", SUPPLEMENT, None, "Be kind."),
        ("", SUPPLEMENT, "Be brief.", "Be brief."),
        ("", REPLACE, None, ""),
    ],
)
def test_instructions_supplement_or_replace(
    own: str, mode: Assistant.InstructionsMode.ValueType, asked: str | None, expected: str
) -> None:
    assistant = Assistant(instructions=own, instructions_mode=mode)

    assert system_prompt(assistant, ResponseSettings(instructions=asked)) == expected


def test_what_has_no_effect_is_named() -> None:
    settings = ResponseSettings(
        tools=ToolSet(tools=[LOOK, Tool(opaque=Opaque(type="web_search", json='{"type":"web_search"}'))]),
        include=["message.output_text.logprobs", "web_search_call.results"],
        reasoning=ReasoningSettings(effort="low", summary="auto"),
    )

    assert list(unused_settings(settings, CHAT, lambda tool: False)) == ["reasoning.summary", "tools[1]", "include[1]"]
