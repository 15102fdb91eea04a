"""The body of POST /v1/responses/compact and its answer, and `context_management`."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.item_pb2 import Compaction, Item
from nodexa.v1.response_service_pb2 import CompactedConversation, CompactResponseRequest

from rest_bridge.errors import RequestError
from rest_bridge.wire.compaction import parse_compact, render_compacted
from rest_bridge.wire.request import parse_create

BASE: dict[str, Any] = {"model": "asst_1", "input": "Hello"}


def read(**more: Any) -> CompactResponseRequest:
    return parse_compact({**BASE, **more})


def refused(**more: Any) -> tuple[str, str]:
    with pytest.raises(RequestError) as refusal:
        read(**more)
    return refusal.value.code, refusal.value.param


def test_the_conversation_is_read_and_what_is_about_an_answer_is_noted() -> None:
    request = read(
        instructions="Be brief.",
        previous_response_id="resp_1",
        service_tier="flex",
        max_output_tokens=5,
        prompt_cache_retention="24h",
        store=None,
    )

    assert (request.assistant_id, request.previous_response_id, len(request.input)) == ("asst_1", "resp_1", 1)
    assert (request.settings.instructions, request.settings.service_tier) == ("Be brief.", "flex")
    assert list(request.settings.ignored) == ["max_output_tokens", "prompt_cache_retention"]


def test_a_stored_conversation_needs_no_input() -> None:
    assert not read(input=None, previous_response_id="resp_1").input


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"input": None}, "missing_required_field", "input"),
        ({"model": None}, "missing_required_field", "model"),
        ({"conversation": "conv_1"}, "unsupported_parameter", "conversation"),
        ({"stream": True}, "unsupported_parameter", "stream"),
    ],
    ids=["nothing", "no assistant", "a conversation", "a stream"],
)
def test_what_can_not_be_is_refused(more: dict[str, Any], code: str, param: str) -> None:
    assert refused(**more) == (code, param)


def test_the_answer_has_what_both_documents_ask_for() -> None:
    compacted = CompactedConversation(
        id="resp_1",
        create_time={"seconds": 17},
        output=[Item(id="cmp_1", compaction=Compaction(encrypted_content="nxs1_A"))],
        usage={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
        ignored=["store"],
    )

    shown = render_compacted(compacted)

    assert shown["output"] == [{"type": "compaction", "id": "cmp_1", "encrypted_content": "nxs1_A"}]
    assert (shown["id"], shown["object"], shown["created_at"]) == ("resp_1", "response.compaction", 17)
    assert (shown["usage"]["total_tokens"], shown["nodexa"]) == (7, {"ignored": ["store"]})
    assert render_compacted(CompactedConversation())["usage"] is None


def managed(value: Any) -> tuple[int, list[str]]:
    settings = parse_create({**BASE, "context_management": value}, user_tokens={}, ignored=[]).settings
    return settings.compact_threshold, list(settings.ignored)


def test_a_threshold_is_read() -> None:
    assert managed([{"type": "compaction", "compact_threshold": 5000}]) == (5000, [])
    assert managed([]) == (0, [])


def test_an_entry_without_a_threshold_and_members_that_nobody_knows_are_noted() -> None:
    assert managed([{"type": "compaction", "compact_threshold": None}]) == (0, ["context_management[0]"])
    more = [{"type": "compaction", "compact_threshold": 5000, "keep": 3}]
    assert managed(more) == (5000, ["context_management[0].keep"])


@pytest.mark.parametrize(
    ("value", "code", "param"),
    [
        ("auto", "invalid_request", "context_management"),
        ([1], "invalid_request", "context_management[0]"),
        ([{"type": "clear_tool_uses"}], "unsupported_parameter", "context_management[0].type"),
        ([{"type": "compaction"}, {"type": "compaction"}], "invalid_request", "context_management[1]"),
        (
            [{"type": "compaction", "compact_threshold": "5000"}],
            "invalid_request",
            "context_management[0].compact_threshold",
        ),
    ],
)
def test_what_can_not_be_managed_is_refused(value: Any, code: str, param: str) -> None:
    with pytest.raises(RequestError) as refusal:
        managed(value)
    assert (refusal.value.code, refusal.value.param) == (code, param)
