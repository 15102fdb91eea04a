"""The items that a Responses server writes, event after event or whole → chunks; pure.

The server's ids and numbers stay here: `output_index` only tells its items apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from nodexa.v1.item_pb2 import Item, Opaque

from service.model.chat_answer import token_logprobs
from service.model.chunk import (
    Annotation,
    Chunk,
    MessageEnd,
    OutputItem,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
    ToolCallDelta,
)
from service.model.offers import shown_name
from service.model.responses_reasoning import Kept, keep

Json = Mapping[str, Any]

PHASES: Final = frozenset({"in_progress", "searching", "interpreting", "generating", "completed", "failed"})
# The runner reads a custom tool's text out of the arguments of a function: see `offers`.
_OPENING: Final = '{"input":"'
_CLOSING: Final = '"}'


class Items:
    """The items of one answer as they grow; `server` is the base URL of the one that writes them."""

    def __init__(self, server: str) -> None:
        self._server = server
        # What was told of which item; what the server never said piece by piece is told when the item is whole.
        self._told: set[tuple[int, str]] = set()
        self._kinds: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._numbered = True
        self._over: set[int] = set()

    def event(self, kind: str, event: Json, chunks: list[Chunk]) -> None:
        """Appends what an event of type `kind` brings; nothing for those that bring nothing.

        Raises LookupError, TypeError, AttributeError or ValueError for nonsense.
        """
        tell = _EVENTS.get(kind)
        if tell is not None:
            tell(self, event, chunks)
            return
        item, _, phase = kind.removeprefix("response.").rpartition(".")
        if item and phase in PHASES and self._kinds.get(index := self._index(event)) == item:
            chunks.append(OutputItem(index, phase=phase))

    def add(self, index: int, item: Json, chunks: list[Chunk]) -> None:
        """Appends what a whole item says that wasn't told yet."""
        self._over.add(index)
        kind = _text(item["type"])
        finish = _WHOLE.get(kind)
        if finish is not None:
            finish(self, index, item, chunks)
        else:
            self._kinds.pop(index, None)
            chunks.append(OutputItem(index, _opaque(kind, item), done=True))

    def add_rest(self, output: Iterable[Json], chunks: list[Chunk]) -> None:
        """Appends what a whole response says that no event told: some servers leave out events."""
        for place, item in enumerate(output):
            index = self._numbers.get(str(item.get("id")), place if self._numbered else None)
            if index is not None and index not in self._over:
                self.add(index, item, chunks)

    def _begin(self, event: Json, chunks: list[Chunk]) -> None:
        item, index = event["item"], self._index(event)
        self._numbers[str(item.get("id"))] = index
        kind = _text(item["type"])
        if kind in _CALLS:
            self._begin_call(index, item, chunks)
        elif kind not in _WHOLE:
            self._kinds[index] = kind
            chunks.append(OutputItem(index, _opaque(kind, item)))

    def _end(self, event: Json, chunks: list[Chunk]) -> None:
        self.add(self._index(event), event["item"], chunks)

    def _begin_call(self, index: int, item: Json, chunks: list[Chunk]) -> None:
        if self._first(index, "call"):
            name = shown_name(_text(item.get("namespace") or ""), _text(item["name"]))
            if not name:
                raise ValueError("a call without a name")
            opening = _OPENING if item["type"] == "custom_tool_call" else ""
            call_id = _text(item.get("call_id") or "")
            chunks.append(ToolCallDelta(index, name=name, call_id=call_id, arguments=opening))

    def _text_piece(self, event: Json, chunks: list[Chunk]) -> None:
        self._told.add((self._index(event), "text"))
        logprobs = event.get("logprobs")
        chunks.append(TextDelta(_text(event["delta"]), tuple(token_logprobs(logprobs)) if logprobs else ()))

    def _annotation(self, event: Json, chunks: list[Chunk]) -> None:
        self._told.add((self._index(event), "annotations"))
        chunks.append(Annotation(_json(event["annotation"])))

    def _refusal_piece(self, event: Json, chunks: list[Chunk]) -> None:
        self._told.add((self._index(event), "refusal"))
        chunks.append(RefusalDelta(_text(event["delta"])))

    def _reasoning_piece(self, event: Json, chunks: list[Chunk]) -> None:
        self._told.add((self._index(event), "content"))
        chunks.append(ReasoningDelta(_text(event["delta"])))

    def _summary_piece(self, event: Json, chunks: list[Chunk]) -> None:
        self._told.add((self._index(event), "summary"))
        chunks.append(SummaryDelta(_text(event["delta"]), part=int(event.get("summary_index") or 0)))

    def _arguments_piece(self, event: Json, chunks: list[Chunk]) -> None:
        self._more(self._index(event), _text(event["delta"]), chunks)

    def _input_piece(self, event: Json, chunks: list[Chunk]) -> None:
        self._more(self._index(event), _escaped(event["delta"]), chunks)

    def _more(self, index: int, arguments: str, chunks: list[Chunk]) -> None:
        # A call that never began has no name yet: it's told when it's whole.
        if (index, "call") in self._told:
            self._told.add((index, "arguments"))
            chunks.append(ToolCallDelta(index, arguments=arguments))

    def _end_message(self, index: int, item: Json, chunks: list[Chunk]) -> None:
        phase = _text(item.get("phase") or "")
        text, refusal = self._first(index, "text"), self._first(index, "refusal")
        annotations = self._first(index, "annotations")
        for part in item["content"]:
            if part["type"] == "output_text":
                if text:
                    chunks.append(TextDelta(_text(part["text"]), tuple(token_logprobs(part.get("logprobs") or ()))))
                if annotations:
                    chunks.extend(Annotation(_json(each)) for each in part.get("annotations") or ())
            elif part["type"] == "refusal" and refusal:
                chunks.append(RefusalDelta(_text(part["refusal"])))
        chunks.append(MessageEnd(phase))

    def _end_reasoning(self, index: int, item: Json, chunks: list[Chunk]) -> None:
        content, summary = item.get("content") or (), item.get("summary") or ()
        encrypted = _text(item.get("encrypted_content") or "")
        if self._first(index, "content"):
            chunks.extend(ReasoningDelta(_text(each["text"])) for each in content)
        if self._first(index, "summary"):
            chunks.extend(SummaryDelta(_text(each["text"]), part=part) for part, each in enumerate(summary))
        kept = keep(Kept(_text(item.get("id") or ""), encrypted), server=self._server) if encrypted or content else ""
        chunks.append(ReasoningEnd(kept))

    def _end_function_call(self, index: int, item: Json, chunks: list[Chunk]) -> None:
        self._begin_call(index, item, chunks)
        if self._first(index, "arguments") and (arguments := _text(item.get("arguments") or "")):
            chunks.append(ToolCallDelta(index, arguments=arguments))

    def _end_custom_call(self, index: int, item: Json, chunks: list[Chunk]) -> None:
        self._begin_call(index, item, chunks)
        text = _escaped(item["input"]) if self._first(index, "arguments") else ""
        chunks.append(ToolCallDelta(index, arguments=text + _CLOSING))

    def _index(self, event: Json) -> int:
        """The number of the item that an event is about; some servers say only its id."""
        index = event.get("output_index")
        if type(index) is int:
            return index
        self._numbered = False
        about = str(event["item_id"] if "item_id" in event else event["item"]["id"])
        return self._numbers.setdefault(about, -1 - len(self._numbers))

    def _first(self, index: int, what: str) -> bool:
        """Whether this was not told of the item yet; from now on it is."""
        first = (index, what) not in self._told
        self._told.add((index, what))
        return first


def _opaque(kind: str, item: Json) -> Item:
    return Item(id=str(item.get("id") or ""), opaque=Opaque(type=kind, json=_json(item)))


def _json(value: object) -> str:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return orjson.dumps(value).decode()


def _escaped(text: object) -> str:
    return orjson.dumps(_text(text))[1:-1].decode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


_CALLS: Final = ("function_call", "custom_tool_call")

_EVENTS: Final[Mapping[str, Callable[[Items, Json, list[Chunk]], None]]] = MappingProxyType(
    {
        "response.output_item.added": Items._begin,
        "response.output_text.delta": Items._text_piece,
        "response.output_text.annotation.added": Items._annotation,
        "response.refusal.delta": Items._refusal_piece,
        "response.reasoning_text.delta": Items._reasoning_piece,
        "response.reasoning_summary_text.delta": Items._summary_piece,
        "response.function_call_arguments.delta": Items._arguments_piece,
        "response.custom_tool_call_input.delta": Items._input_piece,
        "response.output_item.done": Items._end,
    }
)
"""The events that bring something. What others say, the item says again when it's whole."""

_WHOLE: Final[Mapping[str, Callable[[Items, int, Json, list[Chunk]], None]]] = MappingProxyType(
    {
        "message": Items._end_message,
        "reasoning": Items._end_reasoning,
        "function_call": Items._end_function_call,
        "custom_tool_call": Items._end_custom_call,
    }
)
"""How the items that a model writes itself are finished; those of other kinds are passed on as they came."""
