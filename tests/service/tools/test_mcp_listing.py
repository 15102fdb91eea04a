"""What is kept of a server's list, and what its answers look like to a model."""

from __future__ import annotations

import re
from typing import Any

import pytest

from service.tools.mcp_listing import MOST_LISTS, Listed, Listing, Listings, listed, shown_name
from service.tools.mcp_result import outcome_of
from service.tools.tool import ToolError
from tests.service.tools.mcp_calls import Now


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def test_names_are_what_model_servers_take_and_unique_across_servers() -> None:
    names = [("a", "b__c"), ("a__b", "c"), ("a", "b.c"), ("a", "b/c"), ("a", "x" * 70), ("a", "x" * 71), ("a", "é")]
    shown = {shown_name(label, name) for label, name in names[1:]}
    assert len(shown) == len(names) - 1
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in shown)
    assert shown_name("desk", "add") == "desk__add"


def test_a_definition_is_the_same_as_long_as_every_word_of_it_is() -> None:
    plain = listed([tool("a", description="x")])[0]
    for other in (
        tool("a", description="y"),
        tool("a", description="x", inputSchema={}),
        tool("a", description="x", annotations={"readOnlyHint": True}),
    ):
        assert listed([other])[0].digest != plain.digest
    assert listed([tool("a", description="x", title="ignored")])[0].digest == plain.digest


@pytest.mark.parametrize(
    "tools", [[tool("a"), tool("a")], [tool(f"t{n}", description="x" * 100_000) for n in range(11)]]
)
def test_a_list_that_no_model_can_be_shown_is_refused(tools: list[dict[str, Any]]) -> None:
    with pytest.raises(ToolError) as refused:
        listed(tools)
    assert refused.value.done is False


def test_lists_are_forgotten_when_they_are_old_changed_or_too_many() -> None:
    now = Now()
    lists, listing = Listings(now), Listing([Listed("a", "", "{}")], lasts_ms=1000)
    lists.keep("x", listing)
    now.ms = 999
    assert lists.get("x") is listing
    now.ms = 1000
    assert lists.get("x") is None
    lists.keep("x", listing)
    lists.forget("x")
    assert lists.get("x") is None
    for number in range(MOST_LISTS + 1):
        lists.keep(number, listing)
    assert (lists.get(0), lists.get(MOST_LISTS)) == (None, listing)


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": [], "structuredContent": {"n": 1}}, '{"n": 1}'),
        ({"content": [{"type": "text", "text": '{"n":1}'}], "structuredContent": {"n": 1}}, '{"n":1}'),
        ({"content": [{"type": "text", "text": "one"}], "structuredContent": {"n": 1}}, 'one\n{"n": 1}'),
        ({"content": [{"type": "text", "text": "x"}], "structuredContent": {"result": "x"}}, "x"),
        ({"content": [{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}]}, "[audio: audio/wav, 3 bytes]"),
        ({"content": [{"type": "resource_link", "uri": "file:///a", "name": "A"}]}, "[resource: A file:///a]"),
        ({"content": [{"type": "resource", "resource": {"uri": "x:1", "text": "hi"}}]}, "[resource: x:1]\nhi"),
        (
            {"content": [{"type": "resource", "resource": {"uri": "x:1", "blob": "AAAA", "mimeType": "a/b"}}]},
            "[resource: x:1 a/b, 3 bytes]",
        ),
        ({}, ""),
    ],
)
def test_a_model_reads_text_and_what_else_there_was_by_name(result: dict[str, Any], output: str) -> None:
    assert outcome_of(result).output == output


def test_a_tool_that_says_it_failed_has_failed() -> None:
    for content, message in (([{"type": "text", "text": "No."}], "No."), ([], "The tool failed, and did not say why.")):
        with pytest.raises(ToolError) as failed:
            outcome_of({"content": content, "isError": True})
        assert (failed.value.code, failed.value.message) == ("mcp_tool_execution_error", message)
