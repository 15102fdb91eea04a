"""Which clients are told `completed` where the truth is `requires_action`."""

from __future__ import annotations

import pytest
from nodexa.v1.response_pb2 import JsonSchema, ResponseSettings, TextFormat, TextSettings
from nodexa.v1.tool_pb2 import FunctionTool, Tool, ToolSet

from rest_bridge.wire.dialect import hides_requires_action

PLAIN = ResponseSettings(tools=ToolSet(tools=[Tool(function=FunctionTool(name="f"))]))
STRICT = ResponseSettings(tools=ToolSet(tools=[Tool(function=FunctionTool(name="f", strict=True))]))
SCHEMA = ResponseSettings(text=TextSettings(format=TextFormat(json_schema=JsonSchema(name="n"))))


@pytest.mark.parametrize(
    ("headers", "settings", "hidden"),
    [
        ({}, STRICT, False),
        ({"x-stainless-lang": "python"}, STRICT, False),
        ({"x-stainless-lang": "python"}, SCHEMA, False),
        ({"x-stainless-lang": "python", "x-stainless-package-version": "1.66.0"}, PLAIN, True),
        ({"x-stainless-lang": "python", "x-stainless-package-version": "1.67.0"}, PLAIN, False),
        ({"x-stainless-lang": "js"}, PLAIN, False),
        ({"x-stainless-lang": "js"}, STRICT, True),
        ({"x-stainless-lang": "js"}, SCHEMA, True),
        ({"x-stainless-helper-method": "stream"}, PLAIN, True),
    ],
)
def test_only_clients_that_would_lose_data_are_told_completed(
    headers: dict[str, str], settings: ResponseSettings, *, hidden: bool
) -> None:
    assert hides_requires_action(headers, settings) is hidden
