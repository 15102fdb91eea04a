"""The texts of `nodexa connect`, run as they are printed: a stream, two tools at once, and a second turn."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunText
from tests.clients.front import Front
from tests.clients.installed import versions
from tests.sdk.stack import Stack
from tests.service.cli.served import ROOT

AGENTS = ["agents", "agents-js", "langchain", "pydantic-ai", "ai-sdk"]


@pytest.mark.parametrize("client", AGENTS)
def test_the_text_runs_two_tools_and_goes_on_with_the_conversation(
    run_text: RunText, stack: Stack, front: Front, client: str
) -> None:
    earlier = len(stack.asked("And in Oslo?"))
    assert run_text(client) == "The tools said: Sunny in Paris.; Sunny in Rome.\nAnd in Oslo?\n"
    (asked,) = stack.asked("And in Oslo?")[earlier:]
    roles = [message["role"] for message in asked["messages"] if message["role"] != "system"]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert len(asked["messages"][-5]["tool_calls"]) == 2
    assert [each for each in front.exchanges if each.streams]


def test_the_page_names_the_versions_that_are_tested() -> None:
    page = (ROOT / "docs" / "clients.md").read_text() + (ROOT / "docs" / "codex.md").read_text()
    named = {
        (index, name): version
        for index, name, version in (
            [cell.strip(" `") for cell in line.strip("|").split("|")]
            for line in page.splitlines()
            if line.startswith(("| PyPI", "| npm"))
        )
    }
    pinned = versions()
    assert len(named) == 8
    assert named == {(index, name): pinned[f"{index.lower()} {name}"] for index, name in named}
