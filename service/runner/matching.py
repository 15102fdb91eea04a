"""Which call an output answers, and in which order a model reads both. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from nodexa.v1.item_pb2 import Item

from service.errors import NodexaError
from service.runner.calls import answers, call_of

NONE: Final[Mapping[str, str]] = MappingProxyType({})


def in_order(history: Iterable[Item], new: Sequence[Item]) -> list[Item]:
    """The new items in the order in which they are kept: the outputs that answer the history's calls come first."""
    return answers_first(new, waiting_calls(history))


def match_calls(
    history: Iterable[Item], new: Sequence[Item], *, places: Sequence[int] = (), open_end: bool = False
) -> list[Item]:
    """The new items in the order in which a model reads them: the outputs that answer the history's calls come first.

    `places` are those of the new items in the request, where they aren't all of it; with `open_end` calls at the end
    may go unanswered. Raises NodexaError `unknown_call_id` for an output that answers nothing or answers twice, and
    `missing_tool_output` where a call stays unanswered.
    """
    history = list(history)
    return match_waiting(waiting_calls(history), history, new, places=places, open_end=open_end)


def match_waiting(
    waiting: Mapping[str, str],
    history: Iterable[Item],
    new: Sequence[Item],
    *,
    places: Sequence[int] = (),
    open_end: bool = False,
) -> list[Item]:
    """`match_calls` where it is known already which calls of the history are `waiting_calls`."""
    pending = dict(waiting)
    for place, item in enumerate(new):
        if item.HasField("message"):  # By far the most.
            continue
        if (call_id := answers(item)) and call_id not in pending:
            answered = any(answers(earlier) == call_id for earlier in [*history, *new[:place]])
            raise _unknown_call(call_id, places[place] if places else place, answered=answered)
        settle(item, pending)
    if pending and not open_end:
        names = ", ".join(f"{name} ({call_id})" for call_id, name in list(pending.items())[:5])
        raise NodexaError(
            "missing_tool_output",
            f"No output was given for these calls: {names}. Send one function_call_output for each, "
            "or custom_tool_call_output where a custom tool was called.",
            param="input",
        )
    return answers_first(new, waiting)


def waiting_calls(items: Iterable[Item], before: Mapping[str, str] = NONE) -> dict[str, str]:
    """The names of the calls that nobody answered, by their ids; `before` are those that waited before the items."""
    pending = dict(before)
    for item in items:
        settle(item, pending)
    return pending


def settle(item: Item, pending: dict[str, str]) -> None:
    """Notes a call as waiting, or the one that an output answers as answered."""
    if call := call_of(item):
        pending[call.call_id] = call.name
    elif call_id := answers(item):
        pending.pop(call_id, None)


def answers_first(items: Sequence[Item], waiting: Collection[str]) -> list[Item]:
    """The items, those that answer one of the `waiting` calls before the others."""
    # What comes behind a compaction answers the calls that it kept, and must not get before it.
    if not waiting or any(item.HasField("compaction") for item in items):
        return list(items)
    return sorted(items, key=lambda item: answers(item) not in waiting)


def _unknown_call(call_id: str, place: int, *, answered: bool) -> NodexaError:
    why = "was already answered" if answered else "is not a call of this conversation"
    return NodexaError("unknown_call_id", f"The call_id {call_id!r} {why}.", param=f"input[{place}].call_id")
