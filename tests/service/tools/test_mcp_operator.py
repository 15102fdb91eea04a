"""The operator's own MCP servers, as nodexa.toml says them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.settings import SettingsError, read_mcp
from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_operator import OperatorServer, operator_servers
from service.tools.tool import ToolError
from tests.fakes.mcp_server import McpServer
from tests.service.tools.mcp_calls import desk, kind, tool_of

FILE = """
[mcp.github]
url = "https://api.example/mcp"
authorization_env = "GITHUB_TOKEN"
headers = { X-Toolset = "issues" }
headers_env = { X-Key = "GITHUB_KEY" }
organizations = ["org_1"]
timeout_seconds = 2.5

[mcp.files]
command = ["files-server", "--root", "/srv"]
env = ["FILES_KEY"]
"""
WRONG = {
    'a = "x"': "must be a table",
    "[mcp.a]": "either a url or a command",
    '[mcp.a]\nurl = "https://a.example"\ncommand = ["b"]': "either a url or a command",
    '[mcp.a]\nurl = "ftp://a.example"': "http or https",
    '[mcp.a]\ncommand = "b"': "command must be a list of texts",
    '[mcp.a]\ncommand = ["b"]\nauthorization_env = "X"': "authorization_env has no meaning beside command",
    '[mcp.a]\nurl = "https://a.example"\nenv = ["X"]': "env has no meaning beside url",
    '[mcp.a]\nurl = "https://a.example"\ntoken = "X"': "token is none of",
    '[mcp.a]\nurl = "https://a.example"\nheaders = { Host = "b" }': "set by the protocol",
    '[mcp.a]\nurl = "https://a.example"\ntimeout_seconds = 61': "a number of seconds up to 60",
    '[mcp.a]\nurl = "https://a.example"\ntimeout_seconds = true': "a number of seconds up to 60",
    '[mcp.a]\nurl = "https://a.example"\ntimeout_seconds = 0': "a number of seconds up to 60",
    '[mcp."a b"]\nurl = "https://a.example"': "its name",
}


def test_secrets_are_named_in_the_file_and_stand_in_the_environment(tmp_path: Path) -> None:
    assert operator_servers(read_mcp(tmp_path)) == {}
    (tmp_path / "nodexa.toml").write_text(FILE)
    servers = operator_servers(read_mcp(tmp_path))
    environment = {"GITHUB_TOKEN": "t", "GITHUB_KEY": "k", "FILES_KEY": "f", "OTHER": "o"}
    assert servers["github"].target(environment) == Endpoint(
        "https://api.example/mcp", {"X-Toolset": "issues", "X-Key": "k", "Authorization": "Bearer t"}, 2.5
    )
    assert servers["files"].target(environment) == Program(("files-server", "--root", "/srv"), {"FILES_KEY": "f"})
    assert (servers["github"].serves("org_1"), servers["github"].serves("org_2")) == (True, False)
    assert servers["files"].serves("org_2")


@pytest.mark.parametrize("environment", [{}, {"GITHUB_TOKEN": "t", "GITHUB_KEY": "two\nlines"}])
def test_a_variable_that_is_not_set_or_cannot_be_sent_is_told_to_the_operator_only(
    tmp_path: Path, environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "nodexa.toml").write_text(FILE)
    with pytest.raises(ToolError) as refused:
        operator_servers(read_mcp(tmp_path))["github"].target(environment)
    assert refused.value.message == "The operator has not set this MCP server up."
    assert "[mcp.github] can't be used" in caplog.text
    assert "two" not in caplog.text


@pytest.mark.parametrize(("content", "said"), WRONG.items(), ids=WRONG)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "nodexa.toml").write_text(content if content.startswith("[") else f"[mcp]\n{content}")
    with pytest.raises(SettingsError, match=r"\[mcp\.") as refused:
        operator_servers(read_mcp(tmp_path))
    assert said in str(refused.value)


async def test_a_call_of_a_server_ends_when_the_time_that_its_entry_gives_is_over() -> None:
    async with McpServer() as server:
        mcp = kind(server, operator={"desk": OperatorServer("desk", url=server.url, timeout_seconds=0.2)})
        async with desk(mcp, tool_of("")) as opened:
            outcome = await opened.call("hang")

        async with asyncio.timeout(10):
            await server.cancelled.wait()
    assert isinstance(outcome, ToolError)
    assert outcome.code == "tool_timeout"
