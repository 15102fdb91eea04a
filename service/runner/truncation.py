"""`truncation: auto`: a prompt that is longer than its model can read is asked again without its oldest turns.

How much is too much only the model knows, so it's asked and asked again; what it refuses costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from nodexa.v1.item_pb2 import Item, Message
from nodexa.v1.response_pb2 import ResponseSettings

from service.errors import NodexaError
from service.model.chunk import Chunk, Status
from service.model.model import Take, hand_on
from service.runner.calls import answers, call_of
from service.runner.structured import answered
from service.runner.turn import Turn

TRIES: Final = 8
"""How often a prompt is made shorter; the last time, only the newest turn is left."""
_SHARE: Final = 4
"""One part in so many of the old turns, by their bytes, is left out at each try."""
_STAYING: Final = (Message.ROLE_SYSTEM, Message.ROLE_DEVELOPER)


async def write_fitted(turn: Turn, take: Take) -> None:
    """Has `take` called with each batch of `fitted(turn)`, by the model where nothing has to stand between."""
    if turn.model.abilities.at_once and not _cuts(turn) and not turn.prompt.settings.text.format.json_schema.strict:
        await turn.write(take)
    else:
        await hand_on(fitted(turn), take)


def fitted(turn: Turn) -> AsyncGenerator[Sequence[Chunk], None]:
    """`answered(turn)`, of which `turn.left_out` says afterwards how many items it had to leave out.

    Raises NodexaError `context_length_exceeded` where even the newest turn is too long, and as `answered` does.
    """
    return _cut_to_fit(turn) if _cuts(turn) else answered(turn)


def _cuts(turn: Turn) -> bool:
    return turn.prompt.settings.truncation == ResponseSettings.TRUNCATION_AUTO


async def _cut_to_fit(turn: Turn) -> AsyncGenerator[Sequence[Chunk], None]:
    left = TRIES
    while True:
        prompt, shown = turn.prompt, False
        try:
            async with aclosing(answered(turn)) as batches:
                async for batch in batches:
                    shown = True
                    yield batch
            return
        except NodexaError as refusal:
            if shown or refusal.code != "context_length_exceeded":
                raise
            kept = shortened(prompt.items, all_at_once=left == 1)
            if not left or len(kept) == len(prompt.items):
                raise
        left -= 1
        turn.leave_out(len(prompt.items) - len(kept))
        turn.prompt = replace(prompt, items=kept)
        yield [Status("truncating")]


def shortened(items: Sequence[Item], *, all_at_once: bool = False) -> list[Item]:
    """The items without some of the oldest turns, at least one; all of them where nothing can be left out.

    What the application said with the force of instructions stays, and so does the newest turn.
    """
    *old, newest = turns_of(items)
    sizes = [sum(item.ByteSize() for item in turn if not _stays(item)) for turn in old]
    too_much, kept = sum(sizes) / _SHARE, list[Item]()
    gone = 0
    for turn, size in zip(old, sizes, strict=True):
        leaves = all_at_once or gone < max(too_much, 1)
        kept += [item for item in turn if _stays(item)] if leaves else turn
        gone += size
    return [*kept, *newest]


def turns_of(items: Sequence[Item]) -> list[list[Item]]:
    """The items in turns, each from what the user said to before what they say next.

    A call and its output are in one turn, and so is all that the user said in one go.
    """
    turns: list[list[Item]] = [[]]
    waiting: set[str] = set()
    answering = True
    for item in items:
        if item.message.role == Message.ROLE_USER:
            if answering and not waiting and any(not _stays(other) for other in turns[-1]):
                turns.append([])
            answering = False
        elif not _stays(item):
            answering = True
        if call := call_of(item):
            waiting.add(call.call_id)
        waiting.discard(answers(item))
        turns[-1].append(item)
    return turns


def _stays(item: Item) -> bool:
    return item.message.role in _STAYING
