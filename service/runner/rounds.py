"""A response whose tools the platform runs: rounds of one turn over a prompt that grows by calls and their outputs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from nodexa.v1.item_pb2 import Item, ToolRun
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import ToolChoice

from service.ids import NewId
from service.model.chunk import Chunk, FinishReason, PassEnd, Status
from service.model.past_calls import pair, said_of, told
from service.runner.bench import Bench, laid_out
from service.runner.budget import Budget
from service.runner.cited import with_citations
from service.runner.hands import Hands
from service.runner.made_calls import Made, listing, token_item
from service.runner.reading import Read
from service.runner.resuming import Broken, Gone
from service.runner.sealed import Sealed
from service.runner.step_log import cited_in, result_in
from service.runner.truncation import fitted
from service.runner.turn import Turn

_GONE: Final = "This tool is not there any more, so the call was not made."
_FORCED: Final = ("function", "custom", "opaque")


class Rounds:
    """Lets the model work until it calls nothing of the platform's any more.

    After `chunks` is exhausted, `waits` says whether somebody has to act before it can go on, and `cut` which cap ended
    it, in the word of incomplete_details. `read` is what the request came to, and `sealed` opens the thinking in it and
    in what is told. With `broken` it goes on with a response that lost its core; `adopted` are then the numbers of the
    items that are still open, with their places.
    """

    def __init__(
        self,
        turn: Turn,
        *,
        read: Read,
        hands: Hands,
        sealed: Sealed,
        new_id: NewId,
        broken: Broken | None = None,
    ) -> None:
        self.waits = False
        self.cut = ""
        self._turn = turn
        self._wanted = read.wanted
        self._held = [each for each in read.held if broken is None or not broken.begun_before(each)]
        self._approvals = {each.run.call_id: each.approval for each in read.held}
        self._errand = hands.errand
        self._response = hands.response
        shown = (*read.past.said, *read.asked, *hands.response.output)
        self._listed_before = [_as_listed(each) for each in shown if _is_list(each)]
        self._sealed = sealed
        self._new_id = new_id
        self._caps = hands.caps
        self._broken = broken
        self._hands = hands
        settings = turn.prompt.settings
        self._left = settings.max_tool_calls if settings.HasField("max_tool_calls") else None
        self._open = [(self._hands.index(), each) for each in broken.open_calls()] if broken else []

    @property
    def adopted(self) -> Mapping[int, int]:
        """The numbers of items that the log left open and that are gone on with, and their places in the output."""
        return {index: each.place for index, each in self._open if each.item is not None}

    async def chunks(self) -> AsyncGenerator[Sequence[Chunk], None]:
        """What the response shows, batch by batch. Raises NodexaError as `fitted` does, and as Bench.offered."""
        if self._broken and self._broken.waits():
            self._stop_and_wait()
            return
        deadline = asyncio.get_running_loop().time() + self._caps.seconds
        yield [Status("loading_tools")]
        async with laid_out(self._wanted, self._errand) as bench:
            settings = bench.offered(self._turn.prompt.settings)
            if listed := self._listed(bench):
                yield listed
            if bench.missing:
                yield [token_item(self._hands.index(), missing, {}) for missing in bench.missing]
                self._stop_and_wait()
                return
            self._turn.ours = bench.tools.keys()
            self._turn.go_on(replace(self._turn.prompt, settings=settings))
            for work in (self._go_on_with, self._let_go, self._rounds):
                async with aclosing(work(bench, deadline)) as batches:
                    async for batch in batches:
                        yield batch
                if self.waits:
                    return

    async def _go_on_with(self, bench: Bench, deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        """Takes up what another core left, and ends the calls that were under way."""
        if self._broken is None:
            return
        self._errand.cited[:] = cited_in(self._broken.steps)
        if self._left is not None:
            self._left = max(self._left - len(self._broken.steps), 0)
        calls: list[Made] = []
        for index, left in self._open:
            tool = bench.tools.get(left.run.name) or Gone(left.item)
            approval = self._approvals.get(left.run.call_id, "")
            made = self._hands.take_up(tool, left.run, index=index, cleared=True, approval=approval)
            made.result = result_in(left.step) if left.step else None
            calls.append(made)
        self._grow(self._broken.said(), [])
        async with aclosing(self._make(calls, deadline)) as batches:
            async for batch in batches:
                yield batch
        if self._broken.steps:
            self._turn.go_on(replace(self._turn.prompt, settings=_unforced(self._turn.prompt.settings)))

    async def _let_go(self, bench: Bench, deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        """Makes the calls that were held, before the model is asked."""
        calls: list[Made] = []
        for held in self._held:
            tool = bench.tools.get(held.run.name)
            if tool is None:
                gone = ToolRun(call_id=held.run.call_id, name=held.run.name, arguments=held.run.arguments, output=_GONE)
                self._grow((), [gone])
            else:
                made = self._hands.take_up(tool, held.run, approval=held.approval)
                # A tool that says another thing of itself now is not what somebody approved of: they are asked again.
                made.cleared = not held.approval or held.run.definition in ("", made.definition)
                calls.append(made)
        async with aclosing(self._make(calls, deadline)) as batches:
            async for batch in batches:
                yield batch

    async def _rounds(self, bench: Bench, deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        turn, loop, budget = self._turn, asyncio.get_running_loop(), Budget(self._turn)
        for number in range(self._caps.rounds + 1):
            before = len(self._response.output)
            async with aclosing(with_citations(fitted(turn), self._errand.cited)) as batches:
                async for batch in batches:
                    yield batch
            made = self._called(bench) if turn.reason is FinishReason.STOP else []
            clients = turn.reason is FinishReason.STOP and len(turn.calls) > len(made)
            self.waits = clients
            if not made:
                return
            if number == self._caps.rounds:
                self.cut = "max_tool_rounds"
                return
            yield [PassEnd()]
            self._grow(self._response.output[before:], [])
            async with aclosing(self._make(made, deadline)) as batches:
                async for batch in batches:
                    yield batch
            self.waits = self.waits or clients
            if not self.cut and loop.time() >= deadline:
                self.cut = "max_tool_seconds"
            if not self.cut and budget.left == 0:
                self.cut = "max_output_tokens"
            if self.waits or self.cut:
                return
            turn.go_on(replace(turn.prompt, settings=budget.within(_unforced(turn.prompt.settings))))

    async def _make(self, calls: Sequence[Made], deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        """Makes the calls that may be made, asks for what the others wait for, and tells the model of them."""
        include = self._turn.prompt.settings.include
        async with aclosing(self._hands.make(self._allowed(calls), include=include, deadline=deadline)) as batches:
            async for batch in batches:
                yield batch
        if asked := self._hands.asked(calls):
            yield asked
            self._stop_and_wait()
        self._grow((), [made.run for made in calls])

    def _called(self, bench: Bench) -> list[Made]:
        """The calls of the pass that are the platform's, in the model's order."""
        calls = [call for _, call in sorted(self._turn.calls.items()) if call.name in bench.tools]
        runs = [ToolRun(call_id=self._new_id("call"), name=call.name, arguments=call.arguments) for call in calls]
        return [self._hands.take_up(bench.tools[run.name], run) for run in runs]

    def _allowed(self, calls: Sequence[Made]) -> Sequence[Made]:
        """As many of the calls as the request still allows; what was begun before is counted already."""
        new = [made for made in calls if not made.begun]
        if self._left is None or len(new) <= self._left:
            self._left = self._left and self._left - len(new)
            return calls
        allowed = [made for made in calls if made.begun] + new[: self._left]
        self._left, self.cut = 0, "max_tool_calls"
        return allowed

    def _grow(self, said: Sequence[Item], calls: Sequence[ToolRun]) -> None:
        """Puts what was said and called behind the prompt."""
        opened, *_ = self._sealed.opened(said, (), before="input")
        items = [*self._turn.prompt.items, *told(opened)[0], *(each for run in calls for each in pair(run))]
        self._turn.go_on(replace(self._turn.prompt, items=items))

    def _stop_and_wait(self) -> None:
        self._turn.reason, self.waits = FinishReason.STOP, True

    def _listed(self, bench: Bench) -> list[Chunk]:
        """The items that the sources have to show, apart from those that were shown before."""
        new = [each for each in bench.items if each not in self._listed_before]
        return [chunk for each in new for chunk in listing(self._hands.index(), each)]


def _is_list(item: Item) -> bool:
    return item.opaque.type == "mcp_list_tools"


def _as_listed(item: Item) -> dict[str, object]:
    """What an item says, as a source would say it."""
    return {name: value for name, value in said_of(item).items() if name != "id"}


def _unforced(settings: ResponseSettings) -> ResponseSettings:
    """The settings of a later pass: who had to call something has done so."""
    free = ResponseSettings()
    free.CopyFrom(settings)
    choice = free.tool_choice
    if choice.WhichOneof("kind") in _FORCED or choice.mode == ToolChoice.MODE_REQUIRED:
        choice.Clear()
    elif choice.HasField("allowed_tools"):
        choice.allowed_tools.mode = ToolChoice.MODE_AUTO
    return free
