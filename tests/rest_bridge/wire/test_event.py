"""ResponseEvent → SSE frame, validated by the SDK's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import Response, ResponseSettings
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from rest_bridge.wire.dialect import Dialect
from rest_bridge.wire.event import StreamRenderer, bare, messages
from rest_bridge.wire.event_body import BODIES, EVENT_NAMES, PHASES, SNAPSHOTS, event_name

SDK_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MESSAGE = {"id": "msg_1", "status": "STATUS_COMPLETED", "message": {"role": "ROLE_ASSISTANT"}}
PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
CITATION = {"type": "url_citation", "url": "https://example.com", "title": "%s", "start_index": 0, "end_index": 4}
SUMMARY = {"item_id": "rs_1", "output_index": 0, "summary_index": 1}
LOGPROBS = [{"token": "A", "token_bytes": b"A", "logprob": -0.5}]
SNAPSHOT = {"response": {"id": "resp_1", "assistant_id": "asst_1", "status": Response.STATUS_IN_PROGRESS}}

EXAMPLES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(SNAPSHOTS, SNAPSHOT),
    "output_item_added": {"output_index": 0, "item": MESSAGE},
    "output_item_done": {"output_index": 0, "item": MESSAGE},
    "content_part_added": {**PLACE, "part": {"output_text": {"text": ""}}},
    "content_part_done": {**PLACE, "part": {"output_text": {"text": "A"}}},
    "output_text_delta": {**PLACE, "delta": "A", "logprobs": LOGPROBS},
    "output_text_done": {**PLACE, "text": "A", "logprobs": LOGPROBS},
    "refusal_delta": {**PLACE, "delta": "N"},
    "refusal_done": {**PLACE, "text": "No"},
    "reasoning_text_delta": {**PLACE, "delta": "h"},
    "reasoning_text_done": {**PLACE, "text": "hm"},
    "function_call_arguments_delta": {"item_id": "fc_1", "output_index": 1, "delta": "{"},
    "function_call_arguments_done": {
        "item_id": "fc_1",
        "output_index": 1,
        "name": "f",
        "call_id": "call_1",
        "arguments": "{}",
    },
    "custom_tool_call_input_delta": {"item_id": "ctc_1", "output_index": 1, "delta": "ls"},
    "custom_tool_call_input_done": {"item_id": "ctc_1", "output_index": 1, "input": "ls -l"},
    "reasoning_summary_part_added": {**SUMMARY, "part": {"summary_text": {"text": ""}}},
    "reasoning_summary_part_done": {**SUMMARY, "part": {"summary_text": {"text": "A"}}},
    "reasoning_summary_text_delta": {**SUMMARY, "delta": "A"},
    "reasoning_summary_text_done": {**SUMMARY, "text": "A"},
    "output_text_annotation_added": {**PLACE, "annotation_index": 0, "annotation_json": json.dumps(CITATION)},
    "item_progress": {"item_id": "item_1", "output_index": 1, "type": "web_search_call", "phase": "searching"},
    "mcp_call_arguments_done": {"item_id": "mcp_1", "output_index": 1, "arguments": "{}"},
    "status": {"status": "truncating"},
    "error": {"code": "upstream_error", "message": "It broke."},
}


def renderer(*, hides: bool = False) -> StreamRenderer:
    return StreamRenderer(lambda settings: hides)


def batch(*events: ResponseEvent, settings: ResponseSettings | None = None) -> EventBatch:
    return EventBatch(events=events, settings=settings)


def event(number: int, **kind: Any) -> ResponseEvent:
    return ResponseEvent(sequence_number=number, **kind)


def text_delta(number: int, delta: str, **place: Any) -> ResponseEvent:
    return event(number, output_text_delta={**PLACE, **place, "delta": delta})


def parsed(frames: bytes) -> list[dict[str, Any]]:
    """The data of each frame; fails where a frame isn't one, or its name isn't its type."""
    data = []
    for frame in frames.decode().split("\n\n")[:-1]:
        name, line = frame.split("\n")
        data.append(json.loads(line.removeprefix("data: ")))
        assert name == f"event: {data[-1]['type']}"
    return data


def test_every_kind_of_event_has_its_name_and_its_way() -> None:
    # A run of deltas is told delta by delta.
    kinds = {kind.name for kind in ResponseEvent.DESCRIPTOR.oneofs_by_name["kind"].fields} - {"output_text_deltas"}
    assert set(EVENT_NAMES) == kinds == set(EXAMPLES)
    assert set(BODIES) | SNAPSHOTS == kinds


@pytest.mark.parametrize("kind", sorted(set(EVENT_NAMES) - {"status"}))
@pytest.mark.parametrize("include", [[], ["message.output_text.logprobs"]], ids=["plain", "with logprobs"])
def test_every_event_satisfies_the_sdk(kind: str, include: list[str]) -> None:
    told = event(7, **{kind: EXAMPLES[kind]})
    (data,) = parsed(renderer().render(batch(told, settings=ResponseSettings(include=include))))
    assert (data["type"], data["sequence_number"]) == (event_name(kind, getattr(told, kind)), 7)
    SDK_EVENTS.validate_python(data)
    # The SDKs raise for every event with this member, whatever its type.
    assert bool(data.get("error")) == (kind == "error")


def test_an_error_has_the_form_of_the_sdks_and_that_of_the_standard() -> None:
    told = event(3, error={"code": "upstream_timeout", "message": "Slow.", "param": "model"})
    assert parsed(renderer().render(batch(told))) == [
        {
            "type": "error",
            "sequence_number": 3,
            "code": "upstream_timeout",
            "message": "Slow.",
            "param": "model",
            "error": {"type": "server_error", "code": "upstream_timeout", "message": "Slow.", "param": "model"},
        }
    ]


def test_events_that_were_ready_together_are_frames_of_one_piece() -> None:
    frames = renderer().render(batch(*(text_delta(number, "x") for number in range(3))))
    assert [data["sequence_number"] for data in parsed(frames)] == [0, 1, 2]
    assert b"\r" not in frames


def test_deltas_of_several_parts_and_items_keep_their_places() -> None:
    stream = renderer()
    part = event(2, content_part_added={**PLACE, "content_index": 1, "part": {"refusal": {}}})
    frames = stream.render(
        batch(
            text_delta(0, "a"),
            text_delta(1, "b", item_id="msg_2", output_index=1),
            part,
            event(3, refusal_delta={**PLACE, "content_index": 1, "delta": "c"}),
            text_delta(4, "d", item_id="msg_2", output_index=1),
        )
    )
    shown = [
        (data["type"].split(".")[1], data["item_id"], data["output_index"], data["content_index"], data.get("delta"))
        for data in parsed(frames)
    ]
    assert shown == [
        ("output_text", "msg_1", 0, 0, "a"),
        ("output_text", "msg_2", 1, 0, "b"),
        ("content_part", "msg_1", 0, 1, None),
        ("refusal", "msg_1", 0, 1, "c"),
        ("output_text", "msg_2", 1, 0, "d"),
    ]


def test_a_delta_says_the_same_on_both_ways() -> None:
    told = batch(text_delta(7, "50 %d \u2028", item_id="msg_%d"), settings=ResponseSettings())
    slow = batch(text_delta(7, "50 %d \u2028", item_id="msg_%d"))
    assert parsed(renderer().render(told)) == parsed(renderer().render(slow))


TEXTS = ["a", "50 %d", ",\n  ", "\u2028\r\n\r\ndata: x\n\n", '","', "é\x00", " "]


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], TEXTS[3:5]], ids=["many", "one", "two"])
@pytest.mark.parametrize("include", [[], ["message.output_text.logprobs"]], ids=["plain", "with logprobs"])
def test_a_run_of_deltas_is_told_like_each_of_them(texts: list[str], include: list[str]) -> None:
    place = {"item_id": "msg_%d", "output_index": 2, "content_index": 1}
    settings = ResponseSettings(include=include)
    run = batch(event(7, output_text_deltas={**place, "deltas": texts}), settings=settings)
    each = batch(*(text_delta(7 + at, text, **place) for at, text in enumerate(texts)), settings=settings)

    assert renderer().render(run) == renderer().render(each)
    alone = StreamRenderer(lambda _: False, bare)
    assert [json.loads(message)["delta"] for message in messages(alone.render(run))] == texts
    assert [data["delta"] for data in parsed(renderer().render(run))] == texts


def test_what_ends_a_stream_behind_a_run_bears_the_number_of_its_last_delta() -> None:
    stream = renderer()
    stream.render(batch(event(0, created=SNAPSHOT), event(1, output_text_deltas={**PLACE, "deltas": TEXTS})))
    told = stream.interrupted("server_draining", "Bye.", over=False)
    assert [data["sequence_number"] for data in parsed(told)] == [len(TEXTS)]


def test_log_probabilities_are_shown_where_they_were_asked_for() -> None:
    told = event(0, output_text_delta={**PLACE, "delta": "A", "logprobs": LOGPROBS})
    settings = ResponseSettings(include=["message.output_text.logprobs"])
    (data,) = parsed(renderer().render(batch(told, settings=settings)))
    assert data["logprobs"] == [{"token": "A", "bytes": [65], "logprob": -0.5, "top_logprobs": []}]


@pytest.mark.parametrize(
    "text", ["\r\n\r\ndata: x\n\n", "\u2028\u2029\x85", "\x00\x0b\x0c\x1c", 'event: "x"', "\u202e"]
)
def test_no_content_can_forge_an_event(text: str) -> None:
    frames = renderer().render(batch(text_delta(0, text), event(0, output_text_done={**PLACE, "text": text})))
    assert [data.get("delta", data.get("text")) for data in parsed(frames)] == [text, text]
    assert len(frames.decode().splitlines()) == frames.count(b"\n") == 6


def test_snapshots_show_the_settings_that_came_once() -> None:
    stream = renderer()
    first = event(0, created=SNAPSHOT)
    last = event(1, completed=SNAPSHOT)
    stream.render(batch(first, settings=ResponseSettings(temperature=0.5, metadata={"k": "v"})))
    (data,) = parsed(stream.render(batch(last)))
    assert (data["response"]["temperature"], data["response"]["metadata"]) == (0.5, {"k": "v"})


def test_waiting_for_results_is_shown_as_the_client_can_bear_it() -> None:
    told = event(0, completed={"response": {"status": Response.STATUS_REQUIRES_ACTION}})
    for hides, word in ((False, "requires_action"), (True, "completed")):
        (data,) = parsed(renderer(hides=hides).render(batch(told, settings=ResponseSettings())))
        assert (data["type"], data["response"]["status"]) == ("response.completed", word)


@pytest.mark.parametrize(
    ("kind", "phase"), [(kind, phase) for kind in sorted(PHASES) for phase in sorted(PHASES[kind])]
)
def test_a_step_of_an_item_is_an_event_that_the_sdk_knows(kind: str, phase: str) -> None:
    told = event(4, item_progress={"item_id": "item_1", "output_index": 2, "type": kind, "phase": phase})
    (data,) = parsed(renderer().render(batch(told)))
    assert data == {
        "type": f"response.{kind}.{phase}",
        "sequence_number": 4,
        "item_id": "item_1",
        "output_index": 2,
    }
    SDK_EVENTS.validate_python(data)


@pytest.mark.parametrize(("kind", "phase"), [("web_search_call", "x\n\ndata: {}"), ("telepathy_call", "completed")])
def test_a_step_that_no_client_knows_is_left_out(kind: str, phase: str) -> None:
    told = event(4, item_progress={"item_id": "item_1", "type": kind, "phase": phase})
    assert renderer().render(batch(told)) == b""


def test_what_the_platform_does_is_told_to_those_who_know_the_event() -> None:
    told = batch(event(3, status={"status": "truncating"}))
    assert renderer().render(told) == b""
    knowing = StreamRenderer(lambda settings: False)
    knowing.dialect = Dialect.NODEXA
    assert parsed(knowing.render(told)) == [{"type": "response.status", "sequence_number": 3, "status": "truncating"}]


def test_a_citation_is_shown_as_it_came() -> None:
    told = event(
        4, output_text_annotation_added={**PLACE, "annotation_index": 1, "annotation_json": json.dumps(CITATION)}
    )
    (data,) = parsed(renderer().render(batch(told)))
    assert (data["annotation_index"], data["annotation"]) == (1, CITATION)


def test_an_event_of_a_newer_core_is_left_out() -> None:
    assert renderer().render(batch(ResponseEvent(sequence_number=1))) == b""


def test_a_broken_stream_ends_as_failed_with_what_was_whole() -> None:
    stream = renderer()
    stream.render(
        batch(
            event(0, created=SNAPSHOT),
            event(
                5,
                output_item_done={
                    "item": {"id": "msg_1", "message": {"role": 2, "content": [{"output_text": {"text": "A"}}]}}
                },
            ),
        )
    )
    error, failed = parsed(stream.interrupted("server_error", "Gone.", over=True))
    for data in (error, failed):
        SDK_EVENTS.validate_python(data)
        assert data["sequence_number"] == 5, "resuming from here gives what the log says"
    response = failed["response"]
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert (response["id"], response["output_text"]) == ("resp_1", "A")


def test_a_stream_that_is_only_interrupted_says_nothing_about_the_response() -> None:
    stream = renderer()
    stream.render(batch(event(0, created=SNAPSHOT)))
    told = stream.interrupted("server_draining", "Bye.", over=False)
    assert [data["type"] for data in parsed(told)] == ["error"]


def test_a_stream_that_never_began_ends_with_the_error_alone() -> None:
    told = renderer().interrupted("service_unavailable", "Gone.", over=True)
    assert [data["type"] for data in parsed(told)] == ["error"]
