"""The events of one response as they are told: their numbers, and the items that begin and end. No I/O."""

from __future__ import annotations

from typing import Any

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response

from service.ids import NewId, message_of


class Tale:
    """Gathers events. `response` is what those so far fold to, and `batch` has those that nobody took yet."""

    def __init__(self, response: Response, *, next_sequence: int, new_id: NewId) -> None:
        self.response = response
        self.next_sequence = next_sequence
        self.new_id = new_id
        self.batch = EventBatch()

    def add(self, **kind: Any) -> None:
        """Tells one event; `kind` is its one member."""
        self.batch.events.add(sequence_number=self.next_sequence, **kind)
        self.next_sequence += 1

    def event(self) -> ResponseEvent:
        """The next event, to be filled in place: a dictionary in between costs more than all the rest."""
        event = self.batch.events.add()
        event.sequence_number = self.next_sequence
        self.next_sequence += 1
        return event

    def message_id(self) -> str:
        """An id for one more message."""
        own = message_of(self.response.id)
        return self.new_id("msg") if any(item.id == own for item in self.response.output) else own

    def begin(self, item: Item) -> int:
        """Tells that `item` begins, at the end of the output; its place there."""
        index = len(self.response.output)
        item.status = Item.STATUS_IN_PROGRESS
        self.response.output.append(item)
        added = self.event().output_item_added
        added.output_index = index
        added.item.CopyFrom(item)
        return index

    def end(self, index: int, status: Item.Status.ValueType) -> None:
        """Tells that the item at `index` is over, as it stands in the response."""
        item = self.response.output[index]
        item.status = status
        done = self.event().output_item_done
        done.output_index = index
        done.item.CopyFrom(item)

    def take(self) -> EventBatch:
        """What was told since the last time."""
        batch, self.batch = self.batch, EventBatch()
        return batch
