"""Every kind of item and of tool that the official SDK can send is taken, kept, given back and still there later."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest
from openai.types.responses import ResponseInputItemParam, ToolParam
from pydantic import TypeAdapter

from rest_bridge.wire.item import render_item
from rest_bridge.wire.tool import render_tools
from service.model.model import PASSED_ON, Abilities, Model
from service.model.scripted import ScriptedModel, calls, says
from tests.rest_bridge.kinds import ACTED_UPON, HOSTED, OPAQUE, REFERRING, WRITTEN, Json
from tests.rest_bridge.steady import Steady, steady

ITEMS: TypeAdapter[Any] = TypeAdapter(ResponseInputItemParam)
TOOLS: TypeAdapter[Any] = TypeAdapter(ToolParam)

CALLS = [item for item in WRITTEN if item["type"] in ("function_call", "custom_tool_call")]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Steady, ScriptedModel]]:
    model = ScriptedModel(abilities=Abilities(files=True, hosted=True, heeds=PASSED_ON))

    @asynccontextmanager
    async def opened() -> AsyncIterator[Model]:
        yield model

    with steady(tmp_path_factory.mktemp("kinds"), opened) as stack:
        yield stack, model


def type_words(union: Any) -> set[str]:
    """The `type` words of a union of the SDK's parameter types."""
    found: set[str] = set()
    for kind in get_args(union):
        annotation = kind.__annotations__["type"]
        text = getattr(annotation, "__forward_arg__", str(annotation))
        found |= set(text[text.index("Literal[") + 8 : text.index("]")].replace('"', "").replace("'", "").split(", "))
    return found


def test_there_is_an_example_of_every_kind_of_item() -> None:
    examples = {item["type"] for item in (*WRITTEN, *OPAQUE)} - {"premonition_call"}
    assert examples | REFERRING == type_words(ResponseInputItemParam)
    for item in (*WRITTEN, *OPAQUE[:-1]):
        ITEMS.validate_python(item)


def test_there_is_an_example_of_every_kind_of_tool() -> None:
    assert {tool["type"] for tool in (*ACTED_UPON, *HOSTED)} == type_words(ToolParam)
    for tool in (*ACTED_UPON, *HOSTED):
        TOOLS.validate_python(tool)


@pytest.mark.parametrize("item", [*WRITTEN, *OPAQUE], ids=lambda item: item["id"])
def test_an_item_is_kept_given_back_and_seen_in_the_next_turn(
    serving: tuple[Steady, ScriptedModel], item: Json
) -> None:
    stack, model = serving
    stack.run(keep_and_see(stack, model, item))


async def keep_and_see(stack: Steady, model: ScriptedModel, item: Json) -> None:
    sent = {**item, "id": f"{item['id']}{len(model.prompts)}"}
    answers = [{"type": f"{item['type']}_output", "call_id": "call_1", "output": "x"}] if item in CALLS else []
    model.add(says("Hello"), says("Again"))
    begun = await stack.http.post("/v1/responses", json=stack.bridge.body(input=[sent, *answers]))
    assert begun.status_code == 200, begun.text
    (*_, listed) = (await stack.http.get(f"/v1/responses/{begun.json()['id']}/input_items")).json()["data"]
    assert listed == sent | ({"status": listed["status"]} if item in WRITTEN else {})
    assert begun.json()["nodexa"]["ignored"] == []
    more = stack.bridge.body(input="Go on", previous_response_id=begun.json()["id"])
    assert (await stack.http.post("/v1/responses", json=more)).status_code == 200
    for prompt in model.prompts[-2:]:
        assert render_item(prompt.items[0]) == listed
    if item in OPAQUE:
        assert json.loads(model.prompts[-1].items[0].opaque.json) == sent


OUTPUTS: dict[str, Json] = {
    "function_call_output": {"type": "function_call_output", "output": "seen"},
    "custom_tool_call_output": {"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "seen"}]},
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_the_output_of_a_call_is_kept_given_back_and_seen_in_the_next_turn(
    serving: tuple[Steady, ScriptedModel], output: Json
) -> None:
    stack, model = serving
    stack.run(answer_and_see(stack, model, output))


async def answer_and_see(stack: Steady, model: ScriptedModel, output: Json) -> None:
    custom = output["type"].startswith("custom")
    tools = [{"type": "custom" if custom else "function", "name": "f"}]
    model.add(calls(("f", '{"input": "x"}')), says("Well"), says("Again"))
    asked = (await stack.http.post("/v1/responses", json=stack.bridge.body(tools=tools))).json()
    sent = {**output, "call_id": asked["output"][0]["call_id"]}
    ITEMS.validate_python(sent)
    told = stack.bridge.body(tools=tools, input=[sent], previous_response_id=asked["id"])
    begun = (await stack.http.post("/v1/responses", json=told)).json()
    (listed,) = (await stack.http.get(f"/v1/responses/{begun['id']}/input_items")).json()["data"]
    assert {name: listed[name] for name in sent} == sent
    more = stack.bridge.body(input="Go on", previous_response_id=begun["id"])
    assert (await stack.http.post("/v1/responses", json=more)).status_code == 200
    assert listed in [render_item(item) for item in model.prompts[-1].items]


def test_a_reference_is_seen_as_what_it_refers_to(serving: tuple[Steady, ScriptedModel]) -> None:
    stack, model = serving
    stack.run(refer_and_see(stack, model))


async def refer_and_see(stack: Steady, model: ScriptedModel) -> None:
    model.add(says("Hello"), says("Again"))
    said = (await stack.http.post("/v1/responses", json=stack.bridge.body())).json()["output"][0]
    reference = {"type": "item_reference", "id": said["id"]}
    ITEMS.validate_python(reference)
    begun = await stack.http.post("/v1/responses", json=stack.bridge.body(input=[reference]))
    assert begun.status_code == 200, begun.text
    assert render_item(model.prompts[-1].items[0])["content"] == said["content"]


@pytest.mark.parametrize("tool", [*ACTED_UPON, *HOSTED], ids=lambda tool: tool["type"])
def test_a_tool_is_offered_and_given_back_as_it_was_sent(serving: tuple[Steady, ScriptedModel], tool: Json) -> None:
    stack, model = serving
    stack.run(offer_and_see(stack, model, tool))


async def offer_and_see(stack: Steady, model: ScriptedModel, tool: Json) -> None:
    model.add(says("Hello"))
    begun = await stack.http.post("/v1/responses", json=stack.bridge.body(tools=[tool]))
    assert begun.status_code == 200, begun.text
    assert begun.json()["tools"] == [tool]
    assert begun.json()["nodexa"]["ignored"] == []
    assert render_tools(model.prompts[-1].settings.tools) == [tool]
