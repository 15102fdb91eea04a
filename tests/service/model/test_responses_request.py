"""A prompt becomes a Responses request that says all of it, and leaves nothing to be found on the server."""

from __future__ import annotations

import json
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.model import Prompt
from service.model.responses_reasoning import Kept, keep
from service.model.responses_request import count_body, responses_body

SERVER = "http://up/v1"


def body(*items: dict[str, Any], streaming: bool = True, instructions: str = "", **settings: Any) -> dict[str, Any]:
    parsed = [ParseDict(item, Item()) for item in items]
    prompt = Prompt(instructions, parsed, ParseDict(settings, ResponseSettings()), streaming)
    read: dict[str, Any] = orjson.loads(responses_body(prompt, model="up", server=SERVER))
    return read


def message(role: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"message": {"role": f"ROLE_{role.upper()}", "content": list(parts)}, **fields}


def test_the_least_that_is_said() -> None:
    assert body(message("user", {"inputText": {"text": "Hi"}})) == {
        "model": "up",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_settings_are_handed_on_and_those_that_the_form_does_not_know_are_not() -> None:
    said = body(
        instructions="Be brief.",
        streaming=False,
        temperature=0.5,
        topP=0.25,
        maxOutputTokens=100,
        topLogprobs=3,
        maxToolCalls=2,
        user="u",
        safetyIdentifier="s",
        promptCacheKey="k",
        serviceTier="flex",
        include=["message.output_text.logprobs", "reasoning.encrypted_content", "web_search_call.action.sources"],
        reasoning={"effort": "high", "summary": "auto"},
        seed=3,
        stop=["x"],
        metadata={"a": "b"},
    )
    assert said == {
        "model": "up",
        "input": [],
        "instructions": "Be brief.",
        "stream": False,
        "store": False,
        "temperature": 0.5,
        "top_p": 0.25,
        "max_output_tokens": 100,
        "top_logprobs": 3,
        "max_tool_calls": 2,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "flex",
        "include": ["message.output_text.logprobs", "web_search_call.action.sources", "reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
    }


def test_the_form_of_the_text_is_handed_on() -> None:
    schema = {"name": "answer", "schemaJson": '{"type": "object", "n": 1e400}', "strict": True, "description": "d"}
    text = responses_body(
        Prompt("", [], ParseDict({"text": {"format": {"jsonSchema": schema}, "verbosity": "low"}}, ResponseSettings())),
        model="up",
        server=SERVER,
    ).decode()
    # Numbers stay as they were written.
    assert '"schema":{"type": "object", "n": 1e400}' in text
    assert body(text={"format": {"jsonObject": {}}})["text"] == {"format": {"type": "json_object"}}


def test_tools_of_every_kind_are_handed_on_whole() -> None:
    function = {"function": {"name": "f", "parametersJson": '{"type": "object"}', "strict": False, "description": "d"}}
    custom = {"custom": {"name": "c", "grammar": {"syntax": "lark", "definition": "start: /x/"}}}
    hosted = {"opaque": {"type": "web_search", "json": '{"type": "web_search", "filters": {"a": [1]}}'}}
    space = {"namespace": {"name": "n", "description": "d", "tools": [{"function": {"name": "g"}}]}}
    assert body(tools={"tools": [function, custom, hosted, space]})["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "description": "d", "strict": False},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}},
        {"type": "web_search", "filters": {"a": [1]}},
        {
            "type": "namespace",
            "name": "n",
            "description": "d",
            "tools": [{"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}}],
        },
    ]


def test_every_choice_among_tools_is_handed_on() -> None:
    def choice(**kind: Any) -> Any:
        tools = [{"function": {"name": "f"}}, {"custom": {"name": "c"}}]
        return body(tools={"tools": tools}, toolChoice=kind, parallelToolCalls=False)["tool_choice"]

    assert choice(mode="MODE_REQUIRED") == "required"
    assert choice(mode="MODE_NONE") == "none"
    assert choice(function={"name": "f"}) == {"type": "function", "name": "f"}
    assert choice(custom={"name": "c", "namespace": "n"}) == {"type": "custom", "name": "c", "namespace": "n"}
    assert choice(opaque={"type": "mcp", "json": '{"type": "mcp", "server_label": "s"}'}) == {
        "type": "mcp",
        "server_label": "s",
    }
    allowed = [{"function": {"name": "f"}}, {"opaque": {"type": "mcp", "json": '{"type":"mcp"}'}}]
    assert choice(allowedTools={"mode": "MODE_AUTO", "tools": [*allowed, {"namespace": {"name": "n"}}]}) == {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}, {"type": "namespace", "name": "n"}],
    }


def test_a_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in body(toolChoice={"mode": "MODE_NONE"})


def test_messages_keep_all_that_is_in_them() -> None:
    image = {"inputImage": {"imageUrl": "data:image/png;base64,AA==", "detail": "low"}}
    file = {"inputFile": {"fileUrl": "https://a.b/c.pdf", "filename": "c.pdf"}}
    audio = {"opaque": {"type": "input_audio", "json": '{"type": "input_audio", "n": 1}'}}
    cited = {"text": "Hi", "annotationsJson": ['{"type": "url_citation"}']}
    said = body(
        message("developer", {"inputText": {"text": "Obey."}}),
        message("user", image, file, audio, {"outputText": {"text": "quoted"}}),
        message("assistant", {"outputText": cited}, {"refusal": {"refusal": "No."}}, id="msg_1"),
        message("assistant", {"inputText": {"text": "typed"}}, id="own", status="STATUS_INCOMPLETE"),
    )["input"]
    assert [(item["role"], item.get("id"), item.get("status")) for item in said] == [
        ("developer", None, None),
        ("user", None, None),
        ("assistant", "msg_1", "completed"),
        ("assistant", "msg_3", "incomplete"),
    ]
    assert said[1]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_file", "file_url": "https://a.b/c.pdf", "filename": "c.pdf"},
        {"type": "input_audio", "n": 1},
        {"type": "input_text", "text": "quoted"},
    ]
    assert said[2]["content"] == [
        {"type": "output_text", "text": "Hi", "annotations": [{"type": "url_citation"}]},
        {"type": "refusal", "refusal": "No."},
    ]
    assert said[3]["content"] == [{"type": "output_text", "text": "typed", "annotations": []}]


def test_calls_and_their_outputs_are_told_by_call_id_and_never_by_ids_of_ours() -> None:
    assert body(
        {"id": "fc_1", "functionCall": {"callId": "a", "name": "f", "namespace": "n"}},
        {"id": "ctc_1", "customToolCall": {"callId": "b", "name": "c", "input": "ls\n"}},
        {"id": "fco_1", "functionCallOutput": {"callId": "a", "text": "42"}},
        {"customToolCallOutput": {"callId": "b", "parts": {"parts": [{"inputText": {"text": "done"}}]}}},
    )["input"] == [
        {"type": "function_call", "name": "f", "namespace": "n", "call_id": "a", "arguments": "{}"},
        {"type": "custom_tool_call", "name": "c", "call_id": "b", "input": "ls\n"},
        {"type": "function_call_output", "call_id": "a", "output": "42"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "done"}]},
    ]


def test_items_of_kinds_that_only_the_server_knows_go_as_they_came() -> None:
    text = '{"type": "web_search_call", "id": "ws_1", "big": 12345678901234567890123}'
    prompt = Prompt("", [Item(opaque={"type": "web_search_call", "json": text})], ResponseSettings())
    assert text in responses_body(prompt, model="up", server=SERVER).decode()


def test_thinking_goes_back_to_the_server_that_wrote_it_and_to_no_other() -> None:
    def reasoning(encrypted: str, **more: Any) -> dict[str, Any]:
        return {
            "id": "rs_ours",
            "reasoning": {"summary": [{"summaryText": {"text": "S"}}], **more} | {"encryptedContent": encrypted},
        }

    own = keep(Kept("rs_up", "gAAA"), server=SERVER)
    open_weights = keep(Kept("rs_open"), server=SERVER)
    other = keep(Kept("rs_other", "gAAA"), server="http://other/v1")
    content = [{"reasoningText": {"text": "T"}}]
    assert body(
        reasoning(own),
        reasoning(open_weights, content=content),
        reasoning(open_weights),
        reasoning(other, content=content),
        reasoning("anthropic:x"),
        reasoning("openai_responses:{]"),
        {"itemReference": {}, "id": "msg_1"},
    )["input"] == [
        {
            "type": "reasoning",
            "id": "rs_up",
            "summary": [{"type": "summary_text", "text": "S"}],
            "encrypted_content": "gAAA",
        },
        {
            "type": "reasoning",
            "id": "rs_open",
            "summary": [{"type": "summary_text", "text": "S"}],
            "content": [{"type": "reasoning_text", "text": "T"}],
        },
    ]


def test_who_only_counts_sends_what_the_model_reads() -> None:
    settings = ParseDict({"temperature": 0.5, "tools": {"tools": [{"function": {"name": "f"}}]}}, ResponseSettings())
    counted = json.loads(count_body(Prompt("Be brief.", [], settings), model="up", server=SERVER))
    assert set(counted) == {"model", "input", "instructions", "tools"}
