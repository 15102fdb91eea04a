"""How a stream ends: one terminal event that says why, and before a failure the `error` event in both its forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from service.errors import NodexaError
from service.model.chunk import Finish, FinishReason, TextDelta
from service.model.scripted import Step, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import events_of

BEGUN = [TextDelta("Hel")]


@dataclass(frozen=True, slots=True)
class End:
    """What the model does, and the last event's word, with the reason or the error's code."""

    story: Sequence[Step]
    status: str
    reason: str | None = None
    code: str | None = None


ENDS = {
    "said": End(says("Hello"), "completed"),
    "cut by a limit": End([BEGUN, [Finish(FinishReason.LENGTH)]], "incomplete", reason="max_output_tokens"),
    "cut by a filter": End([BEGUN, [Finish(FinishReason.CONTENT_FILTER)]], "incomplete", reason="content_filter"),
    "failed by the model server": End(
        [BEGUN, NodexaError("upstream_error", "The model server broke off.")], "failed", code="upstream_error"
    ),
    "throttled in mid-sentence": End(
        [BEGUN, NodexaError("rate_limit_exceeded", "Try again in 7s.", retry_after=7)],
        "failed",
        code="rate_limit_exceeded",
    ),
    "failed by a bug": End([BEGUN, RuntimeError("canary")], "failed", code="internal_error"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_every_stream_says_how_it_ended(bridge: BridgeUnderTest, core: CoreUnderTest, end: End) -> None:
    core.model.add(end.story)
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(stream=True))
    events = events_of(answer.content)
    response = events[-1]["response"]
    assert (events[-1]["type"], response["status"]) == (f"response.{end.status}", end.status)
    assert response["incomplete_details"] == ({"reason": end.reason} if end.reason else None)
    assert response["output_text"] == ("Hello" if end.status == "completed" else "Hel")
    assert "canary" not in answer.text
    check_error([event for event in events if event["type"] == "error"], response, code=end.code)
    assert (events[-2]["type"] == "error") is bool(end.code)


def check_error(told: list[dict[str, Any]], response: dict[str, Any], *, code: str | None) -> None:
    """Checks that the error was told once, in both forms, and that the response says the same."""
    assert [event["code"] for event in told] == ([code] if code else [])
    assert response["error"] == (told[0]["error"] if told else None)
    for event in told:
        assert list(event["error"]) == ["message", "type", "param", "code"]
        assert {name: event["error"][name] for name in ("message", "param", "code")} == {
            name: event[name] for name in ("message", "param", "code")
        }
