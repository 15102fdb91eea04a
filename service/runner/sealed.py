"""Sealed items, on their way out and in: closed before anyone sees them, opened before a model reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from nodexa.v1.item_pb2 import Compaction, Item, ItemList, Reasoning

from service.errors import NodexaError
from service.seal import Seal, is_sealed

REASONING: Final = "reasoning"
COMPACTION: Final = "compaction"
TRIGGER: Final = "compaction_trigger"
"""The type word of the input item that asks for a compaction; no model reads it."""
WANTED: Final = "reasoning.encrypted_content"
"""What `include` says to get reasoning sealed."""


# Not frozen, though nobody changes it: one is made for each request.
@dataclass(slots=True)
class Sealed:
    """Closes and opens the items of one organization."""

    seal: Seal
    org_id: str

    def thinking(self, *, wanted: bool) -> Callable[[Reasoning], str]:
        """What seals thinking that is over, where that is `wanted` or its model must get something back."""

        def close(reasoning: Reasoning) -> str:
            if not wanted and not reasoning.encrypted_content:
                return ""
            return self.seal.close(reasoning.SerializeToString(), org_id=self.org_id, purpose=REASONING)

        return close

    def compaction(self, items: Sequence[Item]) -> Item:
        """The item in whose place a model reads `items` from then on."""
        content = ItemList(items=items).SerializeToString()
        sealed = self.seal.close(content, org_id=self.org_id, purpose=COMPACTION)
        return Item(compaction=Compaction(encrypted_content=sealed))

    def opened(
        self, history: Sequence[Item], new: Sequence[Item], *, before: str
    ) -> tuple[list[Item], list[Item], list[int]]:
        """What a model reads of the history and of the input, and for each item of the second its place in `new`.

        What stands before the last compaction isn't read any more. `before` is the request field that names the
        history. Raises NodexaError `invalid_encrypted_content`.
        """
        start = _last_compaction(new)
        read = [
            (place, item)
            for place, sealed in enumerate(new)
            if place >= start
            for item in self._read(sealed, f"input[{place}].encrypted_content")
        ]
        said = history[max(_last_compaction(history), 0) :] if start < 0 else ()
        return (
            [item for sealed in said for item in self._read(sealed, before)],
            [item for _, item in read],
            [place for place, _ in read],
        )

    def _read(self, item: Item, field: str) -> Sequence[Item]:
        if item.HasField("compaction"):
            return ItemList.FromString(self._open(item.compaction.encrypted_content, COMPACTION, field)).items
        if item.HasField("reasoning"):
            return self._thinking(item, field)
        return () if is_trigger(item) else (item,)

    def _thinking(self, item: Item, field: str) -> Sequence[Item]:
        """Thinking with what it was sealed with, whatever stands beside it; none where nothing is left to read."""
        given = item.reasoning
        if is_sealed(given.encrypted_content):
            whole = Reasoning.FromString(self._open(given.encrypted_content, REASONING, field))
            return (Item(id=item.id, status=item.status, reasoning=whole),)
        if not given.HasField("encrypted_content"):
            return (item,)
        # What others sealed is theirs to read: a model must not take it for what it once gave.
        plain = Reasoning(summary=given.summary, content=given.content)
        return (Item(id=item.id, status=item.status, reasoning=plain),) if plain.ListFields() else ()

    def _open(self, text: str, purpose: str, field: str) -> bytes:
        return self.seal.open(text, org_id=self.org_id, purpose=purpose, param=field)


def sealed_elsewhere(items: Sequence[Item]) -> Iterator[str]:
    """The paths of encrypted thinking in an input that no Nodexa sealed: kept, and shown to no model."""
    for place, item in enumerate(items):
        text = item.reasoning.encrypted_content
        if text and not is_sealed(text):
            yield f"input[{place}].encrypted_content"


def asks_to_compact(items: Sequence[Item]) -> bool:
    """Whether an input asks for a compaction in place of an answer. Raises NodexaError for one in a wrong place."""
    places = [place for place, item in enumerate(items) if is_trigger(item)]
    if places and places != [len(items) - 1]:
        message = f"A {TRIGGER} must be the last item of the input, and the only one of its kind."
        raise NodexaError("invalid_request", message, param=f"input[{places[0]}]")
    return bool(places)


def is_trigger(item: Item) -> bool:
    """Whether an item asks for a compaction."""
    return item.HasField("opaque") and item.opaque.type == TRIGGER


def _last_compaction(items: Sequence[Item]) -> int:
    return max((place for place, item in enumerate(items) if item.HasField("compaction")), default=-1)
