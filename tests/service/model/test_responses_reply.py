"""What Responses servers send becomes chunks, the same whether it comes in pieces or whole."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from nodexa.v1.item_pb2 import TokenLogprob

from service.errors import NodexaError
from service.model.chunk import (
    Annotation,
    Chunk,
    Finish,
    FinishReason,
    MessageEnd,
    OutputItem,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
)
from service.model.responses_reasoning import Kept, find
from service.model.responses_reply import readers
from tests.fakes.responses_events import (
    Json,
    answer,
    custom_call,
    failed,
    function_call,
    message,
    reasoning,
    refusal,
    web_search,
    whole,
)

SERVER = "http://up/v1"
USAGE = TokenUsage(11, 7, cached_tokens=4, reasoning_tokens=3, cache_write_tokens=2)
STOP = [USAGE, Finish(FinishReason.STOP)]
END = MessageEnd()


def frames(events: list[Json]) -> bytes:
    return b"".join(f"event: x\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def streamed(events: list[Json], *, piece: int = 1_000_000) -> list[Chunk]:
    reader, data, chunks = readers(SERVER).stream("m"), frames(events), []
    for at in range(0, len(data), piece):
        chunks += reader.feed(data[at : at + piece])
        if reader.done:
            break
    return chunks + reader.end()


def read_whole(response: Json) -> list[Chunk]:
    reader = readers(SERVER).whole("m")
    reader.feed(json.dumps(response).encode())
    return reader.end()


def joined(chunks: list[Chunk], kind: type, field: str = "text") -> str:
    return "".join(getattr(chunk, field) for chunk in chunks if isinstance(chunk, kind))


EVERYTHING = answer(
    reasoning(summary=["Plan", "Check"], content=["Because"], encrypted="gAAA"),
    web_search("weather"),
    message("Hel", "lo ✓", annotations=[{"type": "url_citation", "url": "https://a.b/", "start_index": 0}]),
    refusal("No", "pe"),
    function_call("weather", '{"city": "Paris"}', call_id="call_1"),
    custom_call("shell", 'echo "hi"\n\tü😀\\', call_id="call_2"),
)


def test_text_comes_as_it_is_written() -> None:
    assert streamed(answer(message("Hel", "lo"))) == [TextDelta("Hel"), TextDelta("lo"), END, *STOP]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1000])
def test_it_does_not_matter_where_the_bytes_are_split(piece: int) -> None:
    assert streamed(EVERYTHING, piece=piece) == streamed(EVERYTHING)


@pytest.mark.parametrize("read", [lambda: streamed(EVERYTHING), lambda: read_whole(whole(EVERYTHING))])
def test_every_kind_of_item_arrives_whole_or_piece_by_piece(read: Any) -> None:
    chunks = read()
    assert joined(chunks, TextDelta) == "Hello ✓"
    assert joined(chunks, RefusalDelta) == "Nope"
    assert joined(chunks, ReasoningDelta) == "Because"
    summaries = [chunk for chunk in chunks if isinstance(chunk, SummaryDelta)]
    assert "".join(chunk.text for chunk in summaries if chunk.part == 0) == "Plan"
    assert "".join(chunk.text for chunk in summaries if chunk.part == 1) == "Check"
    cited = [json.loads(chunk.json)["url"] for chunk in chunks if isinstance(chunk, Annotation)]
    assert cited == ["https://a.b/"]
    assert chunks[-2:] == STOP


@pytest.mark.parametrize("read", [lambda: streamed(EVERYTHING), lambda: read_whole(whole(EVERYTHING))])
def test_calls_keep_their_ids_and_a_custom_tool_s_text_is_the_one_argument(read: Any) -> None:
    calls = [chunk for chunk in read() if isinstance(chunk, ToolCallDelta)]
    begun = {chunk.index: (chunk.name, chunk.call_id) for chunk in calls if chunk.name}
    said = {index: "".join(chunk.arguments for chunk in calls if chunk.index == index) for index in begun}
    assert begun == {4: ("weather", "call_1"), 5: ("shell", "call_2")}
    assert json.loads(said[4]) == {"city": "Paris"}
    assert json.loads(said[5]) == {"input": 'echo "hi"\n\tü😀\\'}


def test_two_messages_stay_two_and_keep_their_labels() -> None:
    events = answer(message("Let me see.", phase="commentary"), message("Yes.", phase="final_answer"))
    expected = [TextDelta("Let me see."), MessageEnd("commentary"), TextDelta("Yes."), MessageEnd("final_answer")]
    assert streamed(events) == read_whole(whole(events)) == [*expected, *STOP]


def test_a_call_from_a_namespace_has_the_name_that_the_runner_knows() -> None:
    chunks = streamed(answer(function_call("read", "{}", namespace="files")))
    assert [chunk.name for chunk in chunks if isinstance(chunk, ToolCallDelta) and chunk.name] == ["files__read"]


def test_a_hosted_tool_is_shown_on_its_way() -> None:
    found = [chunk for chunk in streamed(EVERYTHING) if isinstance(chunk, OutputItem)]
    assert [(chunk.phase, chunk.done) for chunk in found] == [
        ("", False),
        ("in_progress", False),
        ("searching", False),
        ("completed", False),
        ("", True),
    ]
    assert {chunk.index for chunk in found} == {1}
    assert found[-1].item
    opaque = found[-1].item.opaque
    assert (opaque.type, json.loads(opaque.json)["action"]["query"]) == ("web_search_call", "weather")


def test_a_hosted_tool_in_a_whole_answer_is_whole_at_once() -> None:
    found = [chunk for chunk in read_whole(whole(EVERYTHING)) if isinstance(chunk, OutputItem)]
    assert [(chunk.done, chunk.item is not None) for chunk in found] == [(True, True)]


@pytest.mark.parametrize("read", [lambda: streamed(EVERYTHING), lambda: read_whole(whole(EVERYTHING))])
def test_what_the_server_wants_back_is_kept_with_its_id_for_that_server_only(read: Any) -> None:
    (end,) = [chunk for chunk in read() if isinstance(chunk, ReasoningEnd)]
    assert find(end.encrypted_content, server=SERVER) == Kept("rs_up", "gAAA")
    assert find(end.encrypted_content, server="http://other/v1") is None
    assert find("gemini:" + end.encrypted_content, server=SERVER) is None


def test_thinking_that_nobody_could_send_again_keeps_nothing() -> None:
    chunks = streamed(answer(reasoning(summary=["Plan"]), message("Hi")))
    assert ReasoningEnd("") in chunks


def test_what_was_never_said_in_pieces_is_said_when_the_item_is_whole() -> None:
    events = [event for event in EVERYTHING if not event["type"].endswith(".delta")]
    assert joined(streamed(events), TextDelta) == "Hello ✓"
    assert joined(streamed(events), SummaryDelta) == "PlanCheck"
    assert '{"city": "Paris"}' in joined(streamed(events), ToolCallDelta, "arguments")


def test_a_server_that_numbers_no_items_is_understood_by_their_ids() -> None:
    def named(event: Json, place: int) -> Json:
        said = {name: value for name, value in event.items() if name != "output_index"}
        if "item" in said:
            return {**said, "item": {**said["item"], "id": f"item_{place}"}}
        return {**said, "item_id": f"item_{place}"}

    events = [named(event, event["output_index"]) if "output_index" in event else event for event in EVERYTHING]

    def plain(chunks: list[Chunk]) -> list[str]:
        return [re.sub(r"index=-?\d+|item_\d|\b[a-z]+_up", "", repr(chunk)) for chunk in chunks]

    assert plain(streamed(events)) == plain(streamed(EVERYTHING))
    calls = [chunk for chunk in streamed(events) if isinstance(chunk, ToolCallDelta)]
    assert len({chunk.index for chunk in calls}) == 2


@pytest.mark.parametrize("left_out", ["response.output_item.added", "response.output_item.done"])
def test_events_that_a_server_leaves_out_are_not_missed(left_out: str) -> None:
    events = [event for event in EVERYTHING if event["type"] != left_out]
    chunks = streamed(events)
    assert joined(chunks, TextDelta) == "Hello ✓"
    assert [chunk.name for chunk in chunks if isinstance(chunk, ToolCallDelta) and chunk.name] == ["weather", "shell"]
    written = "".join(chunk.arguments for chunk in chunks if isinstance(chunk, ToolCallDelta) and chunk.index == 5)
    assert json.loads(written) == {"input": 'echo "hi"\n\tü😀\\'}
    assert chunks[-2:] == STOP


def test_log_probabilities_stay_with_their_text() -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}
    (text, *_) = streamed(answer(message("Hi", logprobs=[token])))
    (other,) = [TokenLogprob(token="Ho", logprob=-1.5, token_bytes=b"Ho")]
    assert text == TextDelta("Hi", (TokenLogprob(token="Hi", logprob=-0.5, token_bytes=b"Hi", top_logprobs=[other]),))


def test_unknown_events_are_skipped() -> None:
    events = answer(message("Hi"))
    events[2:2] = [{"type": "response.sparkle.delta", "output_index": 0, "delta": "?"}, {"type": 3}, {"kind": "none"}]
    assert streamed(events) == [TextDelta("Hi"), END, *STOP]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", FinishReason.LENGTH), ("content_filter", FinishReason.CONTENT_FILTER)],
)
def test_a_cut_answer_says_what_cut_it(reason: str, finish: FinishReason) -> None:
    events = answer(message("Hel"), status="incomplete", incomplete_details={"reason": reason})
    assert streamed(events)[-1] == read_whole(whole(events))[-1] == Finish(finish)


def test_a_response_that_waits_for_function_results_is_done() -> None:
    assert streamed(answer(function_call("weather", "{}"), status="requires_action"))[-1] == Finish(FinishReason.STOP)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 3}, {"input_tokens": -1, "output_tokens": 2}, "many"])
def test_usage_that_is_not_complete_is_none(usage: object) -> None:
    assert streamed(answer(message("Hi"), usage=usage)) == [TextDelta("Hi"), END, Finish(FinishReason.STOP)]


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("insufficient_quota", "upstream_error"),
        ("invalid_prompt", "invalid_request"),
        ("invalid_base64_image", "input_not_supported_for_model"),
        ("image_too_large", "input_not_supported_for_model"),
        ("server_error", "upstream_error"),
        ("something new", "upstream_error"),
    ],
)
def test_a_failed_response_has_its_code_and_none_of_the_server_s_words(code: str, ours: str) -> None:
    events = failed(code)
    told = {"type": "error", "code": code, "message": "upstream-secret", "param": None}
    nested = {"type": "error", "error": {"code": code, "message": "upstream-secret"}}
    found = []
    for said in (events, [told], [nested]):
        with pytest.raises(NodexaError) as caught:
            streamed(said)
        found.append(caught.value)
    with pytest.raises(NodexaError) as caught:
        read_whole(whole(events))
    found.append(caught.value)
    assert {error.code for error in found} == {ours}
    assert not any("secret" in error.message for error in found)


@pytest.mark.parametrize(("words", "seconds"), [("try again in 1.5s.", 1.5), ("Try again in 20ms", 0.02), ("", None)])
def test_throttling_in_the_middle_says_how_long(words: str, seconds: float | None) -> None:
    with pytest.raises(NodexaError) as caught:
        streamed(failed("rate_limit_exceeded", f"Limit reached. Please {words}"))
    assert caught.value.retry_after == seconds


def test_what_came_before_a_failure_is_shown_first() -> None:
    reader = readers(SERVER).stream("m")
    assert reader.feed(frames([*answer(message("Hi"))[:5], {"type": "error", "message": "x"}])) == [TextDelta("Hi")]
    assert reader.done
    with pytest.raises(NodexaError):
        reader.end()


@pytest.mark.parametrize(
    "events",
    [
        [],
        answer(message("Hi"))[:-1],
        [{"type": "response.completed"}],
        [{"type": "response.completed", "response": {"status": "in_progress"}}],
        [{"type": "response.completed", "response": {"status": ["completed"]}}],
        [{"type": "response.output_text.delta", "output_index": 0, "delta": 3}],
        [{"type": "response.output_text.delta", "output_index": [], "delta": "Hi"}],
        [{"type": "response.output_item.added", "output_index": 0, "item": None}],
        [{"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call"}}],
        [{"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "content": 3}}],
    ],
)
def test_nonsense_is_told_as_nonsense(events: list[Json]) -> None:
    with pytest.raises(NodexaError) as caught:
        streamed(events)
    assert caught.value.code == "upstream_protocol_error"


@pytest.mark.parametrize(
    "response",
    [{}, {"object": "chat.completion"}, {"object": "response"}, {"object": "response", "output": 3}],
)
def test_an_answer_that_is_no_response_is_told_as_nonsense(response: Json) -> None:
    with pytest.raises(NodexaError) as caught:
        read_whole(response)
    assert caught.value.code == "upstream_protocol_error"


def test_an_answer_that_was_cancelled_there_is_an_error_here() -> None:
    with pytest.raises(NodexaError) as caught:
        streamed(answer(message("Hi"), status="cancelled"))
    assert caught.value.code == "upstream_error"
