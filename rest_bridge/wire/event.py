"""ResponseEvent → one line of JSON, alone or framed for SSE: `event: <type>`, `data: <JSON>`, a blank line, LF only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.event_pb2 import ArgumentsDelta, EventBatch, InputDelta, TextDelta
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, ResponseSettings

from rest_bridge.errors import RequestError, error_object
from rest_bridge.wire import content, item, json
from rest_bridge.wire.response import render_response, render_settings

EVENT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "created": "response.created",
        "queued": "response.queued",
        "in_progress": "response.in_progress",
        "completed": "response.completed",
        "incomplete": "response.incomplete",
        "failed": "response.failed",
        "output_item_added": "response.output_item.added",
        "output_item_done": "response.output_item.done",
        "content_part_added": "response.content_part.added",
        "content_part_done": "response.content_part.done",
        "output_text_delta": "response.output_text.delta",
        "output_text_done": "response.output_text.done",
        "refusal_delta": "response.refusal.delta",
        "refusal_done": "response.refusal.done",
        "reasoning_text_delta": "response.reasoning_text.delta",
        "reasoning_text_done": "response.reasoning_text.done",
        "function_call_arguments_delta": "response.function_call_arguments.delta",
        "function_call_arguments_done": "response.function_call_arguments.done",
        "custom_tool_call_input_delta": "response.custom_tool_call_input.delta",
        "custom_tool_call_input_done": "response.custom_tool_call_input.done",
        "error": "error",
    }
)
"""The kind of an event in the contract → its `type` word on the wire."""

SNAPSHOTS: Final = frozenset({"created", "queued", "in_progress", "completed", "incomplete", "failed"})
LOGPROBS: Final = "message.output_text.logprobs"
_DELTA_ENDS: Final = {
    "output_text_delta": b',"logprobs":[]}',
    "refusal_delta": b"}",
    "reasoning_text_delta": b"}",
    "function_call_arguments_delta": b"}",
    "custom_tool_call_input_delta": b"}",
}


Framing = Callable[[bytes, bytes], bytes]
"""The name and the JSON of an event → what is sent."""


def sse(name: bytes, data: bytes) -> bytes:
    """As server-sent events have it."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


def bare(name: bytes, data: bytes) -> bytes:
    """As a WebSocket has it: a message is an event."""
    return data


def refusal_event(refusal: RequestError) -> bytes:
    """What a request is refused with on a WebSocket, where no HTTP status could say it."""
    error = error_object(refusal.code, refusal.message, refusal.param, refusal.status)
    return json.dump({"type": "error", "status": refusal.status, "error": error})


class StreamRenderer:
    """Renders one stream. `hides_requires_action` answers for the stream's client, given the settings."""

    def __init__(self, hides_requires_action: Callable[[ResponseSettings], bool], framing: Framing = sse) -> None:
        self._hides = hides_requires_action
        self._framing = framing
        self._hidden = False
        self._settings = render_settings(ResponseSettings())
        self._logprobs = True
        self._templates: dict[str, bytes] = {}
        self._response: Response | None = None
        self._done: list[Item] = []
        self._number = 0

    def render(self, batch: EventBatch) -> bytes:
        """The frames of a batch, to be written at once; empty when it holds no event that is known here."""
        return b"".join(self.frames(batch))

    def frames(self, batch: EventBatch) -> list[bytes]:
        """The frames of a batch, one for each event that is known here."""
        if batch.HasField("settings"):
            self._settings = render_settings(batch.settings)
            self._hidden = self._hides(batch.settings)
            self._logprobs = LOGPROBS in batch.settings.include
        plain = () if self._logprobs else _DELTA_ENDS
        frames = []
        for event in batch.events:
            kind = event.WhichOneof("kind") or ""
            if kind in plain:
                # Nearly all events of a stream: only the number and the new text differ, so only they are made anew.
                delta = getattr(event, kind)
                template = self._templates.get(delta.item_id) or self._template(kind, delta)
                frames.append(template % (event.sequence_number, json.dump(delta.delta)))
            elif kind:  # else it is an event of a newer core
                frames.append(self._frame(kind, event.sequence_number, getattr(event, kind)))
        if batch.events:
            self._number = batch.events[-1].sequence_number
        return frames

    def interrupted(self, code: str, message: str, *, over: bool) -> list[bytes]:
        """Tells a client that its stream ends early for a reason that is not in the log.

        What is told bears the number of the last event of the log that was passed on, so that resuming from the last
        number seen gives exactly the rest. With `over` the response is told to have failed, as far as is known here.
        """
        told = self._event("error", self._number, _error(code, message, ""))
        if not over or self._response is None:
            return [told]
        failed = render_response(self._response, self._settings) | {
            "status": "failed",
            "error": error_object(code, message, ""),
            "output": item.render_items(self._done),
            "output_text": item.output_text(self._done),
        }
        return [told, self._event(EVENT_NAMES["failed"], self._number, {"response": failed})]

    def _frame(self, kind: str, number: int, body: Any) -> bytes:
        if kind in SNAPSHOTS:
            self._response = body.response
            shown = render_response(body.response, self._settings, hides_requires_action=self._hidden)
            return self._event(EVENT_NAMES[kind], number, {"response": shown})
        if kind == "content_part_added":
            self._templates.pop(body.item_id, None)
        elif kind == "output_item_done":
            self._templates.pop(body.item.id, None)
            self._done.append(body.item)
        return self._event(EVENT_NAMES[kind], number, BODIES[kind](body))

    def _event(self, name: str, number: int, body: Mapping[str, Any]) -> bytes:
        return self._framing(name.encode(), json.dump({"type": name, "sequence_number": number, **body}))

    def _template(self, kind: str, delta: TextDelta | ArgumentsDelta | InputDelta) -> bytes:
        """What all deltas of an item share until its next content part, with places for the number and the text."""
        name = EVENT_NAMES[kind]
        head = json.dump({"type": name, **_place(delta)}).replace(b"%", b"%%")
        data = b'%b,"sequence_number":%%d,"delta":%%b%b' % (head[:-1], _DELTA_ENDS[kind])
        template = self._framing(name.encode(), data)
        self._templates[delta.item_id] = template
        return template


def _place(body: Any) -> dict[str, Any]:
    place = {"item_id": body.item_id, "output_index": body.output_index}
    return place if isinstance(body, (ArgumentsDelta, InputDelta)) else place | {"content_index": body.content_index}


def _error(code: str, message: str, param: str) -> dict[str, Any]:
    # Both forms in one: SDKs look at `error`, the standard has its members beside `type`.
    return {"code": code, "message": message, "param": param or None, "error": error_object(code, message, param)}


def _item(body: Any) -> dict[str, Any]:
    return {"output_index": body.output_index, "item": item.render_item(body.item)}


def _part(body: Any) -> dict[str, Any]:
    return {**_place(body), "part": content.render_part(body.part)}


BODIES: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        "output_item_added": _item,
        "output_item_done": _item,
        "content_part_added": _part,
        "content_part_done": _part,
        "output_text_delta": lambda body: {
            **_place(body),
            "delta": body.delta,
            "logprobs": content.render_logprobs(body.logprobs),
        },
        "refusal_delta": lambda body: {**_place(body), "delta": body.delta},
        "reasoning_text_delta": lambda body: {**_place(body), "delta": body.delta},
        "function_call_arguments_delta": lambda body: {**_place(body), "delta": body.delta},
        "custom_tool_call_input_delta": lambda body: {**_place(body), "delta": body.delta},
        "custom_tool_call_input_done": lambda body: {
            "item_id": body.item_id,
            "output_index": body.output_index,
            "input": body.input,
        },
        "output_text_done": lambda body: {
            **_place(body),
            "text": body.text,
            "logprobs": content.render_logprobs(body.logprobs),
        },
        "refusal_done": lambda body: {**_place(body), "refusal": body.text},
        "reasoning_text_done": lambda body: {**_place(body), "text": body.text},
        "function_call_arguments_done": lambda body: {
            "item_id": body.item_id,
            "output_index": body.output_index,
            "name": body.name,
            "call_id": body.call_id,
            "arguments": body.arguments,
        },
        "error": lambda body: _error(body.code, body.message, body.param),
    }
)
"""What each kind says beside its type and number; snapshots have a way of their own."""
