"""Every row of bad input that reaches the core: its code, its status, the field at fault, and no model asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from nodexa.v1.item_pb2 import (
    ContentPart,
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    Item,
    Message,
    Opaque,
    Reasoning,
)
from nodexa.v1.response_pb2 import JsonSchema, ResponseSettings, TextFormat, TextSettings
from nodexa.v1.response_service_pb2 import (
    CreateResponseRequest,
    ListInputItemsRequest,
    ListResponsesRequest,
    WatchResponseRequest,
)
from nodexa.v1.tool_pb2 import FunctionChoice, FunctionTool, Tool, ToolChoice, ToolSet

from service.ids import new_id
from service.model.model import Abilities
from service.model.scripted import ScriptedModel, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.refusals import refusal
from tests.service.requests import asking, call, create, output, user, with_tools

NAN = float("nan")
REQUIRED = ToolChoice(mode=ToolChoice.MODE_REQUIRED)


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and what it gets."""

    code: str
    param: str
    request: dict[str, Any] = field(default_factory=dict)
    status: str = "INVALID_ARGUMENT"


def items(code: str, param: str, *given: Item, status: str = "INVALID_ARGUMENT") -> Row:
    return Row(code, param, {"input": given}, status)


def settings(code: str, param: str, **given: Any) -> Row:
    return Row(code, param, {"settings": ResponseSettings(**given)})


def tools(code: str, param: str, *given: Tool, choice: ToolChoice | None = None) -> Row:
    return settings(code, param, tools=ToolSet(tools=given), tool_choice=choice)


def function(name: str = "look", schema: object = None) -> Tool:
    text = schema if isinstance(schema, str) else json.dumps(schema) if schema is not None else ""
    return Tool(function=FunctionTool(name=name, parameters_json=text))


def message(*parts: ContentPart, role: Any = Message.ROLE_USER) -> Item:
    return Item(message=Message(role=role, content=parts))


def opaque(kind: str, text: str) -> Opaque:
    return Opaque(type=kind, json=text)


def attached(**given: str) -> ContentPart:
    return ContentPart(input_file=InputFile(**given))


TEXT = user("Hi").message.content[0]
PDF = "data:application/pdf;base64,JVBERi0="
AUDIO = opaque("input_audio", '{"type": "input_audio", "input_audio": {}}')

ROWS = {
    "no assistant": Row("missing_required_field", "model", {"assistant_id": ""}),
    "no input": Row("missing_required_field", "input", {"input": []}),
    "a model's name for an assistant": Row("invalid_model", "model", {"assistant_id": "gpt-4o"}),
    "another kind of id": Row("invalid_model", "model", {"assistant_id": new_id("resp")}),
    "an id with a tail": Row("invalid_model", "model", {"assistant_id": f"{new_id('asst')}\n"}),
    "an unknown assistant": Row("assistant_not_found", "model", {"assistant_id": new_id("asst")}, "NOT_FOUND"),
    "an unknown parent": Row(
        "previous_response_not_found", "previous_response_id", {"previous_response_id": new_id("resp")}, "NOT_FOUND"
    ),
    "garbage for a parent": Row(
        "previous_response_not_found", "previous_response_id", {"previous_response_id": "\x00'--"}, "NOT_FOUND"
    ),
    "an item of no kind": items("invalid_input_type", "input[1]", user("Hi"), Item(id="msg_1")),
    "a message of no role": items("invalid_input_type", "input[0].role", message(TEXT, role=0)),
    "a message of an unknown role": items("invalid_input_type", "input[0].role", message(TEXT, role=99)),
    "a message without content": items("missing_required_field", "input[0].content", message()),
    "a content part of no kind": items("invalid_input_type", "input[0].content[1]", message(TEXT, ContentPart())),
    "a part of reasoning of no kind": items(
        "invalid_input_type", "input[0].summary[0]", Item(reasoning=Reasoning(summary=[ContentPart()]))
    ),
    "an opaque item without a type": items("invalid_input_type", "input[0]", Item(opaque=opaque("", "{}"))),
    "an opaque item that is not JSON": items(
        "invalid_input_type", "input[0]", Item(opaque=opaque("x", "data: [DONE]"))
    ),
    "an opaque item of another type": items("invalid_input_type", "input[0]", Item(opaque=opaque("x", '{"type":"y"}'))),
    "content that no model can read": items(
        "input_not_supported_for_model", "input[0].content[0]", message(ContentPart(opaque=AUDIO))
    ),
    "the same id twice": items(
        "invalid_request",
        "input[1].id",
        *(Item(id="msg_1", message=Message(role=Message.ROLE_USER, content=[TEXT])) for _ in range(2)),
    ),
    "a result without a call_id": items("missing_call_id", "input[0].call_id", output("", "1")),
    "a call without a call_id": items("missing_call_id", "input[0].call_id", call("")),
    "a call without a name": items(
        "missing_required_field", "input[0].name", Item(function_call=FunctionCall(call_id="c"))
    ),
    "a result without a result": items(
        "missing_required_field",
        "input[1].output",
        *(call("c"), Item(function_call_output=FunctionCallOutput(call_id="c"))),
    ),
    "a result of an unknown call": items(
        "unknown_call_id", "input[0].call_id", output("c", "1"), status="FAILED_PRECONDITION"
    ),
    "a result given twice": items(
        *("unknown_call_id", "input[2].call_id"),
        *(call("c"), output("c", "1"), output("c", "2")),
        status="FAILED_PRECONDITION",
    ),
    "a call without its result": items("missing_tool_output", "input", call("c"), status="FAILED_PRECONDITION"),
    "129 tools": tools("too_many_tools", "tools", *(function(f"tool_{n}") for n in range(129))),
    "the same name twice": tools("duplicate_tool_name", "tools[1].name", function(), function()),
    "a name with a space": tools("invalid_tool_name", "tools[0].name", function("look up")),
    "a name with an end of line": tools("invalid_tool_name", "tools[0].name", function("look\n")),
    "a name of 65 characters": tools("invalid_tool_name", "tools[0].name", function("n" * 65)),
    "no name": tools("invalid_tool_name", "tools[0].name", function("")),
    "a tool of no kind": tools("invalid_request", "tools[0]", Tool()),
    "a schema that is not JSON": tools("invalid_tool_schema", "tools[0].parameters", function(schema="{")),
    "a schema that is none": tools("invalid_tool_schema", "tools[0].parameters", function(schema={"type": "text"})),
    "a schema that is a list": tools("invalid_tool_schema", "tools[0].parameters", function(schema=[])),
    "a schema that loops": tools("invalid_tool_schema", "tools[0].parameters", function(schema={"$ref": "#"})),
    "a schema that points elsewhere": tools(
        "invalid_tool_schema", "tools[1].parameters", function("a"), function("b", {"$ref": "http://127.0.0.1:1/"})
    ),
    "a schema over 256 kB": tools(
        "invalid_tool_schema", "tools[0].parameters", function(schema={"title": "x" * 262_144})
    ),
    "a choice that is not among the tools": tools(
        "invalid_request", "tool_choice", function(), choice=ToolChoice(function=FunctionChoice(name="listen"))
    ),
    "a choice without tools": tools("invalid_request", "tool_choice", choice=REQUIRED),
    "too hot": settings("invalid_request", "temperature", temperature=2.01),
    "too cold": settings("invalid_request", "temperature", temperature=-0.01),
    "no temperature at all": settings("invalid_request", "temperature", temperature=NAN),
    "top_p above one": settings("invalid_request", "top_p", top_p=1.5),
    "no tokens": settings("invalid_request", "max_output_tokens", max_output_tokens=0),
    "no calls at all": settings("invalid_request", "max_tool_calls", max_tool_calls=0),
    "fewer than no tokens": settings("invalid_request", "max_output_tokens", max_output_tokens=-5),
    "21 log probabilities": settings(
        "invalid_request", "top_logprobs", top_logprobs=21, include=["message.output_text.logprobs"]
    ),
    "log probabilities that nobody asked for": settings("invalid_request", "top_logprobs", top_logprobs=2),
    "a long user": settings("invalid_request", "user", user="u" * 513),
    "a long cache key": settings("invalid_request", "prompt_cache_key", prompt_cache_key="p" * 513),
    "an unknown tier": settings("invalid_request", "service_tier", service_tier="gold"),
    "a file without anything": items("invalid_request", "input[0].content[0]", message(attached())),
    "a file that is two": items(
        "invalid_request", "input[0].content[0]", message(attached(file_data=PDF, file_url="https://example.com/a.pdf"))
    ),
    "a file of bare base64": items(
        "invalid_request", "input[0].content[0].file_data", message(attached(file_data="AA=="))
    ),
    "a file from nowhere": items(
        "invalid_request", "input[0].content[0].file_url", message(attached(file_url="http://169.254.169.254/"))
    ),
    "five stops": settings("invalid_request", "stop", stop=list("abcde")),
    "an empty stop": settings("invalid_request", "stop", stop=[""]),
    "17 notes": settings("invalid_request", "metadata", metadata={f"{n}": "" for n in range(17)}),
    "a long key": settings("invalid_request", "metadata", metadata={"k" * 65: ""}),
    "an empty key": settings("invalid_request", "metadata", metadata={"": "v"}),
    "a long value": settings("invalid_request", "metadata", metadata={"k": "v" * 513}),
    "background without a store": settings("invalid_request", "background", background=True, store=False),
    "a format without a name": settings(
        "invalid_request",
        "text.format.name",
        text=TextSettings(format=TextFormat(json_schema=JsonSchema(schema_json="{}"))),
    ),
    "a format whose schema is none": settings(
        "invalid_request",
        "text.format.schema",
        text=TextSettings(format=TextFormat(json_schema=JsonSchema(name="n", schema_json='{"type": 1}'))),
    ),
    "user tokens over 8 kB": Row("invalid_user_tokens", "x-user-tokens", {"user_tokens": {"canary": "t" * 8192}}),
    "an empty user token": Row("invalid_user_tokens", "x-user-tokens", {"user_tokens": {"canary": ""}}),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_a_bad_request_is_refused_before_anything_happens(shared: CoreUnderTest, row: Row) -> None:
    request = asking(shared, **row.request)

    unary = await refusal(shared.responses.CreateResponse(request, metadata=shared.metadata(x_request_id="same")))
    streamed = await refusal(shared.responses.StreamResponse(request, metadata=shared.metadata(x_request_id="same")))

    assert (unary.reason, unary.param, unary.status) == (row.code, row.param, row.status)
    assert streamed == unary
    assert unary.message.endswith((".", "…"))
    assert "canary" not in unary.message
    assert unary.response_id == ""
    assert not shared.model.prompts
    listed = await shared.responses.ListResponses(ListResponsesRequest(), metadata=shared.metadata())
    assert not listed.responses


EDGES: dict[str, dict[str, Any]] = {
    "128 tools": {"settings": with_tools(*(f"tool_{n}" for n in range(128)))},
    "a name of 64 characters": {"settings": with_tools("n" * 64)},
    "the warmest": {"settings": ResponseSettings(temperature=2, top_p=1)},
    "the coldest": {"settings": ResponseSettings(temperature=0, top_p=0)},
    "one token": {"settings": ResponseSettings(max_output_tokens=1)},
    "the longest notes": {"settings": ResponseSettings(metadata={f"{n:064}": "é" * 512 for n in range(16)})},
    "an unknown include": {"settings": ResponseSettings(include=["reasoning.encrypted_content"])},
    "8 kB of user tokens": {"user_tokens": {"provider": "t" * 8184}},
    "null characters and marks": {"input": [user("\x00 \u202e a\r\n\ndata: [DONE]\n\n")]},
    "an empty text": {"input": [user("")]},
    "an unknown kind of item": {"input": [user("Hi"), Item(opaque=opaque("new_kind", '{"type":"new_kind","a":1}'))]},
}


@pytest.mark.parametrize("request_", EDGES.values(), ids=EDGES)
async def test_what_is_just_allowed_is_answered(core: CoreUnderTest, request_: dict[str, Any]) -> None:
    core.model.add(says("Hi"))

    assert (await create(core, **request_)).output


async def test_text_is_kept_exactly_as_sent(core: CoreUnderTest) -> None:
    text = "\x00 \u202e\u2066 \ufeff a\r\n\ndata: [DONE]\n\n \U0010ffff e\u0301 é"
    core.model.add(says(text))

    response = await create(core, text)

    request = ListInputItemsRequest(response_id=response.id)
    stored = await core.responses.ListInputItems(request, metadata=core.metadata())
    assert stored.items[0].message.content[0].input_text.text == text
    assert core.model.prompts[0].items[0].message.content[0].input_text.text == text
    assert response.output[0].message.content[0].output_text.text == text


async def test_what_has_no_effect_is_listed_with_the_response(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    unknown = Item(opaque=opaque("new_kind", '{"type":"new_kind"}'))

    response = await create(core, "Hi", unknown, settings=ResponseSettings(include=["x"], ignored=["service_tier"]))

    assert list(response.settings.ignored) == ["service_tier", "include[0]", "input[1]"]


async def test_a_number_before_the_first_event_is_refused(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    response = await create(core)

    request = WatchResponseRequest(id=response.id, starting_after=-1)
    answer = await refusal(core.responses.WatchResponse(request, metadata=core.metadata()))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", "invalid_request", "starting_after")


UNABLE = {
    "tools": (with_tools("look"), [user("Hi")], "tool_not_supported_for_model", "tools"),
    "images": (
        None,
        [message(TEXT, ContentPart(input_image=InputImage(image_url="data:image/png;base64,")))],
        "input_not_supported_for_model",
        "input[0].content[1]",
    ),
    "files": (
        None,
        [message(TEXT, attached(file_data=PDF))],
        "input_not_supported_for_model",
        "input[0].content[1]",
    ),
    "images from a tool": (
        None,
        [
            call("c"),
            Item(
                function_call_output=FunctionCallOutput(
                    call_id="c", parts={"parts": [ContentPart(input_image=InputImage(image_url="data:,"))]}
                )
            ),
        ],
        "input_not_supported_for_model",
        "input[1].output[0]",
    ),
}


@pytest.mark.parametrize(("asked", "given", "code", "param"), UNABLE.values(), ids=UNABLE)
async def test_what_the_model_cannot_do_is_refused(
    settings: Settings, asked: ResponseSettings | None, given: list[Item], code: str, param: str
) -> None:
    async with running_core(settings, ScriptedModel(abilities=Abilities(tools=False, images=False))) as core:
        request = CreateResponseRequest(assistant_id=core.assistant_id, input=given, settings=asked)
        answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", code, param)


async def test_a_model_that_reads_files_need_not_be_able_to_fetch_them(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel([says("Read.")], abilities=Abilities(files=True))) as core:
        given = [message(attached(file_data=PDF, filename="a.pdf"))]
        request = CreateResponseRequest(assistant_id=core.assistant_id, input=given)
        await core.responses.CreateResponse(request, metadata=core.metadata())
        elsewhere = [message(attached(file_url="https://example.com/a.pdf"))]
        request = CreateResponseRequest(assistant_id=core.assistant_id, input=elsewhere)
        answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert [item.message.content[0] for item in core.model.prompts[0].items] == [given[0].message.content[0]]
    assert (answer.reason, answer.param) == ("input_not_supported_for_model", "input[0].content[0].file_url")
