"""Custom tools, namespaces and allowed tools over gRPC: what comes back, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import CustomToolCall, FunctionCallOutput, Item
from nodexa.v1.response_pb2 import Response, ResponseSettings

from service.model.chunk import Finish, FinishReason, ToolCallDelta
from service.model.scripted import STOP, calls, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, create, get, said, stream, user
from tests.service.runner.ladder import climb, kinds

LOOK: dict[str, Any] = {"function": {"name": "look"}}
SHELL: dict[str, Any] = {"custom": {"name": "shell"}}
EYES: dict[str, Any] = {"namespace": {"name": "eyes", "tools": [LOOK, SHELL]}}
HOSTED: dict[str, Any] = {"opaque": {"type": "code_interpreter", "json": '{"type":"code_interpreter"}'}}
NO_TOOL = "invalid_request tools[0]"
LINES = "ls\n\n"


def settings_of(*tools: dict[str, Any], choice: dict[str, Any] | None = None, **more: Any) -> ResponseSettings:
    told = {"tools": {"tools": tools}, **({"toolChoice": choice} if choice else {}), **more}
    return ParseDict(told, ResponseSettings())


def allowed(*tools: dict[str, Any], mode: str = "MODE_AUTO") -> dict[str, Any]:
    return {"allowedTools": {"mode": mode, "tools": tools}}


def output(call_id: str, text: str) -> Item:
    return Item(custom_tool_call_output=FunctionCallOutput(call_id=call_id, text=text))


async def test_a_custom_tool_is_called_with_text_as_it_comes(core: CoreUnderTest) -> None:
    core.model.add(
        [[ToolCallDelta(0, "shell", "c1", '{"input": "l')], [ToolCallDelta(0, arguments='s\\n\\n"}')], [STOP]]
    )

    events = await stream(core, settings=settings_of(LOOK, SHELL))

    climb(events)
    deltas = [event.custom_tool_call_input_delta.delta for event in events]
    assert [delta for delta in deltas if delta] == ["l", "s\n\n"]
    final = events[-1].completed.response
    assert final.status == Response.STATUS_REQUIRES_ACTION
    (called,) = final.output
    assert called.id.startswith("ctc_")
    assert called.custom_tool_call == CustomToolCall(call_id="c1", name="shell", input=LINES)
    assert (await get(core, final.id)).output == final.output


async def test_its_output_goes_on_with_the_conversation(core: CoreUnderTest) -> None:
    core.model.add(calls(("shell", json.dumps({"input": LINES}))), says("Two files."))
    asked = await create(core, settings=settings_of(SHELL))
    call_id = asked.output[0].custom_tool_call.call_id

    with pytest.raises(grpc.aio.AioRpcError, match="No output was given for these calls: shell"):
        await create(core, "And?", previous_response_id=asked.id)
    answered = await create(core, output(call_id, "a b"), previous_response_id=asked.id)

    assert said(answered) == "Two files."
    told = core.model.prompts[-1].items[-2:]
    assert [item.custom_tool_call.input or item.custom_tool_call_output.text for item in told] == [LINES, "a b"]
    with pytest.raises(grpc.aio.AioRpcError, match="was already answered"):
        await create(core, output(call_id, "a b"), previous_response_id=answered.id)


async def test_a_client_may_keep_the_whole_history(core: CoreUnderTest) -> None:
    core.model.add(says("Two files."))
    items = [
        user("List"),
        Item(custom_tool_call=CustomToolCall(call_id="c1", name="shell", input=LINES)),
        output("c1", "a b"),
    ]

    response = await create(core, *items, settings=settings_of(SHELL, store=False))

    assert said(response) == "Two files."
    assert not response.settings.ignored


async def test_text_that_is_missing_is_told_to_the_model(core: CoreUnderTest) -> None:
    at_once = [[ToolCallDelta(0, "shell", "c1", '{"command": "ls"}'), STOP]]
    core.model.add(at_once, calls(("shell", '{"input": "ls"}')))

    response = await create(core, settings=settings_of(SHELL))

    assert [item.custom_tool_call.input for item in response.output] == ["ls"]
    assert "lack the text `input`" in core.model.prompts[-1].items[-1].function_call_output.text


async def test_a_cut_call_holds_what_was_certain(core: CoreUnderTest) -> None:
    core.model.add([[ToolCallDelta(0, "shell", "c1", '{"input": "ls \\u00')], [Finish(FinishReason.LENGTH)]])

    events = await stream(core, settings=settings_of(SHELL))

    climb(events)
    (called,) = events[-1].incomplete.response.output
    assert called.custom_tool_call.input == "ls "


async def test_a_tool_of_a_namespace_comes_back_with_its_plain_name(core: CoreUnderTest) -> None:
    core.model.add(calls(("eyes__look", "{}"), ("look", "{}"), ("eyes__shell", '{"input": "x"}')))

    events = await stream(core, settings=settings_of(LOOK, EYES))

    climb(events)
    inner, plain, custom = events[-1].completed.response.output
    assert (inner.function_call.namespace, inner.function_call.name) == ("eyes", "look")
    assert (plain.function_call.namespace, plain.function_call.name) == ("", "look")
    assert (custom.custom_tool_call.namespace, custom.custom_tool_call.name) == ("eyes", "shell")
    names = [e.function_call_arguments_done.name for e in events if e.HasField("function_call_arguments_done")]
    assert names == ["look", "look"]
    assert "custom_tool_call_input_done" in kinds(events)


async def test_a_tool_that_is_not_allowed_cannot_be_called(core: CoreUnderTest) -> None:
    core.model.add(calls(("shell", '{"input": "x"}')), calls(("look", "{}")))

    response = await create(core, settings=settings_of(LOOK, SHELL, choice=allowed(LOOK)))

    assert [item.function_call.name for item in response.output] == ["look"]
    assert "there is no function 'shell'" in core.model.prompts[-1].items[-1].function_call_output.text


@pytest.mark.parametrize("choice", [allowed(LOOK, mode="MODE_REQUIRED"), {"custom": {"name": "shell"}}])
async def test_a_call_that_must_be_is_missed(core: CoreUnderTest, choice: dict[str, Any]) -> None:
    core.model.add(says("No."))

    events = await stream(core, settings=settings_of(LOOK, SHELL, choice=choice))

    assert events[-1].failed.response.error.code == "invalid_tool_call"


async def test_a_grammar_is_noted_and_tools_are_not(core: CoreUnderTest) -> None:
    core.model.add(says("Yes."))
    patch = {"custom": {"name": "patch", "grammar": {"syntax": "regex", "definition": "x+"}}}
    space = {"namespace": {"name": "n", "tools": [patch]}}
    hosted = {"opaque": {"type": "code_interpreter", "json": '{"type":"code_interpreter"}'}}

    response = await create(
        core, settings=settings_of(LOOK, SHELL, EYES, patch, space, hosted, choice=allowed(LOOK, hosted))
    )

    noted = ["tools[3].format", "tools[4].tools[0].format", "tools[5]", "tool_choice.tools[1]"]
    assert list(response.settings.ignored) == noted


REFUSED: dict[str, tuple[ResponseSettings, str]] = {
    "one name twice": (settings_of(LOOK, {"custom": {"name": "look"}}), "duplicate_tool_name tools[1].name"),
    "a namespace's name twice": (
        settings_of(EYES, {"function": {"name": "eyes__look"}}),
        "duplicate_tool_name tools[1].name",
    ),
    "a bad name": (settings_of({"custom": {"name": "a b"}}), "invalid_tool_name tools[0].name"),
    "a bad namespace": (settings_of({"namespace": {"name": "é"}}), "invalid_tool_name tools[0].name"),
    "a bad schema inside": (
        settings_of({"namespace": {"name": "n", "tools": [{"function": {"name": "f", "parametersJson": "{"}}]}}),
        "invalid_tool_schema tools[0].tools[0].parameters",
    ),
    "a namespace in a namespace": (
        settings_of({"namespace": {"name": "n", "tools": [EYES]}}),
        "invalid_request tools[0].tools[0]",
    ),
    "an unknown syntax": (
        settings_of({"custom": {"name": "f", "grammar": {"syntax": "ebnf"}}}),
        "invalid_request tools[0].format.syntax",
    ),
    "too many in all": (
        settings_of(*({"namespace": {"name": f"n{n}", "tools": [LOOK] * 43}} for n in range(3))),
        "too_many_tools tools",
    ),
    "a custom tool chosen as a function": (
        settings_of(SHELL, choice={"function": {"name": "shell"}}),
        "invalid_request tool_choice",
    ),
    "an allowed tool that is none": (
        settings_of(LOOK, choice=allowed(LOOK, SHELL)),
        "invalid_request tool_choice.tools[1]",
    ),
    "no allowed tool": (settings_of(LOOK, choice=allowed()), "invalid_request tool_choice.tools"),
    "a mode that allows none": (
        settings_of(LOOK, choice=allowed(LOOK, mode="MODE_NONE")),
        "invalid_request tool_choice.mode",
    ),
    "a call that must be, of nothing": (
        settings_of(
            LOOK,
            choice=allowed(
                {"opaque": {"type": "code_interpreter", "json": '{"type":"code_interpreter"}'}}, mode="MODE_REQUIRED"
            ),
        ),
        "invalid_request tool_choice.tools",
    ),
    "a call that must be, of what nobody runs": (
        settings_of(HOSTED, choice={"mode": "MODE_REQUIRED"}),
        "invalid_request tool_choice",
    ),
    "a call that nobody can make": (
        settings_of(LOOK, HOSTED, choice=HOSTED),
        "tool_not_supported_for_model tool_choice",
    ),
    "a tool that is no JSON": (
        settings_of({"opaque": {"type": "code_interpreter", "json": '{"type":"code_interpreter"},{}'}}),
        NO_TOOL,
    ),
    "a tool of another type": (settings_of({"opaque": {"type": "mcp", "json": '{"type":"web"}'}}), NO_TOOL),
    "a choice that is no JSON": (
        settings_of(HOSTED, choice={"opaque": {"type": "mcp", "json": "mcp"}}),
        "invalid_request tool_choice",
    ),
    "an allowed tool that is no JSON": (
        settings_of(HOSTED, choice=allowed({"opaque": {"type": "mcp", "json": "mcp"}})),
        "invalid_request tool_choice.tools[0]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_tools_that_cannot_be_are_refused_by_their_place(core: CoreUnderTest, name: str) -> None:
    settings, wanted = REFUSED[name]

    answer = await refusal(core.responses.CreateResponse(asking(core, settings=settings), metadata=core.metadata()))

    assert f"{answer.reason} {answer.param}" == wanted
    assert not core.model.prompts
