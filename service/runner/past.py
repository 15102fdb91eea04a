"""A conversation up to one of its responses, and all that every later turn asks of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response

from service.model.attached import has_references
from service.model.past_calls import is_the_platforms
from service.model.thread import Said, Thread
from service.runner.caller import Caller
from service.runner.calls import call_ids, call_of
from service.runner.matching import answers_first, waiting_calls
from service.runner.sealed import is_trigger
from service.store.records import Turn


# Not frozen, though nobody changes it: a thousand of them are made when a long thread is read.
@dataclass(slots=True)
class Past:
    """`last` is the last response, `org_id` and `users` are whose responses they all are.

    `waiting` are the names of the calls that nobody answered, by their ids. `plain` says that a model reads the items
    as they stand there: nothing of them is sealed, and none is a call that the platform ran. `bound` is how many of the
    turns were read from chapters.
    """

    said: Said = field(default_factory=lambda: Said(Thread()))
    waiting: Mapping[str, str] = field(default_factory=dict)
    plain: bool = True
    turns: int = 0
    bound: int = 0
    last: Response | None = None
    org_id: str = ""
    users: frozenset[str] = frozenset()

    @property
    def tokens(self) -> int | None:
        """Those of the last response, prompt and answer; None where nobody counted, or where its prompt was cut."""
        return spent_on(self.last) if self.last else None

    def may_be_read_by(self, caller: Caller) -> bool:
        """Whether all of it is the caller's to see."""
        return not self.turns or (self.org_id == caller.org_id and all(map(caller.may_see, self.users)))

    def and_then(self, turns: Iterable[Turn]) -> list[Past]:
        """The conversation after each of the turns that go on from it, the oldest first."""
        pasts = []
        thread, waiting, plain, count, users = self.said.open(), self.waiting, self.plain, self.turns, self.users
        for turn in turns:
            # Slices, since to go through such a list one by one takes twice as long.
            items = turn.input.items[:]
            if waiting:
                items = answers_first(items, waiting)
            plain = plain and all(map(is_plain, items))
            if turn.result:
                items += spoken(turn.result)
            others = [item for item in items if not item.HasField("message")]
            if others:  # Seldom.
                plain = plain and all(map(is_plain, others))
                waiting = waiting_calls(others, waiting)
            said = thread.add(items, call_ids(others) if others else ())
            count += 1
            if turn.user_id not in users:
                users |= {turn.user_id}
            pasts.append(Past(said, waiting, plain, count, self.bound, turn.result, turn.org_id, users))
        return pasts


def spent_on(response: Response) -> int | None:
    """The tokens of a response, prompt and answer; None where nobody counted, or where its prompt was cut."""
    # The usage of a compaction counts what the next prompt has not.
    if not response.HasField("usage") or any(item.HasField("compaction") for item in response.output):
        return None
    return response.usage.total_tokens


def spoken(response: Response) -> list[Item]:
    """What was said for good: a call that was cut can't be answered, so the model isn't told of it."""
    return [item for item in response.output[:] if item.status != Item.STATUS_INCOMPLETE or not call_of(item)]


def said_in(items: Sequence[Item]) -> Past:
    """The past that consists of these items."""
    ids = call_ids(items)
    said = Said(Thread(items, ids), len(items), len(ids))
    return Past(said, waiting_calls(items), all(map(is_plain, items)))


def is_plain(item: Item) -> bool:
    """Whether a model reads the item as it stands there."""
    if item.HasField("message"):  # By far the most.
        return not has_references(item)
    if item.HasField("reasoning"):
        return not item.reasoning.HasField("encrypted_content")
    if has_references(item):
        return False
    return not (item.HasField("compaction") or is_trigger(item) or is_the_platforms(item))
