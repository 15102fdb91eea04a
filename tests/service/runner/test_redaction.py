"""The secrets of tools are for their servers: not for the disk, and not for whoever reads the response."""

from __future__ import annotations

import json
from typing import Any

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import FunctionTool, Tool, ToolSet

from service.runner.redaction import lacks_secrets, shown


def with_mcp(**fields: Any) -> ResponseSettings:
    tool = {"type": "mcp", "server_label": "files", **fields}
    own = Tool(function=FunctionTool(name="look"))
    return ResponseSettings(tools=ToolSet(tools=[own, Tool(opaque=Opaque(type="mcp", json=json.dumps(tool)))]))


def test_what_a_tool_logs_in_with_is_masked_and_all_else_stays() -> None:
    settings = with_mcp(
        authorization="canary", headers={"X-Key": "canary", "X-Other": "canary"}, require_approval="never"
    )

    kept = shown(settings)

    assert json.loads(kept.tools.tools[1].opaque.json) == {
        "type": "mcp",
        "server_label": "files",
        "authorization": "[redacted]",
        "headers": {"X-Key": "[redacted]", "X-Other": "[redacted]"},
        "require_approval": "never",
    }
    assert "canary" in settings.tools.tools[1].opaque.json
    assert kept.tools.tools[0] == settings.tools.tools[0]


def test_headers_of_no_known_form_are_left_out() -> None:
    assert json.loads(shown(with_mcp(headers=["canary"])).tools.tools[1].opaque.json)["headers"] == {}


def test_settings_without_secrets_are_kept_as_they_are() -> None:
    for settings in (ResponseSettings(), with_mcp(), with_mcp(authorization=None, headers={})):
        assert shown(settings) is settings
        assert not lacks_secrets(settings)


def test_what_was_kept_without_its_secrets_can_not_be_sent_again() -> None:
    settings = with_mcp(headers={"X-Key": "canary"})

    assert lacks_secrets(shown(settings))
    assert not lacks_secrets(settings)
