"""The turns before: read through the `previous_response_id` chain, and kept at hand by response id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from nodexa.v1.item_pb2 import ItemList
from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.runner.binder import Binder, past_of
from service.runner.caller import Caller
from service.runner.past import Past
from service.store.chapters import Chapter
from service.store.records import ResponseRow, Turn
from service.store.responses import ResponseStore

MAX_TURNS: Final = 10_000
CACHE_BYTES: Final = 64 * 1024 * 1024
OVERHEAD: Final = 3 * 1024
"""What a turn takes besides its bytes, and a short one is nearly nothing else: messages are kept as objects."""
_FIELD: Final = "previous_response_id"


@dataclass(slots=True, eq=False)
class _Conversation:
    """What is kept of one conversation, all of its branches: let go as a whole, since each turn holds those before."""

    ids: list[str] = field(default_factory=list)
    size: int = 0


# Not frozen, though nobody changes it: each response that ends makes one.
@dataclass(slots=True)
class _Fresh:
    """A turn that nobody went on from yet, as most never are: what was `asked` is read when somebody does."""

    row: ResponseRow
    asked: bytes
    result: Response
    size: int

    def turn(self) -> Turn:
        row, asked = self.row, ItemList.FromString(self.asked)
        whose = (row.org_id, row.user_id, row.created_at)
        return Turn(row.id, row.previous_response_id, *whose, asked, self.result, self.size)


class History:
    """Recalls conversations. Final turns never change, so they are kept until the memory bound or a deletion."""

    def __init__(self, store: ResponseStore, *, binder: Binder | None = None, cache_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._binder = binder
        self._limit = cache_bytes
        self._bytes = 0
        self._deletions = 0
        # Turns that nobody went on from yet, and conversations by the responses that they can be continued from.
        self._fresh: OrderedDict[str, _Fresh] = OrderedDict()
        self._pasts: dict[str, tuple[Past, _Conversation]] = {}
        # The turns of chapters, at which no past is kept: a branch that goes off there is read anew.
        self._bound: dict[str, _Conversation] = {}
        self._conversations: OrderedDict[_Conversation, None] = OrderedDict()

    async def recall(self, response_id: str, caller: Caller) -> Past:
        """The conversation up to `response_id`; an empty one for an empty id.

        Raises NodexaError `previous_response_not_found`, `response_not_ready` or `previous_response_failed`.
        """
        if not response_id:
            return Past()
        past = self._at_hand(response_id) or await self._read(response_id, caller)
        if not past.may_be_read_by(caller):
            raise _not_found(response_id)
        if past.turns > MAX_TURNS:
            raise _history_gone(response_id)
        _expect_continuable(past, response_id)
        if self._binder:
            self._binder.look(past, response_id)
        return past

    async def tokens(self, response_id: str, caller: Caller) -> int | None:
        """The tokens of a response, prompt and answer; None where nobody counted. Raises as `recall` does."""
        return (await self.recall(response_id, caller)).tokens if response_id else None

    def keep(self, row: ResponseRow, asked: bytes, result: Response, size: int) -> None:
        """Takes a turn that just became final and is on disk: the next one need not read it.

        `asked` is an ItemList, serialized; `size` is that of the result in bytes: to ask it is to serialize it again.
        """
        size += len(asked) + OVERHEAD
        if size > self._limit or row.id in self._fresh or row.id in self._pasts:
            return
        self._fresh[row.id] = _Fresh(row, asked, result, size)
        self._grow(size)

    def forget(self, response_id: str) -> None:
        """Drops a deleted turn, and what goes on from it."""
        self._deletions += 1
        if fresh := self._fresh.pop(response_id, None):
            self._bytes -= fresh.size
        self._let_go(response_id)

    def _at_hand(self, response_id: str) -> Past | None:
        """What is kept of the conversation up to there; turns that were never continued are joined to it now."""
        turns: list[Turn] = []
        wanted = response_id
        while wanted and wanted not in self._pasts:
            if wanted not in self._fresh:
                return None
            turns.append(self._fresh[wanted].turn())
            wanted = turns[-1].previous_response_id
        return self._joined(turns) if turns else self._pasts[response_id][0]

    async def _read(self, response_id: str, caller: Caller) -> Past:
        deletions = self._deletions
        found, chapters = await self._found(caller.org_id, response_id)
        bound = past_of(chapters, caller.org_id)
        if not found or not all(map(caller.may_see, bound.users | {turn.user_id for turn in found})):
            raise _not_found(response_id)
        if found[-1].previous_response_id and not chapters:
            raise _history_gone(response_id)
        # What was deleted meanwhile must not come back, and what may still change is not for keeps.
        if not self._limit or deletions != self._deletions or any(turn.result is None for turn in found):
            return bound.and_then(reversed(found))[-1]
        new = list(takewhile(lambda turn: turn.id not in self._pasts, found))
        if not new:
            return self._pasts[response_id][0]
        if chapters and new[-1].previous_response_id not in self._pasts:
            return self._joined(new, bound, self._opened(chapters))
        return self._joined(new)

    async def _found(self, org_id: str, response_id: str) -> tuple[Sequence[Turn], Sequence[Chapter]]:
        """The turns up to a response, the newest first, and the chapters that stand for those before them."""
        if self._binder:
            found = await self._store.history(org_id, response_id, limit=MAX_TURNS, unbound=True)
            before = found[-1].previous_response_id if found else ""
            if not before or (chapters := await self._binder.read(org_id, before)):
                return found, chapters if before else ()
        return await self._store.history(org_id, response_id, limit=MAX_TURNS), ()

    def _opened(self, chapters: Sequence[Chapter]) -> _Conversation:
        """A conversation that begins with the chapters. What else is kept of their turns is let go: a deletion must
        find all of it."""
        conversation = _Conversation()
        for response_id in (name for chapter in chapters for name in chapter.ids):
            self._let_go(response_id)
            self._bound[response_id] = conversation
            conversation.ids.append(response_id)
        conversation.size = 2 * sum(chapter.size for chapter in chapters)
        self._bytes += conversation.size
        return conversation

    def _joined(
        self, turns: Sequence[Turn], past: Past | None = None, conversation: _Conversation | None = None
    ) -> Past:
        """The conversation with the turns, the newest first, behind what is kept of it; it is kept at each of them.

        What is kept is found by the turn before, where it isn't given.
        """
        if past is None or conversation is None:
            before = turns[-1].previous_response_id
            past, conversation = self._pasts[before] if before else (Past(), _Conversation())
        ids = [turn.id for turn in reversed(turns)]
        pasts = past.and_then(reversed(turns))
        for response_id, past in zip(ids, pasts, strict=True):
            self._let_go(response_id)
            self._pasts[response_id] = past, conversation
            if fresh := self._fresh.pop(response_id, None):
                self._bytes -= fresh.size
        conversation.ids += ids
        # Twice: what a model makes of it is kept too.
        grown = 2 * sum(turn.size for turn in turns)
        conversation.size += grown
        self._conversations[conversation] = None
        self._conversations.move_to_end(conversation)
        self._grow(grown)
        return pasts[-1]

    def _grow(self, size: int) -> None:
        self._bytes += size
        while self._bytes > self._limit and (self._fresh or self._conversations):
            if self._fresh:
                self._bytes -= self._fresh.popitem(last=False)[1].size
            else:
                self._drop(next(iter(self._conversations)))

    def _let_go(self, response_id: str) -> None:
        if response_id in self._pasts:
            self._drop(self._pasts[response_id][1])
        if response_id in self._bound:
            self._drop(self._bound[response_id])

    def _drop(self, conversation: _Conversation) -> None:
        self._conversations.pop(conversation, None)
        self._bytes -= conversation.size
        for response_id in conversation.ids:
            self._pasts.pop(response_id, None)
            self._bound.pop(response_id, None)


def _expect_continuable(past: Past, response_id: str) -> None:
    if past.last is None:
        raise NodexaError(
            "response_not_ready", f"The response {response_id!r} is still running; wait for its end.", param=_FIELD
        )
    if past.last.status == Response.STATUS_FAILED:
        raise NodexaError(
            "previous_response_failed",
            f"The response {response_id!r} failed; continue from the one before it.",
            param=_FIELD,
        )


def _not_found(response_id: str) -> NodexaError:
    return NodexaError(
        "previous_response_not_found", f"No response {response_id!r} that could be continued.", param=_FIELD
    )


def _history_gone(response_id: str) -> NodexaError:
    return NodexaError(
        "previous_response_not_found",
        f"An earlier turn of the conversation of {response_id!r} was deleted, so it can't be continued.",
        param=_FIELD,
    )
