"""The bytes of a Messages answer become chunks, however they are split and whatever is in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import NodexaError
from service.model.anthropic_reply import JsonReader, StreamReader, token_count
from service.model.chunk import Chunk, Finish, FinishReason, ReasoningDelta, ReasoningEnd, TextDelta, ToolCallDelta
from tests.fakes.anthropic_frames import Said, events, frame, thinking, whole

Json = dict[str, Any]

words = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40)
block = st.one_of(
    words.map(lambda text: {"type": "text", "text": text}),
    st.builds(thinking, words, words),
    words.map(lambda text: {"type": "redacted_thinking", "data": text}),
    st.dictionaries(words, words, max_size=3).map(
        lambda given: {"type": "tool_use", "id": "toolu_1", "name": "look", "input": given}
    ),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("type", "text", "usage")), inner),
    max_leaves=6,
)


def read(data: Iterable[bytes], reader: StreamReader | JsonReader) -> list[Chunk]:
    """All chunks of an answer."""
    chunks = [chunk for piece in data for chunk in reader.feed(piece)]
    return chunks + reader.end()


def gathered(chunks: Iterable[Chunk]) -> list[tuple[str, Any]]:
    """What was said, without the borders between the pieces."""
    told: list[tuple[str, str]] = []
    for chunk in chunks:
        kind, text = _told(chunk)
        if told and told[-1][0] == kind != "sealed":
            told[-1] = (kind, told[-1][1] + text)
        elif kind:
            told.append((kind, text))
    # An empty input may be told as no arguments or as an empty object.
    return [(kind, json.loads(text or "{}") if kind.startswith("call") else text) for kind, text in told]


def _told(chunk: Chunk) -> tuple[str, str]:
    match chunk:
        case TextDelta(text):
            return "text", text
        case ReasoningDelta(text):
            return "thought", text
        case ToolCallDelta(index, _, _, arguments):
            return f"call {index}", arguments
        case ReasoningEnd(sealed):
            return "sealed", sealed
    return "", ""


def expected(said: Said) -> list[tuple[str, Any]]:
    """What must have been said."""
    chunks: list[Chunk] = []
    calls = 0
    for each in said.content:
        match each["type"]:
            case "text":
                chunks.append(TextDelta(each["text"]))
            case "thinking":
                sealed = "anthropic:signature:" + each["signature"]
                chunks += [ReasoningDelta(each["thinking"]), ReasoningEnd(sealed)]
            case "redacted_thinking":
                chunks.append(ReasoningEnd("anthropic:redacted:" + each["data"]))
            case _:
                chunks.append(ToolCallDelta(calls, arguments=json.dumps(each["input"])))
                calls += 1
    return gathered(chunks)


@settings(max_examples=60, deadline=None)
@given(content=st.lists(block, max_size=5), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_a_stream_says_the_same_wherever_it_is_split(content: list[Json], cuts: list[int]) -> None:
    said = Said(content)
    data = b"".join(map(frame, events(said)))
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(data[at : at + size])
        at += size
    chunks = read(pieces, StreamReader("m", summary=False))
    assert gathered(chunks) == expected(said)
    assert chunks[-1] == Finish(FinishReason.STOP)


@settings(max_examples=60, deadline=None)
@given(content=st.lists(block, max_size=5))
def test_a_whole_answer_says_the_same_as_a_stream(content: list[Json]) -> None:
    said = Said(content)
    chunks = read([json.dumps(whole(said)).encode()], JsonReader("m", summary=False))
    assert gathered(chunks) == expected(said)
    assert chunks[-1] == Finish(FinishReason.STOP)


@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, 12),
    field=st.sampled_from(("type", "message", "index", "content_block", "delta", "usage", "error")),
    value=junk,
)
def test_nonsense_is_said_to_be_nonsense_and_nothing_else_happens(place: int, field: str, value: Any) -> None:
    told = list(events(Said([thinking("Hm.", "s"), {"type": "text", "text": "Hi"}])))
    told[place % len(told)] |= {field: value}
    reader = StreamReader("m", summary=False)
    try:
        read([b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in told)], reader)
    except NodexaError as error:
        assert error.code.startswith(("upstream_", "rate_limit", "context_"))  # noqa: PT017


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from(("type", "content", "stop_reason", "usage", "stop_details")), value=junk)
def test_a_whole_answer_of_nonsense_is_nonsense(field: str, value: Any) -> None:
    message = whole(Said([{"type": "text", "text": "Hi"}])) | {field: value}
    try:
        read([json.dumps(message).encode()], JsonReader("m", summary=False))
    except NodexaError as error:
        assert error.code.startswith("upstream_")  # noqa: PT017


def test_what_follows_the_end_is_of_no_interest() -> None:
    data = b"".join(map(frame, events(Said([{"type": "text", "text": "Hi"}]))))
    reader = StreamReader("m", summary=False)
    assert reader.feed(data + b"data: {]\n\n") == [TextDelta("Hi")]
    assert reader.done
    assert reader.end()[-1] == Finish(FinishReason.STOP)


def test_an_end_mark_that_is_missing_is_forgiven_once_the_reason_is_known() -> None:
    frames = [frame(event) for event in events(Said([{"type": "text", "text": "Hi"}]))]
    assert read(frames[:-1], StreamReader("m", summary=False))[-1] == Finish(FinishReason.STOP)
    with pytest.raises(NodexaError, match="stop_reason"):
        read(frames[:-2], StreamReader("m", summary=False))


def test_a_count_is_a_number() -> None:
    assert token_count(b'{"input_tokens": 7}', "m") == 7
