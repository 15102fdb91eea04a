"""Codex CLI with the configuration of `nodexa connect codex`: answers, the loop of commands, resumption, failures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import SECONDS, Reached
from tests.clients.front import Front
from tests.clients.installed import MODULES
from tests.sdk.stack import Stack
from tests.service.cli.served import environment

Told = list[dict[str, Any]]
Codex = Callable[..., Told]
# The model here is a fake and says only what the test wants; a sandbox need not exist on every machine.
TRUSTED = "--dangerously-bypass-approvals-and-sandbox"

LOG = "codex_otel=info"
RAIN = "Rain\nhttps://a.example/rain\nIt rains."


@pytest.fixture
def codex(stack: Stack, front: Front, assistant: str, reached: Reached, tmp_path: Path) -> Codex:
    """Runs `codex exec` in an empty directory; what it logs, and the events that it tells."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    text = stack.nodexa("connect", "codex", "--assistant", assistant)["text"].replace(stack.base_url, front.url)
    (home / "config.toml").write_text(text)
    (home / "another.config.toml").write_text(text)
    # The text ends with the table of the provider.
    (home / "socket.config.toml").write_text(f"{text}supports_websockets = true\n")

    def run(*arguments: str) -> Told:
        done = subprocess.run(
            [str(MODULES / ".bin" / "codex"), "exec", "--skip-git-repo-check", "--json", TRUSTED, *arguments],
            cwd=work,
            env=environment(
                CODEX_HOME=str(home), HOME=str(home), NODEXA_API_KEY=reached["NODEXA_API_KEY"], RUST_LOG=LOG
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, done.stderr
        logged = [{"type": "logged", "text": line} for line in done.stderr.splitlines()]
        return logged + [json.loads(line) for line in lines]

    return run


def items(told: Told, kind: str) -> Told:
    """The finished items of a kind."""
    found = [event["item"] for event in told if event["type"] == "item.completed"]
    return [item for item in found if item["type"] == kind]


def test_codex_gets_an_answer_with_its_usage(codex: Codex) -> None:
    told = codex("Hello there")
    assert [item["text"] for item in items(told, "agent_message")] == ["Hello there"]
    assert told[-1]["type"] == "turn.completed"
    assert told[-1]["usage"]["output_tokens"] == 2


def test_codex_searches_the_web_where_a_service_is_named(codex: Codex) -> None:
    told = codex("-c", 'web_search="live"', "call web_search in rain")
    assert [item["text"] for item in items(told, "agent_message")] == [f"The tools said: [1] {RAIN}"]
    assert told[-1]["type"] == "turn.completed"


def test_the_text_serves_as_a_profile_too(codex: Codex) -> None:
    told = codex("--profile", "another", "Hello profile")
    assert [item["text"] for item in items(told, "agent_message")] == ["Hello profile"]


def test_codex_runs_two_commands_and_gives_their_output_to_the_model(codex: Codex, stack: Stack) -> None:
    told = codex("call exec_command in echo one and echo two")
    commands = items(told, "command_execution")
    assert sorted(command["aggregated_output"] for command in commands) == ["one\n", "two\n"]
    assert [command["exit_code"] for command in commands] == [0, 0]
    (answer,) = items(told, "agent_message")
    assert "one\n" in answer["text"]
    assert "two\n" in answer["text"]
    last = stack.asked("call exec_command in echo one")[-1]["messages"]
    assert [message["role"] for message in last[-3:]] == ["assistant", "tool", "tool"]


def test_codex_runs_commands_over_a_websocket(codex: Codex, stack: Stack, front: Front) -> None:
    told = codex("--profile", "socket", "call exec_command in echo three and echo four")
    commands = items(told, "command_execution")
    assert sorted(command["aggregated_output"] for command in commands) == ["four\n", "three\n"]
    assert len(items(told, "agent_message")) == 1
    assert len(stack.asked("call exec_command in echo three")) == 2
    logged = [event["text"] for event in told if event["type"] == "logged"]
    sent = [line for line in logged if 'event.name="codex.websocket_request"' in line and 'success="true"' in line]
    assert len(sent) >= 2
    assert [message["type"] for message in front.messages].count("response.completed") >= 2


def test_a_session_is_resumed(codex: Codex, stack: Stack) -> None:
    codex("The first turn")
    told = codex("resume", "--last", "And the second")
    assert [item["text"] for item in items(told, "agent_message")] == ["And the second"]
    assert "The first turn" in str(stack.asked("And the second")[-1]["messages"])


def test_what_the_model_thought_goes_round_sealed(codex: Codex, tmp_path: Path) -> None:
    codex("think of a heron")
    told = codex("resume", "--last", "And the second")
    assert [item["text"] for item in items(told, "agent_message")] == ["And the second"]
    (kept,) = (tmp_path / "home" / "sessions").rglob("*.jsonl")
    assert '"encrypted_content":"nxs1_' in kept.read_text()


def test_a_full_context_is_said_in_codex_own_words(codex: Codex) -> None:
    told = codex("overflow")
    assert told[-1]["type"] == "turn.failed"
    assert "ran out of room" in told[-1]["error"]["message"]


def test_a_full_context_is_said_over_a_websocket_too(codex: Codex) -> None:
    told = codex("--profile", "socket", "overflow")
    assert told[-1]["type"] == "turn.failed"
    assert "ran out of room" in told[-1]["error"]["message"]
