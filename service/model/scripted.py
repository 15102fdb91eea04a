"""A model for tests: it plays the turns that a test gives it. Not offered to users: no configuration leads here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from service.model.chunk import Chunk, Finish, FinishReason, TextDelta, TokenUsage, ToolCallDelta
from service.model.model import PASSED_ON, Abilities, Answering, Prompt, Take, hand_on

Step = Sequence[Chunk] | asyncio.Event | BaseException
"""A batch to give out, a gate to wait at, or an exception to raise."""

STOP = Finish(FinishReason.STOP)
CHAT = Abilities(heeds=PASSED_ON - {"reasoning.summary"})


class ScriptedModel:
    """Plays one turn a call of `stream`, in the order given; a call without a turn left fails the test.

    `prompts` are the prompts of all calls; `stopped` counts the turns that were closed before their end. `tokens` is
    what it counts in a prompt; `counted` are the prompts that it did so for.
    """

    def __init__(self, turns: Iterable[Sequence[Step]] = (), *, abilities: Abilities = CHAT) -> None:
        self.prompts: list[Prompt] = []
        self.counted: list[Prompt] = []
        self.tokens: int | None = None
        self.stopped = 0
        self.closed = False
        self._turns = list(turns)
        self._abilities = abilities

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    def add(self, *turns: Sequence[Step]) -> None:
        """Adds turns behind those that are left."""
        self._turns += turns

    async def count(self, prompt: Prompt) -> int | None:
        self.counted.append(prompt)
        return self.tokens

    async def warm(self) -> None:
        """Does nothing."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        if not self._turns:
            raise AssertionError("the script has no turn left")
        self.prompts.append(prompt)
        ended = False
        try:
            for step in self._turns.pop(0):
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, BaseException):
                    ended = True
                    raise step
                else:
                    yield step
            ended = True
        finally:
            self.stopped += not ended

    async def write(self, prompt: Prompt, take: Take) -> None:
        await hand_on(self.stream(prompt), take)

    def ask(self, prompt: Prompt, then: Callable[[], None]) -> Answering | None:
        """Returns None: every answer is waited for."""
        return None

    async def close(self) -> None:
        self.closed = True


def says(text: str, *, usage: TokenUsage | None = None) -> list[Step]:
    """Returns a turn that says `text`, a word a batch."""
    words = text.split(" ")
    pieces = [word if index == 0 else f" {word}" for index, word in enumerate(words)]
    last: list[Chunk] = [*([usage] if usage else ()), STOP]
    return [*([TextDelta(piece)] for piece in pieces), last]


def calls(*functions: tuple[str, str], usage: TokenUsage | None = None) -> list[Step]:
    """Returns a turn that calls functions, (name, arguments) each; it leaves the call ids to the runner."""
    batches: list[Step] = [
        [ToolCallDelta(index=index, name=name, arguments=arguments)]
        for index, (name, arguments) in enumerate(functions)
    ]
    return [*batches, [*([usage] if usage else ()), STOP]]
