"""What real clients were told, checked as a whole: every object against the SDK's types, every stream by the ladder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openai.types.responses import Response
from pydantic import TypeAdapter

from tests.rest_bridge.ladder import check_ladder, events_of

SDK_RESPONSE: Final = TypeAdapter(Response)
DONE: Final = b"data: [DONE]\n\n"

# What happens to an item, as letters: A added, a part added, d delta, D text or arguments done, p part done, E done.
_LETTERS: Final[Mapping[str, str]] = {
    "response.output_item.added": "A",
    "response.content_part.added": "a",
    "response.output_text.delta": "d",
    "response.refusal.delta": "d",
    "response.reasoning_text.delta": "d",
    "response.function_call_arguments.delta": "d",
    "response.custom_tool_call_input.delta": "d",
    "response.output_text.done": "D",
    "response.refusal.done": "D",
    "response.reasoning_text.done": "D",
    "response.function_call_arguments.done": "D",
    "response.custom_tool_call_input.done": "D",
    "response.content_part.done": "p",
    "response.output_item.done": "E",
}
_STORIES: Final[Mapping[str, str]] = {
    "message": "A(ad*Dp)*E",
    "reasoning": "A(ad*Dp)*E",
    "function_call": "Ad*DE",
    "custom_tool_call": "Ad*DE",
}
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
        if exchange.status >= 400:
            assert set(json.loads(exchange.body)["error"]) == {"message", "type", "param", "code"}
        elif exchange.resumes:
            assert any(body.endswith(exchange.body) for body in whole), exchange.body
        elif exchange.streams:
            check_stream(exchange.body)
        else:
            _check_object(json.loads(exchange.body))


def check_stream(body: bytes) -> None:
    """Checks a stream from its beginning. Of one that its client left, what came before."""
    if body.endswith(DONE):
        events = events_of(body)
        check_ladder(events)
        check_items(events)
    else:
        frames = [frame for frame in body.split(b"\n\n")[:-1] if not frame.startswith(b":")]
        numbers = [json.loads(frame.partition(b"\ndata: ")[2])["sequence_number"] for frame in frames]
        assert numbers == list(range(len(numbers)))


def check_items(events: Iterable[dict[str, Any]]) -> None:
    """Checks that each item's events come in their order, and that its pieces are what it is in the end."""
    stories: dict[int, str] = {}
    kinds: dict[int, str] = {}
    pieces: dict[int, str] = {}
    for event in events:
        if "output_index" not in event:
            continue
        index = event["output_index"]
        letter = _LETTERS[event["type"]]
        stories[index] = stories.get(index, "") + letter
        if letter == "A":
            kinds[index] = event["item"]["type"]
        elif letter == "d":
            pieces[index] = pieces.get(index, "") + event["delta"]
        elif letter == "D":
            assert pieces.pop(index, "") == next(event[name] for name in _WHOLE if name in event)
    for index, story in stories.items():
        assert re.fullmatch(_STORIES[kinds[index]], story), (kinds[index], story)


def _check_object(value: dict[str, Any]) -> None:
    if value["object"] == "response" and "deleted" not in value:
        if value["status"] == "requires_action":
            value["status"] = "completed"
        if value["error"]:
            value["error"]["code"] = "server_error"
        SDK_RESPONSE.validate_python(value, strict=True)
