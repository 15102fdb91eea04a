"""The Agents SDK with tools that the server runs: its hosted tools, approvals, and an assistant's own tools."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients.conftest import RunStory
from tests.fakes.in_thread import in_thread
from tests.fakes.mcp_server import McpServer
from tests.fakes.web_server import WebServer
from tests.sdk.stack import Stack

FOUND = "The tools said: [1] Rain\nhttps://a.example/rain\nIt rains."
SAID = {
    "mcp": "The tools said: Noted: milk",
    "approved": "The tools said: Noted: eggs",
    "refused": (
        "The tools said: The user refused this call. Don't make it again unless they ask for it. They say: Too early."
    ),
    "search": FOUND,
    "own mcp": "The tools said: Noted: tea",
    "own rest": 'The tools said: {"state": "sent"}',
    "own search": FOUND,
}
"""What each agent says in the end, whole and streamed."""
NUMBER = {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}


def test_openai_agents_uses_tools_that_the_server_runs(
    run_story: RunStory, stack: Stack, web: WebServer, tmp_path: Path
) -> None:
    with in_thread(McpServer()) as server:
        tools = [
            {"type": "mcp", "server_label": "desk", "server_url": server.url, "require_approval": "never"},
            {"type": "rest", "name": "find_order", "url": f"{web.url}/orders/{{number}}", "parameters": NUMBER},
            {"type": "web_search"},
        ]
        (tmp_path / "tools.json").write_text(json.dumps(tools))
        options = ("--name", "tooled", "--model", "fake", "--tools", str(tmp_path / "tools.json"))
        tooled = stack.nodexa("assistants", "create", *options)["id"]
        told = run_story("python/agents_tools.py", MCP_URL=server.url, TOOLED=tooled)

    assert told == {name: [[said, "Sure?"]] * 2 for name, said in SAID.items()}
    assert server.notes == ["milk", "milk", "eggs", "eggs", "tea", "tea"]


def test_openai_agents_for_javascript_uses_hosted_tools(run_story: RunStory) -> None:
    with in_thread(McpServer()) as server:
        told = run_story("node/agents-tools.mjs", MCP_URL=server.url)

    assert told == {name: [SAID[name]] * 2 for name in ("mcp", "approved", "refused", "search")}
    assert server.notes == ["milk", "milk", "eggs", "eggs"]
