"""What each client makes of structured answers, refusals, and streams that fail."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunStory
from tests.clients.installed import PYTHON
from tests.sdk.stack import Stack

ERRORS = {"overflow": "context_length_exceeded", "throttled": "rate_limit_exceeded", "reset": "upstream_error"}
CALLS = [["weather", "Paris"], ["weather", "Rome"]]


@pytest.mark.parametrize(("folder", "version"), [("openai-1", "1.66.0"), ("openai-2", "2.0.0")])
def test_the_oldest_openai_sdks_read_text_tools_structure_and_failures(
    run_story: RunStory, folder: str, version: str
) -> None:
    assert run_story("python/openai_sdk.py", PYTHONPATH=str(PYTHON.parent.parent / folder)) == {
        "version": version,
        "recalled": "My name is Ada.",
        "pieces": ["One", " two", " three"],
        "told": "The tools said: Paris; Rome",
        "told_streaming": "The tools said: Paris; Rome",
        "structured": {"city": "text"},
        "errors": ERRORS,
        "stored": "My name is Ada.",
    }


@pytest.mark.parametrize("program", ["python/agents.py", "node/agents.mjs"])
def test_openai_agents_reads_structure_and_failures(run_story: RunStory, program: str) -> None:
    assert run_story(program) == {"structured": "text", "pieces": ["One"], "errors": ERRORS}


@pytest.mark.parametrize("program", ["python/agents_session.py", "node/agents-session.mjs"])
def test_openai_agents_keeps_its_session_in_a_conversation(run_story: RunStory, stack: Stack, program: str) -> None:
    question = "Call weather: how is it in Paris and Rome?"
    assert run_story(program) == {
        "first": "The tools said: Sunny in Paris.; Sunny in Rome.",
        "second": "And in Tromsø?",
        "recalled": question,
        "kept": [
            *("message", "function_call", "function_call", "function_call_output", "function_call_output"),
            *["message"] * 5,
        ],
        "popped": question,
        "left": 9,
        "managed": ["The tools said: Sunny in Oslo.", "Call weather: how is it in Oslo?"],
    }
    *_, asked = [each for each in stack.asked("Tromsø") if each["messages"][-1]["content"] == "And in Tromsø?"]
    roles = [message["role"] for message in asked["messages"] if message["role"] != "system"]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]


def test_langchain_reads_streamed_calls_structure_and_failures(run_story: RunStory) -> None:
    told = run_story("python/langchain.py")
    assert told == {"calls": CALLS, "usage": True, "structured": "text", "errors": ERRORS}


def test_pydantic_ai_reads_streamed_calls_structure_and_failures(run_story: RunStory) -> None:
    assert run_story("python/pydantic-ai.py") == {
        "asked": ["Paris", "Rome"],
        "answer": "The tools said: Paris; Rome",
        "structured": "text",
        "tool_output": "text",
        "errors": ERRORS,
    }


def test_the_ai_sdk_reads_streamed_calls_structure_and_failures(run_story: RunStory, stack: Stack) -> None:
    told = run_story("node/ai-sdk.mjs")
    assert told.pop("errors") == {
        **ERRORS,
        "reset": "The server of model 'fake' closed the connection before its answer was whole. "
        "Try again; its log says why.",
    }
    assert told == {
        "calls": CALLS,
        "usage": True,
        "answer": "The tools said: Paris; Rome",
        "whole": {"city": "text"},
        "partial": {"city": "text"},
        "pieces": ["One"],
    }
    (asked,) = stack.asked("And in Bergen?")
    assert [message["content"] for message in asked["messages"][-2:]] == [told["answer"], "And in Bergen?"]
