"""A response whose tools the platform runs: rounds of one turn over a prompt that grows by calls and their outputs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from nodexa.v1.item_pb2 import Item, ToolRun
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.tool_pb2 import ToolChoice

from service.ids import NewId
from service.model.model import Chunk, FinishReason, PassEnd, Status
from service.model.past_calls import pair, said_of, told
from service.runner.bench import Bench, laid_out
from service.runner.cited import with_citations
from service.runner.held import Held
from service.runner.made_calls import Made, Result, listing, result_of, token_item
from service.runner.sealed import Sealed
from service.runner.truncation import fitted
from service.runner.turn import Turn
from service.tools.tool import CALL_SECONDS, Call, Errand, Outcome, TokenWantedError, ToolError
from service.tools.toolbox import Wanted

FIRST_INDEX: Final = 1_000_000
"""The first OutputItem of the platform's; models count theirs from zero."""
_GONE: Final = "This tool is not there any more, so the call was not made."
_FORCED: Final = ("function", "custom", "opaque")


@dataclass(frozen=True, slots=True)
class Caps:
    """What one response may do: passes that call tools, seconds in all and a call, bytes of output."""

    rounds: int = 16
    seconds: float = 900.0
    call_seconds: float = CALL_SECONDS
    output_bytes: int = 2 * 1024 * 1024


class Rounds:
    """Lets the model work until it calls nothing of the platform's any more.

    After `chunks` is exhausted, `waits` says whether somebody has to act before it can go on, and `cut` which cap ended
    it, in the word of incomplete_details. `response` is what is told so far, and `sealed` opens the thinking in it;
    `shown_before` are items of earlier turns, which need not be shown again.
    """

    def __init__(
        self,
        turn: Turn,
        *,
        wanted: Sequence[Wanted],
        held: Sequence[Held],
        errand: Errand,
        response: Response,
        shown_before: Sequence[Item],
        sealed: Sealed,
        new_id: NewId,
        caps: Caps,
    ) -> None:
        self.waits = False
        self.cut = ""
        self._turn = turn
        self._wanted = wanted
        self._held = held
        self._errand = errand
        self._response = response
        self._sealed = sealed
        self._new_id = new_id
        self._caps = caps
        self._left = turn.prompt.settings.max_tool_calls if turn.prompt.settings.HasField("max_tool_calls") else None
        self._next_index = FIRST_INDEX
        self._bytes = 0
        self._listed_before = [_as_listed(each) for each in shown_before if each.opaque.type == "mcp_list_tools"]

    async def chunks(self) -> AsyncGenerator[Sequence[Chunk], None]:
        """What the response shows, batch by batch. Raises NodexaError as `fitted` does, and as Bench.offered."""
        deadline = asyncio.get_running_loop().time() + self._caps.seconds
        yield [Status("loading_tools")]
        async with laid_out(self._wanted, self._errand) as bench:
            settings = bench.offered(self._turn.prompt.settings)
            if listed := self._listed(bench):
                yield listed
            if bench.missing:
                yield [token_item(self._index(), missing, {}) for missing in bench.missing]
                self._turn.reason, self.waits = FinishReason.STOP, True
                return
            self._turn.ours = bench.tools.keys()
            self._turn.go_on(replace(self._turn.prompt, settings=settings))
            for work in (self._let_go, self._rounds):
                if self.waits:
                    return
                async with aclosing(work(bench, deadline)) as batches:
                    async for batch in batches:
                        yield batch

    async def _let_go(self, bench: Bench, deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        """Makes the calls that were held, before the model is asked."""
        calls: list[Made] = []
        for held in self._held:
            if held.run.name not in bench.tools:
                gone = ToolRun(call_id=held.run.call_id, name=held.run.name, arguments=held.run.arguments, output=_GONE)
                self._grow((), [gone])
                continue
            made = self._made(bench, held.run.name, held.run.arguments, held.run.call_id)
            # A tool that says another thing of itself now is not what somebody approved of: they are asked again.
            made.cleared = not held.approval or held.run.definition in ("", made.definition)
            made.approval = held.approval
            calls.append(made)
        async with aclosing(self._run(calls, deadline)) as batches:
            async for batch in batches:
                yield batch
        if asked := self._asked(calls):
            yield asked
            self._turn.reason, self.waits = FinishReason.STOP, True
        self._grow((), [made.run for made in calls])

    async def _rounds(self, bench: Bench, deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        turn, loop = self._turn, asyncio.get_running_loop()
        for number in range(self._caps.rounds + 1):
            before = len(self._response.output)
            async with aclosing(with_citations(fitted(turn), self._errand.cited)) as batches:
                async for batch in batches:
                    yield batch
            made = self._called(bench) if turn.reason is FinishReason.STOP else []
            self.waits = turn.reason is FinishReason.STOP and len(turn.calls) > len(made)
            if not made:
                return
            if number == self._caps.rounds:
                self.cut = "max_tool_rounds"
                return
            yield [PassEnd()]
            said = self._response.output[before:]
            async with aclosing(self._run(self._allowed(made), deadline)) as batches:
                async for batch in batches:
                    yield batch
            if held := self._asked(made):
                yield held
                self.waits = True
            if not self.cut and loop.time() >= deadline:
                self.cut = "max_tool_seconds"
            if self.waits or self.cut:
                return
            self._grow(said, [each.run for each in made])
            self._turn.go_on(replace(turn.prompt, settings=_unforced(turn.prompt.settings)))

    def _called(self, bench: Bench) -> list[Made]:
        """The calls of the pass that are the platform's, in the model's order."""
        calls = [call for _, call in sorted(self._turn.calls.items()) if call.name in bench.tools]
        return [self._made(bench, call.name, call.arguments, self._new_id("call")) for call in calls]

    def _made(self, bench: Bench, name: str, arguments: str, call_id: str) -> Made:
        call = Call(name, arguments or "{}", json.loads(arguments or "{}"), f"{self._response.id}/{call_id}")
        return Made(bench.tools[name], call, call_id, self._index())

    async def _run(self, calls: Sequence[Made], deadline: float) -> AsyncGenerator[Sequence[Chunk], None]:
        """Makes the calls that need no approval, side by side."""
        calls = [made for made in calls if not made.waits_for_approval]
        if begun := [chunk for made in calls for chunk in made.begun()]:
            yield begun
        seconds = min(self._caps.call_seconds, max(deadline - asyncio.get_running_loop().time(), 0.0))
        tasks = {asyncio.create_task(result_of(made, self._errand, seconds=seconds)): made for made in calls}
        include = self._turn.prompt.settings.include
        waiting = set(tasks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                told: list[Chunk] = []
                for task in (task for task in tasks if task in done):
                    tasks[task].result = self._within_bounds(task.result())
                    told += tasks[task].ended(include)
                if told:
                    yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _asked(self, calls: Sequence[Made]) -> list[Chunk]:
        """The items for what keeps calls from being made; tokens come last, since not every client is shown them."""
        held: list[Chunk] = []
        for made in calls:
            if made.waits_for_approval:
                made.index = self._index()
                held.append(made.approval_asked())
        for made in calls:
            if isinstance(made.result, TokenWantedError):
                made.index = self._index()
                held.append(made.token_asked(made.result))
        return held

    def _within_bounds(self, result: Result) -> Result:
        """The result, or that there is no room for it: a response has to stay small enough to be sent."""
        if isinstance(result, Outcome):
            self._bytes += len(result.output.encode())
            if self._bytes > self._caps.output_bytes:
                message = "The tools of this response have answered with too much already: go on with what is there."
                return ToolError("tool_response_too_large", message)
        return result

    def _allowed(self, calls: Sequence[Made]) -> Sequence[Made]:
        """As many of the calls as the request still allows."""
        if self._left is None:
            return calls
        allowed = calls[: self._left]
        self._left -= len(allowed)
        if len(allowed) < len(calls):
            self.cut = "max_tool_calls"
        return allowed

    def _grow(self, said: Sequence[Item], calls: Sequence[ToolRun]) -> None:
        """Puts what was said and called behind the prompt."""
        opened, *_ = self._sealed.opened(said, (), before="input")
        items = [*self._turn.prompt.items, *told(opened)[0], *(each for run in calls for each in pair(run))]
        self._turn.go_on(replace(self._turn.prompt, items=items))

    def _listed(self, bench: Bench) -> list[Chunk]:
        """The items that the sources have to show, apart from those that an earlier turn showed."""
        return [
            chunk for each in bench.items if each not in self._listed_before for chunk in listing(self._index(), each)
        ]

    def _index(self) -> int:
        self._next_index += 1
        return self._next_index


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
