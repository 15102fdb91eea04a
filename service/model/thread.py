"""What was said in a conversation, shared by all of its turns: each sees its beginning, and costs what is new in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nodexa.v1.item_pb2 import Item


class Thread:
    """The items of one conversation and the ids of the calls among them. It only ever grows, at its end.

    `told` has what each kind of model made of them: under the kind's name, and of its own type.
    """

    def __init__(self, items: Iterable[Item] = (), call_ids: Iterable[str] = ()) -> None:
        self.items = list(items)
        self.call_ids = list(call_ids)
        self.told: dict[str, Any] = {}

    def add(self, items: Iterable[Item], call_ids: Iterable[str]) -> Said:
        """Goes on with these; returns all of it."""
        self.items += items
        self.call_ids += call_ids
        return Said(self, len(self.items), len(self.call_ids))


# Not frozen, though nobody changes it: a thousand of them are made when a long thread is read.
@dataclass(slots=True)
class Said:
    """The first `length` items of a thread, and the first `calls` of its call ids. It never changes."""

    thread: Thread
    length: int = 0
    calls: int = 0

    @property
    def items(self) -> list[Item]:
        """The items, the oldest first."""
        return self.thread.items[: self.length]

    def __iter__(self) -> Iterator[Item]:
        return islice(self.thread.items, self.length)

    @property
    def call_ids(self) -> list[str]:
        """The ids of the calls among the items."""
        return self.thread.call_ids[: self.calls]

    def open(self) -> Thread:
        """A thread to go on with: the same one, or one of its own where that one went on in another way."""
        return self.thread if len(self.thread.items) == self.length else Thread(self.items, self.call_ids)


class Continued(list[Item]):
    """The items of a prompt that goes on from what was `said`, which they begin with; a copy of it is a plain list."""

    def __init__(self, said: Said, new: Iterable[Item]) -> None:
        super().__init__(said.items)
        self.extend(new)
        self.said = said
