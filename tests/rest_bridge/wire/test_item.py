"""Items and content parts both ways."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.item_pb2 import ContentPart, Item, Message, Opaque
from openai.types.responses import ResponseInputItemParam, ResponseItem
from pydantic import TypeAdapter

from rest_bridge.errors import RequestError
from rest_bridge.wire import content, item

ITEMS: TypeAdapter[object] = TypeAdapter(ResponseItem)
PARAMS: TypeAdapter[object] = TypeAdapter(ResponseInputItemParam)

WHOLE: list[dict[str, Any]] = [
    {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is\u2028this?\x00"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        ],
    },
    {
        "id": "msg_2",
        "type": "message",
        "status": "incomplete",
        "role": "assistant",
        "content": [
            {
                "type": "output_text",
                "text": "A picture.",
                "annotations": [{"type": "file_path", "file_id": "f", "index": 1}],
                "logprobs": [
                    {
                        "token": "A",
                        "bytes": [65],
                        "logprob": -0.5,
                        "top_logprobs": [{"token": "B", "bytes": [66], "logprob": -1.5}],
                    }
                ],
            },
            {"type": "refusal", "refusal": "No more."},
        ],
        "phase": "final_answer",
    },
    {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "look",
        "arguments": '{"at": 1.50}',
    },
    {
        "id": "fc_2",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_2",
        "name": "look",
        "arguments": "{}",
        "namespace": "eyes",
    },
    {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_3",
        "name": "shell",
        "input": "ls\n",
        "namespace": "unix",
    },
    {
        "id": "ctco_1",
        "type": "custom_tool_call_output",
        "status": "completed",
        "call_id": "call_3",
        "output": "a b",
    },
    {
        "id": "fco_1",
        "type": "function_call_output",
        "status": "completed",
        "call_id": "call_1",
        "output": "seen",
    },
    {
        "id": "fco_2",
        "type": "function_call_output",
        "status": "completed",
        "call_id": "call_2",
        "output": [{"type": "input_text", "text": "seen"}],
    },
    {
        "id": "rs_1",
        "type": "reasoning",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
        "encrypted_content": "gAAA",
    },
    {"id": "cmp_1", "type": "compaction", "encrypted_content": "gAAA"},
    {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
]


@pytest.mark.parametrize("value", WHOLE, ids=lambda value: value["id"])
def test_a_whole_item_comes_back_as_it_was(value: dict[str, Any]) -> None:
    PARAMS.validate_python(value)
    ignored: list[str] = []
    (parsed,) = item.parse_input([value], ignored)
    assert item.render_item(parsed) == value
    ITEMS.validate_python(item.render_item(parsed))
    assert ignored == []


def test_every_kind_of_item_and_part_is_read_and_shown() -> None:
    kinds = {kind.name for kind in Item.DESCRIPTOR.oneofs_by_name["kind"].fields} - {"opaque"}
    assert kinds == set(item.PARSERS) == {*item.RENDERERS, "item_reference", "compaction"}
    parts = {kind.name for kind in ContentPart.DESCRIPTOR.oneofs_by_name["kind"].fields}
    assert parts == {*content.PARSERS, "opaque"} == set(content.RENDERERS)


def test_every_role_and_status_has_its_word() -> None:
    assert set(item.ROLES.values()) == set(Message.Role.values()) - {Message.ROLE_UNSPECIFIED}
    assert set(item.STATUSES.values()) == set(Item.Status.values()) - {Item.STATUS_UNSPECIFIED}


def test_a_text_is_one_message_of_the_user() -> None:
    (parsed,) = item.parse_input("Hello", [])
    assert parsed.message.role == Message.ROLE_USER
    assert parsed.message.content[0].input_text.text == "Hello"
    assert not parsed.id


@pytest.mark.parametrize(("role", "kind"), [("user", "input_text"), ("assistant", "output_text")])
def test_a_short_message_needs_no_type_and_its_text_is_a_part(role: str, kind: str) -> None:
    (parsed,) = item.parse_input([{"role": role, "content": "Hello"}], [])
    assert [part.WhichOneof("kind") for part in parsed.message.content] == [kind]


def test_an_unknown_type_is_kept_word_for_word() -> None:
    value = {"type": "telepathy_call", "thought": {"depth": 1.5, "big": 9007199254740993}}
    ignored: list[str] = []
    (parsed,) = item.parse_input([value], ignored)
    assert parsed.opaque.type == "telepathy_call"
    assert item.render_item(parsed) == value
    assert ignored == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_file", "file_data": "AA=="},
        {"type": "input_file", "file_id": "file_1", "filename": "a.pdf"},
        {"type": "input_image", "file_id": "file_1", "detail": "low"},
    ],
)
def test_a_file_is_kept_as_it_was_named(part: dict[str, Any]) -> None:
    (parsed,) = item.parse_input([{"role": "user", "content": [part]}], [])
    assert content.render_parts(parsed.message.content) == [part]


def test_an_id_that_the_platform_gave_stands_in_an_opaque_item() -> None:
    (parsed,) = item.parse_input([{"type": "computer_call", "id": "msg_9"}], [])
    assert parsed.id == "msg_9"
    parsed.id = "item_1"
    assert item.render_item(parsed)["id"] == "item_1"


@pytest.mark.parametrize("value", [{"type": "item_reference", "id": "msg_9"}, {"id": "msg_9"}])
def test_a_reference_is_an_id_and_its_type_can_be_left_out(value: dict[str, Any]) -> None:
    ignored: list[str] = []
    (parsed,) = item.parse_input([value], ignored)
    assert parsed.HasField("item_reference")
    assert item.render_item(parsed) == {"type": "item_reference", "id": "msg_9"}
    assert ignored == []


def test_members_that_nobody_reads_are_noted_and_nulls_are_not() -> None:
    ignored: list[str] = []
    item.parse_input(
        [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "caller": None, "async": True}],
        ignored,
    )
    assert ignored == ["input[0].async"]


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (7, "input"),
        ({"role": "user"}, "input"),
        (["text"], "input[0]"),
        ([{"content": "x"}], "input[0]"),
        ([{"type": 7}], "input[0]"),
        ([{"role": "wizard", "content": "x"}], "input[0].role"),
        ([{"role": ["user"], "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": 5}], "input[0].content"),
        ([{"role": "user", "content": ["x"]}], "input[0].content[0]"),
        ([{"role": "user", "content": [{"text": "x"}]}], "input[0].content[0]"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "input_text", "text": 5}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "input_image"}]}], "input[0].content[0].image_url"),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f", "image_url": "https://a.b/c"}]}],
            "input[0].content[0].image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_file", "file_id": "f", "file_url": "https://a.b/c"}]}],
            "input[0].content[0]",
        ),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input[0].content[0]"),
        ([{"role": "user", "content": "x", "status": "lost"}], "input[0].status"),
        ([{"role": "user", "content": "x", "id": 5}], "input[0].id"),
        ([{"role": "user", "content": "x"}, {"type": "function_call", "call_id": "c"}], "input[1].name"),
        ([{"type": "function_call_output", "call_id": "c"}], "input[0].output"),
        ([{"type": "function_call_output", "call_id": "c", "output": {"a": 1}}], "input[0].output"),
        ([{"type": "function_call_output", "call_id": 5, "output": "x"}], "input[0].call_id"),
        ([{"type": "reasoning", "summary": "x"}], "input[0].summary"),
        ([{"type": "reasoning", "summary": [], "content": {}}], "input[0].content"),
    ],
)
def test_an_item_of_unknown_shape_is_refused_by_its_path(value: object, param: str) -> None:
    with pytest.raises(RequestError) as refusal:
        item.parse_input(value, [])
    assert (refusal.value.code, refusal.value.param) == ("invalid_input_type", param)
    assert refusal.value.message.startswith(param)


@pytest.mark.parametrize("value", [{}, {"call_id": None}, {"call_id": ""}])
def test_a_function_call_output_without_its_call_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(RequestError) as refusal:
        item.parse_input([{"type": "function_call_output", "output": "x", **value}], [])
    assert (refusal.value.code, refusal.value.param) == ("missing_call_id", "input[0].call_id")


def test_an_item_that_is_not_json_is_shown_by_its_type() -> None:
    assert item.render_item(Item(id="x_1", opaque=Opaque(type="odd", json="{"))) == {"type": "odd", "id": "x_1"}
