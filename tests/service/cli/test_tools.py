"""`nodexa tools`: what an assistant has, and a call of one of its tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.service.cli.conftest import Site

TOKEN = "canary-token"


@pytest.fixture
def assistant(site: Site, tmp_path: Path) -> str:
    """The id of an assistant that asks this very server for its models."""
    url = f"{site.served.quickstart['NODEXA_BASE_URL']}/v1/models"
    tools = [
        {"type": "function", "name": "clients_own"},
        {"type": "rest", "name": "list_models", "url": url, "provider": "nodexa"},
        {"type": "rest", "name": "add_note", "url": f"{url}/{{id}}", "method": "POST", "parameters": WITH_ID},
    ]
    (tmp_path / "tools.json").write_text(json.dumps(tools))
    options = ("--name", "tooled", "--model", "fake", "--tools", str(tmp_path / "tools.json"))
    made: str = site.ok("assistants", "create", *options, "--json").json["id"]
    return made


WITH_ID = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def test_the_tools_are_listed(site: Site, assistant: str) -> None:
    lines = [line.split() for line in site.ok("tools", "list", assistant).out.splitlines()[1:]]

    assert lines == [
        ["clients_own", "function", "client"],
        ["list_models", "rest", "platform"],
        ["add_note", "rest", "platform", "asked", "for"],
    ]
    tools = site.ok("tools", "list", assistant, "--json").json["tools"]
    assert [tool["name"] for tool in tools] == ["clients_own", "list_models", "add_note"]


def test_a_call_shows_what_was_asked_and_answered(site: Site, assistant: str) -> None:
    token = f"nodexa={site.served.quickstart['NODEXA_API_KEY']}"

    shown = site.ok("tools", "test", assistant, "list_models", "--user-token", token).out
    told = site.ok("tools", "test", assistant, "list_models", "--user-token", token, "--json").json

    assert "list_models (rest)" in shown
    assert '"object":"list"' in shown.replace(" ", "")
    assert json.loads(told["output"])["object"] == "list"
    assert told["arguments_json"] == "{}"
    assert token[7:] not in shown


def test_a_call_that_fails_says_how(site: Site, assistant: str) -> None:
    failed = site.run("tools", "test", assistant, "add_note", "--args", '{"id": "x"}')

    assert failed.code == 1
    assert '{"id": "x"}' in failed.out
    assert "http_error: The server answered with the status" in failed.out
    assert "asked for in responses" in failed.out


def test_a_token_that_is_missing_or_refused_is_asked_for(site: Site, assistant: str) -> None:
    for given in ((), ("--user-token", f"nodexa={TOKEN}")):
        wanting = site.run("tools", "test", assistant, "list_models", *given)

        assert wanting.code == 1
        assert "A token of nodexa is wanted: --user-token nodexa=…" in wanting.out
        assert TOKEN not in wanting.out


def test_a_tool_that_is_not_there_and_arguments_that_can_t_be_are_refused(site: Site, assistant: str) -> None:
    unknown = site.run("tools", "test", assistant, "look")
    assert unknown.code == 1
    assert "it runs: add_note, list_models. [tool_not_found, param tool]" in unknown.err
    assert "arguments_json" in site.run("tools", "test", assistant, "add_note", "--args", "[]").err
    refused = site.run("tools", "test", assistant, "add_note", "--user-token", TOKEN)
    assert refused.code == 2
    assert TOKEN not in refused.err
