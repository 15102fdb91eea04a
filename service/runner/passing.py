"""Items that go out as they came, under ids of the platform's: calls of hosted tools, compactions. No I/O."""

from __future__ import annotations

import json
import re
from typing import Final

from nodexa.v1.item_pb2 import Item

from service.model.chunk import OutputItem
from service.runner.tale import Tale

PREFIXES: Final = {"opaque": "item", "compaction": "cmp"}
"""The kinds that can be passed on, and how their ids begin."""
_PREFIX: Final = re.compile(r"([a-z]{1,16})_")
_UNDER_WAY: Final = frozenset({"in_progress", "searching", "interpreting", "generating", "calling"})
_NEVER_INCOMPLETE: Final = frozenset({"web_search_call", "image_generation_call"})
"""Types of items that know no status `incomplete`; `failed` is what they have."""


class Passing:
    """Tells of such items; several may be open at once."""

    def __init__(self, tale: Tale) -> None:
        self._tale = tale
        self._open: dict[int, int] = {}

    def is_open(self, index: int) -> bool:
        """Whether the model's item of that number was told to have begun and isn't over."""
        return index in self._open

    def adopt(self, index: int, place: int) -> None:
        """Goes on with the item at `place`, which the log left open, as the one of that number."""
        self._open[index] = place

    def pass_on(self, chunk: OutputItem) -> None:
        """Tells what a chunk says: that an item begins, how far it has come, that it is over."""
        if chunk.index not in self._open:
            if chunk.item is None:
                return
            self._open[chunk.index] = self._begin(chunk.item)
        index = self._open[chunk.index]
        item = self._tale.response.output[index]
        if chunk.phase:
            about = {"item_id": item.id, "output_index": index, "type": _type(item), "phase": chunk.phase}
            self._tale.add(item_progress=about)
        if chunk.arguments is not None:
            said = {"item_id": item.id, "output_index": index, "arguments": chunk.arguments}
            self._tale.add(mcp_call_arguments_done=said)
        if chunk.done:
            # Clients know the item by the type that it began with.
            if chunk.item is not None and _type(chunk.item) == _type(item):
                identity = item.id
                item.CopyFrom(chunk.item)
                item.id = identity
            cut = item.status == Item.STATUS_INCOMPLETE
            self._tale.end(index, Item.STATUS_INCOMPLETE if cut else Item.STATUS_COMPLETED)
            del self._open[chunk.index]

    def close(self) -> None:
        """Ends what is open: nobody will hear more of it."""
        for index in self._open.values():
            cut_short(self._tale.response.output[index])
            self._tale.end(index, Item.STATUS_INCOMPLETE)
        self._open.clear()

    def _begin(self, given: Item) -> int:
        kind = str(given.WhichOneof("kind"))
        if kind not in PREFIXES:
            raise ValueError(f"a {kind} is told piece by piece, not passed on")
        item = Item()
        item.CopyFrom(given)
        # Model servers refuse an item in their input whose id begins in another way than they would begin it.
        found = _PREFIX.match(given.id)
        item.id = self._tale.new_id(found[1] if found else PREFIXES[kind])
        return self._tale.begin(item)


def _type(item: Item) -> str:
    return item.opaque.type or str(item.WhichOneof("kind"))


def cut_short(item: Item) -> None:
    """Makes an item of another's making say of itself that it is not on its way any more."""
    if not item.HasField("opaque"):
        return
    told = json.loads(item.opaque.json)
    if told.get("status") in _UNDER_WAY:
        told["status"] = "failed" if item.opaque.type in _NEVER_INCOMPLETE else "incomplete"
        item.opaque.json = json.dumps(told, ensure_ascii=False)
