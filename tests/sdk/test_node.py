"""The Node SDK in front of the whole of Nodexa: each test runs a program of `node/` and reads what it found out."""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.sdk.node_sdk import Run
from tests.sdk.stack import Stack

pytestmark = pytest.mark.node

CALLS: Final = [["weather", "Paris"], ["weather", "Rome"]]
ANSWER: Final = "The tools said: Paris; Rome"


def test_text_comes_whole_streamed_and_helped_over_two_turns(run: Run) -> None:
    result = run("text.mjs")
    assert result["whole"] == {"status": "completed", "text": "My name is Alice.", "usage": 8}
    assert result["wholeAgain"] == "My name is Alice."
    assert result["streamed"] == result["streamedAgain"] == ["My", " name", " is", " Bob."]
    pieces = ["My", " name", " is", " Carol."]
    assert result["helper"] == {"pieces": pieces, "status": "completed", "text": "My name is Carol.", "usage": 8}
    assert result["helperAgain"] == {"pieces": pieces, "text": "My name is Carol."}


def test_a_conversation_outlives_a_restart_of_everything(run: Run, stack: Stack) -> None:
    first = run("turn.mjs", "My name is Eve.")
    stack.restart()
    assert run("turn.mjs", "recall", first["id"])["text"] == "My name is Eve."


def test_two_calls_are_answered_whichever_way_they_came(run: Run) -> None:
    result = run("tools.mjs")
    assert result["whole"] == {"status": "requires_action", "calls": CALLS, "answer": ANSWER}
    assert result["streamed"] == {"status": "requires_action", "calls": CALLS, "answer": ANSWER}
    # The SDK's helper and its parser would lose the calls of what is not completed, so that is what they are told.
    assert result["helped"] == {"status": "completed", "calls": CALLS, "answer": ANSWER}
    parsed = [{"city": "Paris"}, {"city": "Rome"}]
    assert result["strict"] == {"status": "completed", "calls": CALLS, "parsed": parsed}
    assert result["strictHelped"] == {"status": "completed", "calls": CALLS, "parsed": parsed}
    assert result["stored"] == "requires_action"


def test_a_stored_response_is_fetched_resumed_listed_and_deleted(run: Run) -> None:
    result = run("stored.mjs")
    assert len(result["resumed"]) > 8
    assert all(result["resumed"])
    assert result["same"]
    assert result["replayed"]["numbers"][0] == 6
    assert result["replayed"]["text"] == "Hello, wide world"
    assert json.loads(result["structured"]) == {"city": "text"}
    assert result["listed"]["asc"] == result["listed"]["desc"][::-1] == ["one", "two", "three", "four", "five"]
    assert result["models"]["listed"]
    assert result["models"]["found"]
    assert result["gone"] == "NotFoundError"


def test_sealed_reasoning_goes_round_and_a_conversation_is_made_short(run: Run) -> None:
    assert run("compaction.mjs") == {
        "sealed": True,
        "answered": "And now?",
        "short": {"object": "response.compaction", "types": ["compaction"], "used": True},
        "continued": "Go on.",
        "refused": ["BadRequestError", "invalid_encrypted_content", "input[0].encrypted_content"],
    }


def test_errors_have_their_class_status_code_and_field(run: Run, user_key: str) -> None:
    assert run("errors.mjs", USER_KEY=user_key) == {
        "an unknown turn before": ["BadRequestError", 400, "previous_response_not_found", "previous_response_id"],
        "a model that is no id": ["BadRequestError", 400, "invalid_model", "model"],
        "a wrong key": ["AuthenticationError", 401, "invalid_api_key", None],
        "a key of another scope": ["PermissionDeniedError", 403, "insufficient_scope", None],
        "an unknown assistant": ["NotFoundError", 404, "assistant_not_found", "model"],
        "an unknown response": ["NotFoundError", 404, "response_not_found", "id"],
        "a turn that still runs": ["ConflictError", 409, "response_not_ready", "previous_response_id"],
        "a throttling model server": ["RateLimitError", 429, "rate_limit_exceeded", None],
        "a broken model server": ["InternalServerError", 502, "upstream_error", None],
        "a failure in a stream": ["APIError", None, "upstream_error", None],
        "a failure under the helper": ["APIError", "upstream_error"],
    }


def test_a_stream_that_is_left_can_be_taken_up_and_cancelled(run: Run) -> None:
    assert run("abort.mjs") == {
        "left": "in_progress",
        "last": ["response.incomplete", "cancelled", "One"],
        "aborted": "APIUserAbortError",
        "cancelled": "cancelled",
    }


def test_a_conversation_is_gone_on_with_listed_and_deleted(run: Run) -> None:
    told = ["a", "b", "c", "One", "One", "Two", "Two", "recall", "a"]
    assert run("conversations.mjs") == {
        "named": [True, True, True],
        "recalled": "a",
        "listed": {"asc": told, "desc": told[::-1]},
        "found": "d",
        "left": {"a": "b"},
        "missing": "item_not_found",
        "updated": {"c": "d"},
        "deleted": ["conversation.deleted", True],
        "gone": "NotFoundError",
    }


def test_files_are_uploaded_searched_and_deleted(run: Run) -> None:
    assert run("files.mjs") == {
        "polled": "completed",
        "second": "completed",
        "batch": ["completed", 1, 1],
        "found": ["parrots.txt", "Parrots eat seeds."],
        "listed": ["completed", "completed", "completed", "failed"],
        "texts": ["Bees dance."],
        "content": "Parrots eat seeds.",
        "updated": ["Beasts", {"a": "b"}],
        "deleted": [True, "vector_store.deleted", True],
        "gone": ["NotFoundError", "vector_store_not_found"],
    }
