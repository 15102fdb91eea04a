"""One pass through the model: what it may call is checked before it's shown, and what it cost is added up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence, Set
from contextlib import aclosing
from functools import partial
from typing import Final, cast

from nodexa.v1.response_pb2 import ResponseSettings, Usage
from nodexa.v1.tool_pb2 import ToolChoice

from service.errors import NodexaError
from service.model.chunk import Chunk, Finish, FinishReason, TextDelta, TokenUsage, ToolCallDelta
from service.model.model import Answering, Model, Prompt, Take, Wait, WritesAtOnce
from service.model.offers import Offer, mode_of, offers, wanted_name
from service.runner.refused_calls import Call, arguments_problem, told_of

_NOTED: Final = frozenset({ToolCallDelta, TokenUsage, Finish})


class Turn:
    """The model at work on one prompt. After `chunks` is exhausted the other fields tell how it ended.

    A call of an unknown function, or one with broken arguments that nobody has seen yet, is told to the model once; the
    second time, or when it was already shown, the turn raises NodexaError `invalid_tool_call`. Calls of the functions
    in `ours`, which the platform runs, are never shown. `offers` are the tools that may be called, by the names that
    the model knows them by.
    """

    # No dataclass: one is made for each request, and its factories take as long again.
    reason: FinishReason | None = None
    left_out = 0
    ours: Set[str] = frozenset()
    _asked: Answering | None = None

    def __init__(self, model: Model, prompt: Prompt) -> None:
        self.model = model
        self.prompt = prompt
        self.calls: dict[int, Call] = {}
        self.offers = _offers(prompt.settings)
        self._usages: list[Usage | None] = []
        self._refused: list[tuple[Call, str]] = []
        self._hidden: dict[int, Call] = {}

    def go_on(self, prompt: Prompt) -> None:
        """Forgets the calls, so that `chunks` can be had once more; usage adds up."""
        self.prompt = prompt
        # In place: others hold it too.
        self.offers.clear()
        self.offers.update(_offers(prompt.settings))
        for kept in (self.calls, self._refused, self._hidden):
            kept.clear()

    async def chunks(self) -> AsyncGenerator[Sequence[Chunk], None]:
        """What the response shows, batch by batch."""
        prompt: Prompt | None = self.prompt
        while prompt is not None:
            self._begin_pass()
            async with aclosing(self.model.stream(prompt.told())) as stream:
                async for batch in stream:
                    if shown := self._sift(batch):
                        yield shown
            prompt = self._another(first=prompt is self.prompt)

    def ask(self, then: Callable[[], None]) -> bool:
        """Whether the model was asked at once. `then` is called when it answered: see `plain`, and `write`."""
        self._asked = cast(WritesAtOnce, self.model).ask(self.prompt.told(), then)
        return self._asked is not None

    def plain(self) -> str:
        """The whole answer, where it's there, one text and nothing that anybody has to look at; else nothing, and
        `write` is for it.
        """
        chunks = self._asked.look() if self._asked else ()
        counted: Chunk | None = None
        if len(chunks) == 3:
            text, counted, last = chunks
        elif len(chunks) == 2:
            text, last = chunks
        else:
            return ""
        if type(text) is not TextDelta or text.logprobs or type(last) is not Finish:
            return ""
        if last.reason is not FinishReason.STOP or self.prompt.settings.HasField("tool_choice"):
            return ""
        if counted is not None and type(counted) is not TokenUsage:
            return ""
        self.reason, self._asked = last.reason, None
        self._usages.append(_usage(counted) if counted else None)
        return text.text

    def give_up(self) -> None:
        """Leaves what the model was asked at once."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.give_up()

    async def write(self, take: Take) -> None:
        """Has `take` called with what `chunks` yields, of a model that writes at once; raises as both."""
        model, prompt = cast(WritesAtOnce, self.model), cast("Prompt | None", self.prompt)
        while prompt is not None:
            self._begin_pass()
            asked, self._asked = self._asked, None
            show = partial(self._show, take)
            await (model.write(prompt.told(), show) if asked is None else asked.write(show))
            prompt = self._another(first=prompt is self.prompt)

    def _show(self, take: Take, batch: Sequence[Chunk]) -> Wait | None:
        # A token that comes alone, as nearly all do that come in time.
        if len(batch) != 1 or type(batch[0]) is not TextDelta:
            batch = self._sift(batch)
        return take(batch) if batch else None

    def _another(self, *, first: bool) -> Prompt | None:
        """What the model is told after a pass, the `first` or the second; None where there is nothing to say."""
        self._expect_usable_end()
        if not self._refused or self.reason is not FinishReason.STOP:
            self._expect_wanted_call()
            return None
        if not first or any(call.name not in self.ours for call in self.calls.values()):
            raise _invalid_call(self._refused[0][1])
        self.calls.clear()
        refused, self._refused = self._refused, []
        return told_of(self.prompt, refused, self.offers)

    @property
    def usage(self) -> Usage | None:
        """What all passes cost together; None when one of them went uncounted."""
        if len(self._usages) == 1:
            return self._usages[0]
        total = Usage()
        for usage in self._usages:
            if usage is None:
                return None
            for descriptor in Usage.DESCRIPTOR.fields:
                setattr(total, descriptor.name, getattr(total, descriptor.name) + getattr(usage, descriptor.name))
        return total if self._usages else None

    def add_usage(self, usage: Usage | None) -> None:
        """Counts in what was spent for this turn elsewhere; None where nobody counted."""
        self._usages.append(usage)

    def leave_out(self, items: int) -> None:
        """Notes that the model refused the prompt, and that so many more of its items are left out the next time."""
        self.left_out += items
        self._usages.pop()

    def _begin_pass(self) -> None:
        self.reason = None
        self._hidden.clear()
        self._usages.append(None)

    def _expect_usable_end(self) -> None:
        if self.reason is None:
            raise NodexaError("upstream_protocol_error", "The model's answer broke off without an end.")
        for index, call in list(self.calls.items()):
            if self.reason is FinishReason.STOP and (problem := arguments_problem(call)):
                if call.name not in self.ours:
                    raise _invalid_call(problem)
                self._refuse(index, problem)

    def _sift(self, batch: Sequence[Chunk]) -> Sequence[Chunk]:
        """The chunks of `batch` that may be shown; notes the rest."""
        for chunk in batch:
            if type(chunk) in _NOTED:
                break
        else:
            return batch
        before = set(self.calls)
        shown = [chunk for chunk in batch if type(chunk) not in _NOTED or self._note(chunk)]
        if self.calls and self.reason is FinishReason.STOP:
            for index in self.calls.keys() - before:
                if problem := arguments_problem(self.calls[index]):
                    self._refuse(index, problem)
            shown = [c for c in shown if not (isinstance(c, ToolCallDelta) and c.index in self._hidden)]
        return shown

    def _note(self, chunk: Chunk) -> bool:
        """Takes a chunk down; whether it's shown."""
        if isinstance(chunk, TokenUsage):
            self._usages[-1] = _usage(chunk)
            return False
        if isinstance(chunk, Finish):
            self.reason = chunk.reason
            return False
        if isinstance(chunk, ToolCallDelta):
            return self._note_call(chunk)
        return True

    def _note_call(self, chunk: ToolCallDelta) -> bool:
        if chunk.index in self._hidden:
            self._hidden[chunk.index].pieces.append(chunk.arguments)
            return False
        call = self.calls.get(chunk.index)
        if call is None:
            offer = self.offers.get(chunk.name)
            call = Call(chunk.name, chunk.call_id, custom=offer is not None and offer.custom)
            self.calls[chunk.index] = call
        call.pieces.append(chunk.arguments)
        if call.name not in self.offers:
            self._refuse(chunk.index, f"there is no function {call.name[:64]!r}")
            return False
        return call.name not in self.ours

    def _refuse(self, index: int, problem: str) -> None:
        self._hidden[index] = self.calls.pop(index)
        self._refused.append((self._hidden[index], problem))

    def _expect_wanted_call(self) -> None:
        settings = self.prompt.settings
        if not settings.HasField("tool_choice"):
            return
        choice = settings.tool_choice
        wanted = wanted_name(choice)
        if self.reason is not FinishReason.STOP or not (wanted or mode_of(choice) == ToolChoice.MODE_REQUIRED):
            return
        # Where the server runs tools too, the call may have been one of those, and it saw to it.
        if self.model.abilities.hosted and not wanted:
            return
        if not self.calls or (wanted and any(call.name != wanted for call in self.calls.values())):
            raise _invalid_call(f"tool_choice asked for {wanted or 'a function call'}, and the model did otherwise")


def _offers(settings: ResponseSettings) -> dict[str, Offer]:
    """The tools that may be called, by the names that the model knows them by."""
    if not settings.HasField("tools") or settings.tool_choice.mode == ToolChoice.MODE_NONE:
        return {}
    return {offer.shown.name: offer for offer in offers(settings)}


def _usage(counted: TokenUsage) -> Usage:
    usage = Usage(
        input_tokens=counted.input_tokens,
        output_tokens=counted.output_tokens,
        total_tokens=counted.input_tokens + counted.output_tokens,
    )
    # Most servers say nothing of these.
    if counted.cached_tokens:
        usage.cached_tokens = counted.cached_tokens
    if counted.reasoning_tokens:
        usage.reasoning_tokens = counted.reasoning_tokens
    if counted.cache_write_tokens:
        usage.cache_write_tokens = counted.cache_write_tokens
    return usage


def _invalid_call(problem: str) -> NodexaError:
    return NodexaError("invalid_tool_call", f"The model made a function call that can't be used: {problem}.")
