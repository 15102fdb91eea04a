"""What a model is to the runner: a prompt goes in, batches of chunks come out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.attached import NOTHING, Attached, with_attached
from service.model.chunk import Chunk


# Not frozen, though nobody changes one: that takes as long again.
@dataclass(slots=True)
class Prompt:
    """All that a model is told.

    `instructions` is the system prompt, empty for none. `items` are the history and the new input, oldest first; kinds
    that a model can't read are left out by it. `settings` are the effective ones: nothing in them is taken from
    elsewhere. `streaming` is False when nobody reads before the end, so that one upstream reply is enough.
    `known` is what is kept of the user: never part of what was said, so it is neither cut nor summed up with it.
    `attached` is what stands for uploaded files in `items`: never part of what is kept of them.
    """

    instructions: str
    items: Sequence[Item]
    settings: ResponseSettings
    streaming: bool = True
    known: Sequence[Item] = ()
    attached: Attached = field(default_factory=dict)

    def told(self) -> Prompt:
        """The same as a model gets it: what is known of the user stands before all that was said, and files are in."""
        if not (self.known or self.attached):
            return self
        items = with_attached(self.items, self.attached) if self.attached else self.items
        return replace(self, items=[*self.known, *items], known=(), attached=NOTHING)


PASSED_ON = frozenset(
    {
        "temperature",
        "top_p",
        "top_logprobs",
        "stop",
        "seed",
        "parallel_tool_calls",
        "text.verbosity",
        "reasoning.effort",
        "reasoning.summary",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "service_tier",
    }
)
"""The settings that only the model can give an effect, by their paths in ResponseSettings."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do: call functions, see images, read files, also files that it has to fetch itself.

    `hosted` says that it runs tools which the platform doesn't, and reads their items: both are handed to it as they
    came. `heeds` are those of PASSED_ON that have an effect. `at_once` says that it is of those that WritesAtOnce.
    """

    tools: bool = True
    images: bool = True
    files: bool = False
    file_urls: bool = False
    hosted: bool = False
    heeds: Set[str] = PASSED_ON
    at_once: bool = False


class Model(Protocol):
    """Who writes the tokens. One instance serves many turns at once."""

    @property
    def abilities(self) -> Abilities:
        """What it can do; never changes."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        """Yields what is ready together as one batch, never empty; closing the generator stops the model at once.

        Raises NodexaError with one of the codes `upstream_*`, `rate_limit_exceeded`, `context_length_exceeded`.
        Failures before the first batch have already been retried where that is safe.
        """

    async def count(self, prompt: Prompt) -> int | None:
        """The tokens of `prompt` as `TokenUsage.input_tokens` will be; None where that isn't known beforehand.

        Raises NodexaError, `tokens_not_countable` where only this prompt can't be counted.
        """

    async def warm(self) -> None:
        """Loads what the first answer needs; where nothing has to be loaded it does nothing. Never raises."""

    async def close(self) -> None:
        """Releases connections, threads and memory."""


Wait = Callable[[], Awaitable[None]]
"""What has to be called and awaited before a model may say more; who is cancelled before that loses nothing by it."""
Take = Callable[[Sequence[Chunk]], Wait | None]
"""Takes what is ready together; returns what to wait for, None for nothing."""


class WritesAtOnce(Protocol):
    """What a model has besides that tells what it reads by a call, with neither a generator nor a task in between."""

    async def write(self, prompt: Prompt, take: Take) -> None:
        """Has `take` called with each batch that `stream` would yield; nothing follows once this is cancelled.

        Raises as that does, and what `take` raises.
        """

    def ask(self, prompt: Prompt, then: Callable[[], None]) -> Answering | None:
        """Asks for an answer that comes whole, where that takes no waiting; None where it does.

        `then` is called once: when the answer is there, or it's seen that it has to be waited for.
        """


class Answering(Protocol):
    """An answer on its way, for which nobody waits yet."""

    def look(self) -> Sequence[Chunk]:
        """All of it, where it is there and good; nothing where it has to be waited for: `write`."""

    async def write(self, take: Take) -> None:
        """Has `take` called with it once it's there, and raises, as WritesAtOnce does."""

    def give_up(self) -> None:
        """Ends it, where it is still to come; nobody is called any more."""


async def hand_on(written: AsyncGenerator[Sequence[Chunk], None], take: Take) -> None:
    """Has `take` called with each batch of a generator, which is closed at the end."""
    async with aclosing(written) as batches:
        async for batch in batches:
            if (wait := take(batch)) is not None:
                await wait()
