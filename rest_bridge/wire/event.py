"""ResponseEvent → one line of JSON, alone or framed for SSE: `event: <type>`, `data: <JSON>`, a blank line, LF only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
from nodexa.v1.event_pb2 import (
    ArgumentsDelta,
    EventBatch,
    InputDelta,
    ResponseEvent,
    SummaryTextDelta,
    TextDelta,
    TextDeltas,
)
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, ResponseSettings

from rest_bridge.errors import RequestError, error_headers, error_object
from rest_bridge.wire import item, json
from rest_bridge.wire.dialect import Dialect, told_name
from rest_bridge.wire.event_body import BODIES, EVENT_NAMES, PHASES, SNAPSHOTS, error_body, event_name, place_of
from rest_bridge.wire.plain_delta import PlainDelta
from rest_bridge.wire.response import dump_settings, dump_snapshot, render_response, render_settings
from rest_bridge.wire.runs import last_number, singly

LOGPROBS: Final = "message.output_text.logprobs"
_DELTA_ENDS: Final = {
    "output_text_delta": b',"logprobs":[]}',
    "refusal_delta": b"}",
    "reasoning_text_delta": b"}",
    "function_call_arguments_delta": b"}",
    "custom_tool_call_input_delta": b"}",
    "reasoning_summary_text_delta": b"}",
}
_ITEMS: Final = frozenset({"output_item_added", "output_item_done"})
_PART_BEGINNINGS: Final = frozenset({"content_part_added", "reasoning_summary_part_added"})


_SHOWN: Final = [b"%d" % number for number in range(2000)]
"""The numbers that most events have, as they are sent."""
_Template = tuple[bytes, bytes, bytes]
"""What stands before the number of a delta, between that and its text, and behind."""
Framing = Callable[[bytes, bytes], bytes]
"""The name and the JSON of an event → what is sent."""


def sse(name: bytes, data: bytes) -> bytes:
    """As server-sent events have it."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


def bare(name: bytes, data: bytes) -> bytes:
    """As a WebSocket has it: a message is an event. Here each stands on a line."""
    return data + b"\n"


def messages(frames: bytes) -> list[bytes]:
    """The messages of frames that are `bare`."""
    return frames.splitlines()


def refusal_event(refusal: RequestError) -> bytes:
    """What a request is refused with on a WebSocket, where no HTTP status could say it."""
    error = error_object(refusal.code, refusal.message, refusal.param, refusal.status)
    told = {"type": "error", "status": refusal.status, "error": error}
    if refusal.retry_after is not None:
        told["headers"] = {name.decode(): value.decode() for name, value in error_headers(refusal)}
    return json.dump(told)


class StreamRenderer:
    """Renders one stream.

    `hides_requires_action` answers for the stream's client, given the settings. `dialect` says which events it knows;
    it is set before the first batch.
    """

    def __init__(
        self,
        hides_requires_action: Callable[[ResponseSettings], bool],
        framing: Framing = sse,
    ) -> None:
        self._hides = hides_requires_action
        self.dialect = Dialect.OPENAI
        self._framing = framing
        self._hidden = False
        self._settings = ResponseSettings()
        self._dumped = b""
        self._logprobs = True
        self._templates: dict[str, _Template] = {}
        self._plain: tuple[PlainDelta, _Template] | None = None
        self._response: Response | None = None
        self._done: list[Item] = []
        self._number = 0

    @property
    def number(self) -> int:
        """The number of the last event that was rendered."""
        return self._number

    def render(self, batch: EventBatch) -> bytes:
        """The frames of a batch, to be written at once; empty when it holds no event that is known here."""
        if batch.HasField("settings"):
            self._settings = batch.settings
            self._dumped = dump_settings(batch.settings)
            self._hidden = self._hides(batch.settings)
            self._logprobs = LOGPROBS in batch.settings.include
        plain = () if self._logprobs else _DELTA_ENDS
        templates, dumps = self._templates, orjson.dumps
        frames: list[bytes] = []
        number = self._number
        for event in batch.events:
            kind = event.WhichOneof("kind") or ""
            number = event.sequence_number
            if kind == "output_text_deltas":
                frames += self._run(event)
                number = last_number(event)
            elif kind in plain:
                # Nearly all events of a stream: only the number and the new text differ, so only they are made anew.
                delta = getattr(event, kind)
                before, between, behind = templates.get(delta.item_id) or self._template(kind, delta)
                frames += (before, b"%d" % number, between, dumps(delta.delta), behind)
            elif self._known(kind, event):
                frames.append(self._frame(kind, number, getattr(event, kind)))
        self._number = number
        return json.one_line(b"".join(frames))

    def delta(self, data: bytes) -> bytes | None:
        """The frame of a serialized batch that is one more text delta, like one before. None for any other."""
        if self._plain is None or self._logprobs:
            return None
        known, (before, between, behind) = self._plain
        if (read := known.read(data)) is None:
            return None
        self._number, text = read
        # What isn't UTF-8 raises here as it does in protobuf.
        literal = orjson.dumps(text.decode())
        return json.one_line(b"%b%d%b%b%b" % (before, self._number, between, literal, behind))

    def _run(self, event: ResponseEvent) -> list[bytes]:
        """The frames of a run of text deltas, in pieces: nothing is done for each that can be done for all."""
        if self._logprobs:
            return [self._frame("output_text_delta", number, delta) for number, delta in singly(event)]
        run, first = event.output_text_deltas, event.sequence_number
        before, between, behind = self._templates.get(run.item_id) or self._template("output_text_delta", run)
        # Indented, since a line's end stands between two texts and never in one.
        literals = orjson.dumps(run.deltas[:], option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")
        pieces = [before, b"", between, b"", behind] * len(literals)
        pieces[1::5] = _numbers(first, first + len(literals))
        pieces[3::5] = literals
        return pieces

    def interrupted(self, code: str, message: str, *, over: bool) -> bytes:
        """Tells a client that its stream ends early for a reason that is not in the log.

        What is told bears the number of the last event of the log that was passed on, so that resuming from the last
        number seen gives exactly the rest. With `over` the response is told to have failed, as far as is known here.
        """
        told = self._event("error", self._number, error_body(code, message, ""))
        if not over or self._response is None:
            return json.one_line(told)
        output = item.render_items(self._done, self.dialect)
        failed = render_response(self._response, render_settings(self._settings)) | {
            "status": "failed",
            "error": error_object(code, message, ""),
            "output": output,
            "output_text": item.said_in(output),
        }
        return json.one_line(told + self._event(EVENT_NAMES["failed"], self._number, {"response": failed}))

    def _known(self, kind: str, event: ResponseEvent) -> bool:
        if kind == "item_progress":
            return event.item_progress.phase in PHASES.get(event.item_progress.type, ())
        if kind in _ITEMS:
            return item.knows_item(self.dialect, getattr(event, kind).item)
        # One without a kind is an event of a newer core.
        return bool(kind) and bool(told_name(self.dialect, EVENT_NAMES[kind]))

    def _frame(self, kind: str, number: int, body: Any) -> bytes:
        if kind in SNAPSHOTS:
            self._response = body.response
            shown = dump_snapshot(
                body.response,
                self._settings,
                self._dumped or dump_settings(self._settings),
                hides_requires_action=self._hidden,
                dialect=self.dialect,
            )
            return self._framed(EVENT_NAMES[kind], number, b'"response":%b}' % shown)
        if kind in _PART_BEGINNINGS:
            self._templates.pop(body.item_id, None)
        elif kind == "output_item_done":
            self._templates.pop(body.item.id, None)
            self._done.append(body.item)
        return self._event(event_name(kind, body), number, BODIES[kind](body))

    def _event(self, name: str, number: int, body: Mapping[str, Any]) -> bytes:
        return self._framed(told_name(self.dialect, name), number, orjson.dumps(body)[1:])

    def _framed(self, name: str, number: int, members: bytes) -> bytes:
        word = name.encode()
        return self._framing(word, b'{"type":"%b","sequence_number":%d,%b' % (word, number, members))

    def _template(
        self, kind: str, delta: TextDelta | TextDeltas | ArgumentsDelta | InputDelta | SummaryTextDelta
    ) -> _Template:
        """What all deltas of an item share until its next content part."""
        name = EVENT_NAMES[kind]
        head = orjson.dumps({"type": name, **place_of(delta)})
        # No text of an event has a zero byte in its JSON: it marks the places of the number and the text.
        data = b'%b,"sequence_number":\0,"delta":\0%b' % (head[:-1], _DELTA_ENDS[kind])
        before, between, behind = self._framing(name.encode(), data).split(b"\0")
        template = self._templates[delta.item_id] = (before, between, behind)
        if isinstance(delta, (TextDelta, TextDeltas)) and kind == "output_text_delta":
            self._plain = PlainDelta(delta), template
        return template


def _numbers(first: int, end: int) -> Iterable[bytes]:
    return _SHOWN[first:end] if end <= len(_SHOWN) else [b"%d" % number for number in range(first, end)]
