"""What a model says, piece by piece: text, thinking, calls, its end; and how pieces are put together and divided."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nodexa.v1.item_pb2 import Item, TokenLogprob


class FinishReason(enum.Enum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


# Not frozen, like others below that are made for each piece, though nobody changes one: that takes as long again.
@dataclass(slots=True)
class TextDelta:
    """More text of the answer."""

    text: str
    logprobs: Sequence[TokenLogprob] = ()


@dataclass(slots=True)
class TextRun:
    """More of the answer in several pieces, none of them empty, each an event of its own: TextDeltas in one."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class SummaryDelta:
    """More of a summary of the model's thinking; the next `part` begins a summary of its own."""

    text: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class ReasoningEnd:
    """The thinking is whole; `encrypted_content` is what the model wants to see again with it, empty for nothing.

    It comes back as the `encrypted_content` of the reasoning item in a later prompt. Each kind of model begins it with
    a word of its own, and leaves alone what others began. Without thinking before it, it makes an item by itself.
    """

    encrypted_content: str = ""


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """More of the model's refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The message is whole, and more text is another one; `phase` is its label where the model gives it one."""

    phase: str = ""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a function call.

    `index` tells the calls of one turn apart; they may be interleaved. The first delta of an index carries the whole
    `name`; `call_id` may be empty, the runner then gives one; `arguments` is a piece of JSON text. Tools of other kinds
    are called as the functions that `offers` shows them as.
    """

    index: int
    name: str = ""
    call_id: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A citation in the text so far: a JSON object as on the HTTP wire."""

    json: str


@dataclass(frozen=True, slots=True)
class OutputItem:
    """An item that goes out as it is, under an id of the platform's: a call of a hosted tool or one of the platform's,
    a compaction.

    `index` tells them apart. The first of an index carries the `item` as it begins, the one with `done` as it is when
    it's whole; one that is whole at once says both. Of an id in it only the prefix is kept. `phase` is a step on its
    way, as in `response.<type>.<phase>`; `arguments` are those of an `mcp_call`, whole.
    """

    index: int
    item: Item | None = None
    phase: str = ""
    done: bool = False
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What is being done: one word, told to those who ask for it."""

    word: str


@dataclass(frozen=True, slots=True)
class PassEnd:
    """All that was begun is whole. The runner says so before it goes on with what is not the model's."""


@dataclass(slots=True)
class TokenUsage:
    """Tokens as the model server or its tokenizer counted them; sent at most once a turn."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(slots=True)
class Finish:
    """The model ended its turn: the last chunk of every whole stream; a stream without it was cut."""

    reason: FinishReason


Chunk = (
    TextDelta
    | TextRun
    | ReasoningDelta
    | SummaryDelta
    | ReasoningEnd
    | RefusalDelta
    | MessageEnd
    | ToolCallDelta
    | Annotation
    | OutputItem
    | Status
    | PassEnd
    | TokenUsage
    | Finish
)


def text_of(chunks: Iterable[Chunk]) -> str:
    """The text of the answer in `chunks`."""
    pieces: list[str] = []
    for chunk in chunks:
        if isinstance(chunk, TextRun):
            pieces += chunk.texts
        elif isinstance(chunk, TextDelta):
            pieces.append(chunk.text)
    return "".join(pieces)


def merged(chunks: Sequence[Chunk]) -> Sequence[Chunk]:
    """The chunks with neighboring texts in runs, which cost a fraction of as many texts; empty ones are left out."""
    if len(chunks) < 2:
        return chunks
    told: list[Chunk] = []
    for plain, neighbors in itertools.groupby(chunks, key=_is_plain_text):
        if not plain:
            told += neighbors
            continue
        texts: list[str] = []
        for chunk in neighbors:
            texts += _texts(chunk)
        if texts:
            told.append(TextRun(texts) if len(texts) > 1 else TextDelta(texts[0]))
    return told


def _is_plain_text(chunk: Chunk) -> bool:
    return isinstance(chunk, TextRun) or (isinstance(chunk, TextDelta) and not chunk.logprobs)


def _texts(chunk: Chunk) -> Sequence[str]:
    if isinstance(chunk, TextRun):
        return chunk.texts
    return (chunk.text,) if isinstance(chunk, TextDelta) and chunk.text else ()


def portions(chunks: Iterable[Chunk], most: int) -> Iterator[list[Chunk]]:
    """The chunks in portions that lead to about `most` events at most; a run of more pieces is divided."""
    portion: list[Chunk] = []
    room = most
    for chunk in chunks:
        for part in _divided(chunk, most) if isinstance(chunk, TextRun) else (chunk,):
            size = len(part.texts) if isinstance(part, TextRun) else 1
            if size > room:
                yield portion
                portion, room = [], most
            portion.append(part)
            room -= size
    if portion:
        yield portion


def _divided(run: TextRun, most: int) -> list[TextRun]:
    if len(run.texts) <= most:
        return [run]
    return [TextRun(run.texts[start : start + most]) for start in range(0, len(run.texts), most)]
