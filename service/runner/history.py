"""The turns before: read through the `previous_response_id` chain, and kept at hand by response id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.runner.caller import Caller
from service.runner.calls import answers, call_of
from service.store.responses import ResponseStore, Turn

MAX_TURNS: Final = 10_000
CACHE_BYTES: Final = 64 * 1024 * 1024
_FIELD: Final = "previous_response_id"


class History:
    """Recalls conversations. Final turns never change, so they are cached until the memory bound or a deletion."""

    def __init__(self, store: ResponseStore, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._turns: OrderedDict[str, tuple[Turn, int]] = OrderedDict()
        self._bytes = 0
        self._deletions = 0
        self._limit = cache_bytes

    async def recall(self, response_id: str, caller: Caller) -> list[Item]:
        """The items of every turn up to `response_id`, oldest first; none for an empty id.

        Raises NodexaError `previous_response_not_found`, `response_not_ready` or `previous_response_failed`.
        """
        if not response_id:
            return []
        turns = await self._chain(response_id, caller)
        _expect_continuable(turns[0], response_id)
        items: list[Item] = []
        waiting: set[str] = set()
        for turn in reversed(turns):
            said = list(spoken(turn.result)) if turn.result else []
            items += [*_answers_first(turn.input.items, waiting), *said]
            waiting = {call.call_id for item in said if (call := call_of(item))}
        return items

    async def tokens(self, response_id: str, caller: Caller) -> int | None:
        """The tokens of a response, prompt and answer; None where nobody counted, or where its prompt was cut."""
        found = (await self._chain(response_id, caller))[0].result if response_id else None
        return spent_on(found) if found else None

    def forget(self, response_id: str) -> None:
        """Drops a deleted turn."""
        self._deletions += 1
        found = self._turns.pop(response_id, None)
        if found is not None:
            self._bytes -= found[1]

    async def _chain(self, response_id: str, caller: Caller) -> Sequence[Turn]:
        """The turns from `response_id` back to the first one, newest first."""
        turns: list[Turn] = []
        wanted = response_id
        while wanted:
            cached = self._turns.get(wanted)
            if cached is not None:
                self._turns.move_to_end(wanted)
                found: Sequence[Turn] = [cached[0]]
            else:
                found = await self._read(caller.org_id, wanted, limit=MAX_TURNS - len(turns))
            if any(turn.row.org_id != caller.org_id or not caller.may_see(turn.row.user_id) for turn in found):
                raise _not_found(response_id)
            if not found or len(turns) + len(found) > MAX_TURNS:
                raise _not_found(response_id) if not turns else _history_gone(response_id)
            turns.extend(found)
            wanted = turns[-1].row.previous_response_id
        return turns

    async def _read(self, org_id: str, response_id: str, *, limit: int) -> Sequence[Turn]:
        deletions = self._deletions
        found = await self._store.history(org_id, response_id, limit=limit)
        # What was deleted meanwhile must not come back through the cache.
        if deletions == self._deletions:
            for turn in found:
                self._keep(turn)
        return found

    def _keep(self, turn: Turn) -> None:
        if turn.result is None or turn.row.id in self._turns:
            return
        size = turn.input.ByteSize() + turn.result.ByteSize()
        self._turns[turn.row.id] = (turn, size)
        self._bytes += size
        while self._bytes > self._limit:
            _, (_, dropped) = self._turns.popitem(last=False)
            self._bytes -= dropped


def spent_on(response: Response) -> int | None:
    """The tokens of a response, prompt and answer; None where nobody counted, or where its prompt was cut."""
    # The usage of a compaction counts what the next prompt has not.
    if not response.HasField("usage") or any(item.HasField("compaction") for item in response.output):
        return None
    return response.usage.total_tokens


def spoken(response: Response) -> Iterable[Item]:
    """What was said for good: a call that was cut can't be answered, so the model isn't told of it."""
    return (item for item in response.output if not (call_of(item) and item.status == Item.STATUS_INCOMPLETE))


def in_order(history: Iterable[Item], new: Sequence[Item]) -> list[Item]:
    """The new items in the order in which they are kept: the outputs that answer the history's calls come first."""
    pending: dict[str, str] = {}
    _pair(history, pending, set())
    return _answers_first(new, pending)


def match_calls(
    history: Iterable[Item], new: Sequence[Item], *, places: Sequence[int] = (), open_end: bool = False
) -> list[Item]:
    """The new items in the order in which a model reads them: the outputs that answer the history's calls come first.

    `places` are those of the new items in the request, where they aren't all of it; with `open_end` calls at the end
    may go unanswered. Raises NodexaError `unknown_call_id` for an output that answers nothing or answers twice, and
    `missing_tool_output` where a call stays unanswered.
    """
    pending: dict[str, str] = {}
    answered: set[str] = set()
    _pair(history, pending, answered)
    waiting = set(pending)
    for place, item in enumerate(new):
        if (call_id := answers(item)) and call_id not in pending:
            raise _unknown_call(call_id, answered, places[place] if places else place)
        _pair([item], pending, answered)
    if pending and not open_end:
        names = ", ".join(f"{name} ({call_id})" for call_id, name in list(pending.items())[:5])
        raise NodexaError(
            "missing_tool_output",
            f"No output was given for these calls: {names}. Send one function_call_output for each, "
            "or custom_tool_call_output where a custom tool was called.",
            param="input",
        )
    return _answers_first(new, waiting)


def _answers_first(items: Iterable[Item], waiting: Collection[str]) -> list[Item]:
    items = list(items)
    # What comes behind a compaction answers the calls that it kept, and must not get before it.
    if any(item.HasField("compaction") for item in items):
        return items
    return sorted(items, key=lambda item: answers(item) not in waiting)


def _pair(items: Iterable[Item], pending: dict[str, str], answered: set[str]) -> None:
    for item in items:
        if call := call_of(item):
            pending[call.call_id] = call.name
        elif call_id := answers(item):
            answered.add(call_id)
            pending.pop(call_id, None)


def _unknown_call(call_id: str, answered: set[str], place: int) -> NodexaError:
    why = "was already answered" if call_id in answered else "is not a call of this conversation"
    return NodexaError("unknown_call_id", f"The call_id {call_id!r} {why}.", param=f"input[{place}].call_id")


def _expect_continuable(turn: Turn, response_id: str) -> None:
    if turn.result is None:
        raise NodexaError(
            "response_not_ready", f"The response {response_id!r} is still running; wait for its end.", param=_FIELD
        )
    if turn.result.status == Response.STATUS_FAILED:
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
