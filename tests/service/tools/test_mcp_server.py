"""Which `mcp` tools can be: every field of OpenAI's is read, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import NodexaError
from service.tools.mcp_operator import OperatorServer
from service.tools.tool import Errand, UserTokens
from tests.service.tools.mcp_calls import kind

URL = "https://mcp.example/mcp"
OPERATOR = {
    "files": OperatorServer(label="files", command=("server",)),
    "crm": OperatorServer(label="crm", url="http://127.0.0.1:1/mcp", organizations=frozenset({"org_1"})),
}

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no label": ({"server_label": None}, "invalid_request", "server_label"),
    "a label with a space": ({"server_label": "my server"}, "invalid_request", "server_label"),
    "a label that begins with a digit": ({"server_label": "1st"}, "invalid_request", "server_label"),
    "no url": ({"server_url": None}, "invalid_request", "server_url"),
    "a url that is none": ({"server_url": "mcp.example"}, "invalid_request", "server_url"),
    "a url of a file": ({"server_url": "file:///etc/passwd"}, "invalid_request", "server_url"),
    "a url with a password": ({"server_url": "https://me:pw@mcp.example"}, "invalid_request", "server_url"),
    "a url with a broken port": ({"server_url": "https://mcp.example:port"}, "invalid_request", "server_url"),
    "a url that leads inwards": ({"server_url": "http://127.0.0.1/mcp"}, "url_not_allowed", "server_url"),
    "a url of cloud metadata": ({"server_url": "http://169.254.169.254/"}, "url_not_allowed", "server_url"),
    "a connector": ({"connector_id": "connector_gmail"}, "unsupported_parameter", "connector_id"),
    "a tunnel": ({"tunnel_id": "tunnel_1"}, "unsupported_parameter", "tunnel_id"),
    "deferred loading": ({"defer_loading": True}, "unsupported_parameter", "defer_loading"),
    "callers": ({"allowed_callers": ["programmatic"]}, "unsupported_parameter", "allowed_callers"),
    "an unknown field": ({"server_uri": "x"}, "invalid_request", "server_uri"),
    "headers that are a list": ({"headers": ["canary"]}, "invalid_request", "headers"),
    "a header that is a number": ({"headers": {"X": 1}}, "invalid_request", "headers"),
    "a header that is two": ({"headers": {"X": "canary\r\nY: b"}}, "invalid_request", "headers"),
    "a header of the protocol's": ({"headers": {"Mcp-Session-Id": "canary"}}, "invalid_request", "headers"),
    "a host": ({"headers": {"Host": "inner"}}, "invalid_request", "headers"),
    "a token that is two lines": ({"authorization": "canary\n"}, "invalid_request", "authorization"),
    "a token twice": (
        {"authorization": "canary", "headers": {"authorization": "canary"}},
        "invalid_request",
        "authorization",
    ),
    "names that are none": ({"allowed_tools": ["a", 1]}, "invalid_request", "allowed_tools"),
    "a filter of something else": ({"allowed_tools": {"names": ["a"]}}, "invalid_request", "allowed_tools"),
    "a read_only that is a text": (
        {"allowed_tools": {"read_only": "yes"}},
        "invalid_request",
        "allowed_tools.read_only",
    ),
    "an approval of another kind": ({"require_approval": "sometimes"}, "invalid_request", "require_approval"),
    "an approval of names": ({"require_approval": {"never": ["a"]}}, "invalid_request", "require_approval.never"),
    "a description that is none": ({"server_description": 5}, "invalid_request", "server_description"),
    "a provider in a request": ({"provider": "crm"}, "invalid_request", "provider"),
    "the operator's server in a request": (
        {"server_label": "files", "server_url": None},
        "invalid_request",
        "server_url",
    ),
}


@pytest.mark.parametrize(("fields", "code", "param"), WRONG.values(), ids=WRONG)
async def test_a_tool_that_cannot_be_is_refused_by_the_name_of_its_field(
    fields: dict[str, Any], code: str, param: str
) -> None:
    tool = {"type": "mcp", "server_label": "desk", "server_url": URL} | fields
    with pytest.raises(NodexaError) as refused:
        await kind(operator=OPERATOR).check(tool, "tools[2]", org_id="org_1", own=False)
    assert (refused.value.code, refused.value.param) == (code, f"tools[2].{param}")
    assert "canary" not in refused.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"authorization": "canary"}, "authorization"),
        ({"headers": {"X-Key": "canary"}}, "headers"),
        ({"server_url": None, "server_label": "crm", "headers": {"X-Key": "canary"}}, "headers"),
        ({"server_url": None, "server_label": "unknown"}, "server_url"),
    ],
)
async def test_an_assistant_keeps_no_secrets_and_names_no_server_that_is_none(
    fields: dict[str, Any], param: str
) -> None:
    tool = {"type": "mcp", "server_label": "desk", "server_url": URL} | fields
    with pytest.raises(NodexaError) as refused:
        await kind(operator=OPERATOR).check(tool, "tools[0]", org_id="org_1", own=True)
    assert refused.value.param == f"tools[0].{param}"
    assert "canary" not in refused.value.message


async def test_an_organization_uses_the_operators_servers_that_are_for_it() -> None:
    mcp, tool = kind(operator=OPERATOR), {"type": "mcp", "server_label": "crm"}
    await mcp.check(tool, "tools[0]", org_id="org_1", own=True)
    await mcp.check({"type": "mcp", "server_label": "files"}, "tools[0]", org_id="org_2", own=True)
    with pytest.raises(NodexaError):
        await mcp.check(tool, "tools[0]", org_id="org_2", own=True)
    async with mcp.source(tool).open(Errand("org_2", "asst_1", "", "resp_1", UserTokens({}))) as opened:
        assert opened.items[0]["error"] == "This MCP server is not for this organization."


async def test_what_openai_documents_is_taken() -> None:
    for fields in (
        {"server_description": "Notes", "authorization": "t", "headers": {"X-Key": "k"}, "defer_loading": None},
        {"allowed_tools": ["a"], "require_approval": "always"},
        {"allowed_tools": {"tool_names": ["a"], "read_only": True}, "require_approval": {"never": {"read_only": True}}},
        {"headers": None, "allowed_tools": None, "require_approval": None},
    ):
        tool = {"type": "mcp", "server_label": "desk", "server_url": URL, **fields}
        await kind().check(tool, "tools[0]", org_id="org_1", own=False)


def test_a_model_server_is_left_what_it_can_reach_too() -> None:
    mcp = kind(operator=OPERATOR)
    hosted = {"type": "mcp", "server_label": "desk", "server_url": URL}
    assert mcp.hosted(hosted)
    assert mcp.hosted({"type": "mcp", "server_label": "mail", "connector_id": "connector_gmail"})
    assert not mcp.hosted({**hosted, "provider": "crm"})
    assert not mcp.hosted({"type": "mcp", "server_label": "files"})
