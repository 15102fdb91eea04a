"""What chat-completions servers send, in all their ways of writing it, becomes the same chunks."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.item_pb2 import TokenLogprob

from service.errors import NodexaError
from service.model.chat_reply import StreamReader
from service.model.chunk import (
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRun,
    TokenUsage,
    ToolCallDelta,
    merged,
)
from tests.service.model.chat_json import DONE, STOP, calls, delta, entry, frame, streamed, whole


def failure(*frames: bytes) -> NodexaError:
    with pytest.raises(NodexaError) as caught:
        streamed(*frames)
    return caught.value


def test_text_reasoning_and_refusals_come_in_order() -> None:
    assert streamed(
        delta(role="assistant", content=""),
        delta(reasoning_content="hm"),
        delta(reasoning="so", content=None),
        delta(content="Hi"),
        delta(content=" there"),
        delta(refusal="no"),
        delta("stop"),
        DONE,
    ) == [ReasoningDelta("hm"), ReasoningDelta("so"), TextDelta("Hi"), TextDelta(" there"), RefusalDelta("no"), STOP]


def test_a_list_of_parts_is_text_and_thinking() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    assert streamed(delta(content=parts), delta("stop")) == [ReasoningDelta("hm"), TextDelta("Hi"), STOP]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("tool_calls", FinishReason.STOP),
        ("function_call", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
    ],
)
def test_each_finish_reason_has_its_meaning(word: str, reason: FinishReason) -> None:
    assert streamed(delta(word)) == [Finish(reason)]


@pytest.mark.parametrize("word", ["error", "abort", "insufficient_system_resource"])
def test_a_finish_reason_that_is_no_end_is_an_error(word: str) -> None:
    assert failure(delta(content="Hi"), delta(word)).code == "upstream_error"


def test_usage_in_a_last_chunk_without_choices_is_taken() -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    chunks = streamed(delta("stop"), frame({"choices": [], "usage": usage}), DONE)
    assert chunks == [TokenUsage(5, 3, cached_tokens=2, reasoning_tokens=1), STOP]


def test_usage_in_every_chunk_counts_once_and_the_last_one_is_right() -> None:
    frames = [
        frame({"choices": [{"delta": {"content": "x"}}], "usage": {"prompt_tokens": 5, "completion_tokens": n}})
        for n in (1, 2)
    ]
    assert streamed(*frames, delta("stop")) == [TextDelta("x"), TextDelta("x"), TokenUsage(5, 2), STOP]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 5}, {"prompt_tokens": -1, "completion_tokens": "2"}])
def test_usage_that_is_absent_or_incomplete_is_not_made_up(usage: object) -> None:
    assert streamed(delta("stop"), frame({"choices": [], "usage": usage}), DONE) == [STOP]


def test_log_probabilities_come_with_the_text_that_they_complete() -> None:
    def logprob(token: str, raw: list[int]) -> dict[str, Any]:
        return {"token": token, "logprob": -0.5, "bytes": raw, "top_logprobs": [{"token": "z", "logprob": -2}]}

    def piece(text: str, *entries: dict[str, Any]) -> bytes:
        return frame({"choices": [{"delta": {"content": text}, "logprobs": {"content": list(entries)}}]})

    chunks = streamed(piece("", logprob("\ufffd", [195])), piece("ü", logprob("\ufffd", [188])), delta("stop"))
    top = [TokenLogprob(token="z", logprob=-2, token_bytes=b"z")]
    expected = tuple(
        TokenLogprob(token="\ufffd", logprob=-0.5, token_bytes=raw, top_logprobs=top) for raw in (b"\xc3", b"\xbc")
    )
    assert chunks == [TextDelta("ü", expected), STOP]


def test_a_whole_answer_gives_the_same_chunks() -> None:
    message = {
        "content": "Hi",
        "reasoning_content": "hm",
        "tool_calls": [entry("{}", id="a", name="f"), entry('{"x":1}', id="b", name="g")],
    }
    assert whole(message, usage={"prompt_tokens": 5, "completion_tokens": 3}) == [
        ReasoningDelta("hm"),
        TextDelta("Hi"),
        ToolCallDelta(0, "f", "a", "{}"),
        ToolCallDelta(1, "g", "b", '{"x":1}'),
        TokenUsage(5, 3),
        STOP,
    ]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"data: {]\n\n",
        b"data: \xff\n\n",
        b"data: 7\n\n",
        frame({"choices": 7}),
        frame({"choices": [7]}),
        frame({"choices": [{"delta": 7}]}),
        frame({"choices": [{"delta": {"content": 7}}]}),
        frame({"choices": [{"delta": {"content": [{}]}}]}),
        frame({"choices": [{"delta": {"tool_calls": [7]}}]}),
        frame({"choices": [{"delta": {}, "finish_reason": 7}]}),
        frame({"choices": [{"delta": {"content": "x"}, "logprobs": {"content": [{"logprob": 1}]}}]}),
        calls({"function": {"arguments": "{}"}}),
        calls(entry(7, index=0, name="f")),
        calls(entry("{}", index=0)),
        b"",
        DONE,
        delta(content="Hi"),
        b"data: {" + b"x" * 11_000_000,
    ],
)
def test_nonsense_and_cut_answers_are_protocol_errors(nonsense: bytes) -> None:
    ending = b"" if nonsense in (b"", DONE, delta(content="Hi")) else delta("stop")
    assert failure(nonsense, ending).code == "upstream_protocol_error"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"error": {"message": "secret"}}, "upstream_error"),
        ({"error": "secret"}, "upstream_error"),
        ({"object": "error", "message": "secret", "code": 400}, "upstream_error"),
        ({"error": {"code": 429, "message": "secret"}}, "rate_limit_exceeded"),
        ({"error": {"message": "the request exceeds the available context size"}}, "context_length_exceeded"),
    ],
)
def test_an_error_object_in_the_stream_is_an_error_in_our_words(error: dict[str, Any], code: str) -> None:
    told = failure(delta(content="Hi"), frame(error))
    assert told.code == code
    assert "secret" not in told.message


def test_what_came_before_a_failure_in_the_same_bytes_is_still_given() -> None:
    reader = StreamReader("m")
    assert reader.feed(delta(content="Hi") + b"data: {]\n\n" + delta(content="!")) == [TextDelta("Hi")]
    assert reader.done
    with pytest.raises(NodexaError):
        reader.end()


def test_a_stream_cut_at_any_byte_gives_the_same_chunks() -> None:
    stream = (
        delta(content="Hü")
        + calls(entry("{}", index=0, id="a", name="f"))
        + delta("stop").replace(b"\n", b"\r\n")
        + DONE
    )
    for cut in range(len(stream)):
        assert streamed(stream[:cut], stream[cut:]) == [TextDelta("Hü"), ToolCallDelta(0, "f", "a", "{}"), STOP]


TOLD = (delta(role="assistant"), *(delta(content=text) for text in ("a", "b\n", 'c"', "d", "e")), delta("stop"), DONE)


@pytest.mark.parametrize(
    "pieces",
    [
        TOLD,
        (*TOLD[:2], TOLD[2] + TOLD[3], *TOLD[4:]),
        (*TOLD[:3], TOLD[3][:20], TOLD[3][20:], *TOLD[4:]),
        (TOLD[0][:9], TOLD[0][9:], *TOLD[1:]),
        (*TOLD[:-1], DONE + delta(content="of no interest"), *TOLD[:3]),
        (*TOLD[:3], b": a comment\n\n", *TOLD[3:]),
        tuple(bytes([byte]) for byte in b"".join(TOLD)),
    ],
)
def test_the_chunks_of_a_body_give_together_what_their_bytes_do(pieces: tuple[bytes, ...]) -> None:
    reader, again = StreamReader("m"), StreamReader("m")
    told = [*reader.feed_all(pieces), *reader.end()]
    assert merged(told) == merged([*again.feed(b"".join(pieces)), *again.end()])
    assert merged(told) == [TextRun(["a", "b\n", 'c"', "d", "e"]), STOP]
    reader = StreamReader("m")
    later = [*reader.feed_all(pieces[:3]), *reader.feed_all(pieces[3:]), *reader.end()]
    assert merged(later) == merged(told)


def test_chunks_of_a_body_before_a_failure_are_still_given() -> None:
    reader = StreamReader("m")
    pieces = [delta(content=text) for text in "abcd"]
    assert merged(reader.feed_all([*pieces, frame({"error": "secret"})])) == [TextRun(list("abcd"))]
    assert reader.done
    with pytest.raises(NodexaError):
        reader.end()
