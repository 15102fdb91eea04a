"""What real clients were told, checked as a whole: every answer is judged, every stream climbs the ladder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.contract.told import check_answer
from tests.rest_bridge.ladder import check_ladder, events_of

DONE: Final = b"data: [DONE]\n\n"

# What happens to an item, as letters: A added, a part added, d delta, n annotation, D text or arguments done, p part
# done, E done, s a step of its own.
_LETTERS: Final[Mapping[str, str]] = {
    "response.output_item.added": "A",
    "response.content_part.added": "a",
    "response.reasoning_summary_part.added": "a",
    "response.output_text.annotation.added": "n",
    "response.output_text.delta": "d",
    "response.refusal.delta": "d",
    "response.reasoning_text.delta": "d",
    "response.reasoning_summary_text.delta": "d",
    "response.function_call_arguments.delta": "d",
    "response.custom_tool_call_input.delta": "d",
    "response.output_text.done": "D",
    "response.refusal.done": "D",
    "response.reasoning_text.done": "D",
    "response.reasoning_summary_text.done": "D",
    "response.function_call_arguments.done": "D",
    "response.custom_tool_call_input.done": "D",
    "response.content_part.done": "p",
    "response.reasoning_summary_part.done": "p",
    "response.output_item.done": "E",
}
_STORIES: Final[Mapping[str, str]] = {
    "message": "A(a[dn]*Dp)*E",
    "reasoning": "A(ad*Dp)*E",
    "function_call": "Ad*DE",
    "custom_tool_call": "Ad*DE",
}
# Items that other servers run go by steps of their own.
_STEPS: Final = "As*E"
# What tells that tools were opened: one that the client sees, or a call of one that it doesn't.
_OPENED: Final = ("mcp", "mcp_call")
_WHOLE: Final = ("text", "refusal", "arguments", "input")


@dataclass(slots=True)
class Exchange:
    """One HTTP request of an SDK and what came back, as far as it was read."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def streams(self) -> bool:
        return self.headers["content-type"] == "text/event-stream"

    @property
    def resumes(self) -> bool:
        return "starting_after" in self.url


def check_exchanges(exchanges: Sequence[Exchange]) -> None:
    """Checks all answers of a test. A resumed stream must be the rest of a whole one that is among them."""
    whole = [each.body for each in exchanges if each.streams and not each.resumes and each.body.endswith(DONE)]
    for exchange in exchanges:
        assert exchange.headers["x-request-id"]
        check_answer(exchange.url, exchange.status, exchange.headers["content-type"], exchange.body)
        if exchange.streams and exchange.resumes:
            assert any(body.endswith(exchange.body) for body in whole), exchange.body
        elif exchange.streams:
            check_stream(exchange.body)


def check_stream(body: bytes) -> None:
    """Checks a stream from its beginning. Of one that its client left, what came before."""
    if body.endswith(DONE):
        events = events_of(body)
        # A compaction, the second try of a truncation and the opening of tools begin with a status, which these
        # clients are not shown, and neither are they the items that ask for tokens.
        last = events[-1]["response"]
        truncated, asked = "truncated_items" in last["nodexa"], len(last["nodexa"].get("oauth_required", ()))
        types = {each["type"] for each in (*last["tools"], *last["output"])}
        compacted = sum(_begins_compaction(event) for event in events)
        opened = bool(asked) or not types.isdisjoint(_OPENED) or (not (compacted or truncated) and _skips(events))
        check_ladder(events, left_out=compacted + truncated + opened + 2 * asked)
        check_items(events)
    else:
        frames = [frame for frame in body.split(b"\n\n")[:-1] if not frame.startswith(b":")]
        numbers = [json.loads(frame.partition(b"\ndata: ")[2])["sequence_number"] for frame in frames]
        assert numbers == list(range(len(numbers)))


def _skips(events: Sequence[dict[str, Any]]) -> bool:
    """Whether a status was left out where tools are opened of which nothing else tells: a memory, a search."""
    return 2 not in [event["sequence_number"] for event in events[:3]]


def _begins_compaction(event: dict[str, Any]) -> bool:
    return (event["type"], event.get("item", {}).get("type")) == ("response.output_item.added", "compaction")


def check_items(events: Iterable[dict[str, Any]]) -> None:
    """Checks that each item's events come in their order, and that its pieces are what it is in the end."""
    stories: dict[int, str] = {}
    kinds: dict[int, str] = {}
    pieces: dict[int, str] = {}
    for event in events:
        if "output_index" not in event:
            continue
        index = event["output_index"]
        letter = _LETTERS.get(event["type"], "s")
        stories[index] = stories.get(index, "") + letter
        if letter == "A":
            kinds[index] = event["item"]["type"]
        elif letter == "d":
            pieces[index] = pieces.get(index, "") + event["delta"]
        elif letter == "D":
            assert pieces.pop(index, "") == next(event[name] for name in _WHOLE if name in event)
    for index, story in stories.items():
        assert re.fullmatch(_STORIES.get(kinds[index], _STEPS), story), (kinds[index], story)
