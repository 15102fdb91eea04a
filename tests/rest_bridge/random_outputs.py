"""What a model may say, at random: as the bytes of a chat-completions server, and as the chunks of any model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from nodexa.v1.item_pb2 import Item, Opaque, TokenLogprob

from service.model import chunk as says

Json = dict[str, Any]
ENDS = ("stop", "tool_calls", "length", "content_filter")
TOOLS: list[Json] = [
    {"type": "function", "name": f"tool_{number}", "parameters": {"type": "object"}} for number in "abc"
]

# What parsers of lines, JSON and UTF-8 stumble over.
ODD = [
    "\0",
    "\u2028",
    "\u2029",
    "\x85",
    "\r",
    "\n",
    "\r\n\r\n",
    "data: [DONE]\n\n",
    "😀",
    "é",
    '"',
    "\\",
    "\\u0000",
    "%d",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(ODD)
PIECES = st.lists(TEXT, max_size=5)
CUTS = st.lists(st.integers(0, 9999), max_size=12)
COUNT = st.integers(0, 2**31)
ARGUMENTS = st.dictionaries(TEXT, st.integers() | TEXT | st.none(), max_size=3).map(json.dumps)


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said, by kind and joined; `calls` are (name, arguments) in the order in which they began."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    summary: str = ""
    calls: Sequence[tuple[str, str]] = ()
    usage: Json | None = None
    left_out: int = 0


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in pieces; `places` are any numbers."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)] or [data]


@st.composite
def merged(draw: st.DrawFn, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The members of all rows, each row in its order."""
    left = [list(row) for row in rows if row]
    result = []
    while left:
        row = left[draw(st.integers(0, len(left) - 1))]
        result.append(row.pop(0))
        left = [row for row in left if row]
    return result


@st.composite
def chat_answers(draw: st.DrawFn) -> tuple[Said, list[bytes]]:
    """What a server said, and its answer in the pieces in which it is written."""
    said: dict[str, str] = {"content": "", "refusal": "", "reasoning_content": ""}
    deltas: list[Json] = [{"role": "assistant", "content": draw(st.sampled_from(["", None]))}]
    for key in draw(st.lists(st.sampled_from(sorted(said)), max_size=4)):
        for piece in draw(PIECES):
            said[key] += piece
            deltas.append({key: piece})
    calls = draw(st.lists(st.tuples(st.sampled_from(TOOLS).map(lambda tool: tool["name"]), ARGUMENTS), max_size=5))
    deltas += draw(merged([draw(_call_deltas(index, *call)) for index, call in enumerate(calls)]))
    usage = draw(st.none() | st.tuples(COUNT, COUNT, COUNT, COUNT))
    frames = [_frame(delta, logprobs=draw(st.booleans())) for delta in deltas]
    frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": draw(st.sampled_from(ENDS))}]})
    if usage:
        frames.append({"choices": [], "usage": _chat_usage(*usage)})
    order = [delta["tool_calls"][0]["index"] for delta in deltas if "tool_calls" in delta]
    told = Said(
        text=said["content"],
        refusal=said["refusal"],
        reasoning=said["reasoning_content"],
        calls=[calls[index] for index in dict.fromkeys(order)],
        usage=_usage(*usage) if usage else None,
    )
    return told, draw(_writes(frames))


@st.composite
def _call_deltas(draw: st.DrawFn, index: int, name: str, arguments: str) -> list[Json]:
    pieces = [piece.decode() for piece in cut(arguments.encode(), draw(CUTS))]  # JSON text is ASCII here
    opening = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    more = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [call]} for call in (opening, *more)]


@st.composite
def _writes(draw: st.DrawFn, frames: Sequence[Json]) -> list[bytes]:
    """The answer as bytes: SSE in chunks, both cut anywhere."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    ascii_only = draw(st.booleans())
    lines = [f"data: {json.dumps(frame, ensure_ascii=ascii_only)}{end}{end}" for frame in frames]
    comment = draw(st.sampled_from(["", f": waiting{end}{end}"]))
    body = (comment + comment.join(lines) + f"data: [DONE]{end}{end}").encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut(body, draw(CUTS))) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return cut(head + chunks, draw(CUTS))


def _frame(delta: Json, *, logprobs: bool) -> Json:
    choice: Json = {"index": 0, "delta": delta, "finish_reason": None}
    if logprobs and delta.get("content"):
        token = {"token": delta["content"], "logprob": -0.5, "bytes": list(delta["content"].encode())}
        choice["logprobs"] = {"content": [{**token, "top_logprobs": [token]}]}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def _chat_usage(read: int, written: int, cached: int, reasoning: int) -> Json:
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _usage(read: int, written: int, cached: int, reasoning: int) -> Json:
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": read + written,
    }


CITATION = json.dumps({"type": "url_citation", "url": "https://a.b", "title": "A", "start_index": 0, "end_index": 1})
LOGPROB = TokenLogprob(token="A", token_bytes=b"A", logprob=-0.5)
WRITTEN = st.one_of(
    st.builds(says.TextDelta, TEXT, st.sampled_from([(), (LOGPROB,)])),
    st.builds(says.ReasoningDelta, TEXT),
    st.builds(says.SummaryDelta, TEXT, st.integers(0, 2)),
    st.builds(says.RefusalDelta, TEXT),
    st.just(says.Annotation(CITATION)),
    st.builds(says.ReasoningEnd, st.sampled_from(["", "x:kept"])),
    st.builds(says.Status, st.sampled_from(["routing", "retrieving"])),
)


@st.composite
def chunk_batches(draw: st.DrawFn) -> tuple[Said, list[list[says.Chunk]]]:
    """What a model said, and the batches of chunks in which it said so."""
    written = draw(st.lists(WRITTEN, max_size=12))
    calls = draw(st.lists(st.tuples(st.sampled_from(TOOLS).map(lambda tool: tool["name"]), ARGUMENTS), max_size=3))
    rows = [written, *(draw(_call_chunks(index, *call)) for index, call in enumerate(calls))]
    rows += [_search(index) for index in range(draw(st.integers(0, 2)))]
    chunks = draw(merged(rows))
    usage = draw(st.none() | st.tuples(COUNT, COUNT, COUNT, COUNT))
    order = dict.fromkeys(chunk.index for chunk in chunks if isinstance(chunk, says.ToolCallDelta))
    told = Said(
        text=_joined(chunks, says.TextDelta),
        refusal=_joined(chunks, says.RefusalDelta),
        reasoning=_joined(chunks, says.ReasoningDelta),
        summary=_joined(chunks, says.SummaryDelta),
        calls=[calls[index] for index in order],
        usage=_usage(*usage) if usage else None,
        left_out=sum(isinstance(chunk, says.Status) for chunk in chunks),
    )
    chunks += [says.TokenUsage(*usage)] if usage else []
    chunks.append(says.Finish(draw(st.sampled_from(says.FinishReason))))
    return told, draw(_batches(chunks))


@st.composite
def _call_chunks(draw: st.DrawFn, index: int, name: str, arguments: str) -> list[says.Chunk]:
    first, *more = cut(arguments.encode(), draw(CUTS))
    rest: list[says.Chunk] = [says.ToolCallDelta(index, arguments=piece.decode()) for piece in more]
    return [says.ToolCallDelta(index, name=name, arguments=first.decode()), *rest]


@st.composite
def _batches(draw: st.DrawFn, chunks: Sequence[says.Chunk]) -> list[list[says.Chunk]]:
    ends = sorted({draw(st.integers(1, len(chunks))) for _ in range(3)} | {0, len(chunks)})
    return [list(chunks[start:end]) for start, end in itertools.pairwise(ends)]


def _search(index: int) -> list[says.Chunk]:
    def item(status: str) -> Item:
        told = {"type": "web_search_call", "status": status, "action": {"type": "search", "query": "q"}}
        return Item(id=f"ws_{index}", opaque=Opaque(type="web_search_call", json=json.dumps(told)))

    steps: list[says.Chunk] = [says.OutputItem(index, phase=phase) for phase in ("searching", "completed")]
    begun = says.OutputItem(index, item("in_progress"), "in_progress")
    return [begun, *steps, says.OutputItem(index, item("completed"), done=True)]


def _joined(chunks: Sequence[Any], kind: Any) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, kind))
