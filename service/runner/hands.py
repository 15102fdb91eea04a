"""Makes calls of tools side by side, each noted in the journal before and after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from nodexa.v1.item_pb2 import ToolRun
from nodexa.v1.response_pb2 import Response

from service.model.chunk import Chunk
from service.runner.made_calls import Made, Result, result_of
from service.runner.step_log import StepLog
from service.tools.tool import CALL_SECONDS, Call, Errand, Outcome, TokenWantedError, Tool, ToolError

FIRST_INDEX: Final = 1_000_000
"""The first OutputItem of the platform's; models count theirs from zero."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What one response may do: passes that call tools, seconds in all and a call, bytes of output."""

    rounds: int = 16
    seconds: float = 900.0
    call_seconds: float = CALL_SECONDS
    output_bytes: int = 2 * 1024 * 1024


class Hands:
    """Those of one response."""

    def __init__(self, *, errand: Errand, response: Response, steps: StepLog, caps: Caps) -> None:
        self.errand = errand
        self.response = response
        self._steps = steps
        self.caps = caps
        self._last_index = FIRST_INDEX
        self._bytes = 0

    def index(self) -> int:
        """A number for the next OutputItem."""
        self._last_index += 1
        return self._last_index

    def take_up(self, tool: Tool, run: ToolRun, *, index: int = 0, cleared: bool = False, approval: str = "") -> Made:
        """A call to be made; `index` is the number of its item where that was begun before."""
        arguments = run.arguments or "{}"
        call = Call(run.name, arguments, json.loads(arguments), f"{self.response.id}/{run.call_id}")
        begun = bool(index)
        return Made(tool, call, run.call_id, index or self.index(), begun=begun, cleared=cleared, approval=approval)

    async def make(
        self, calls: Sequence[Made], *, include: Collection[str], deadline: float
    ) -> AsyncGenerator[Sequence[Chunk], None]:
        """Makes those that need no approval, and tells of them; `deadline` is a time of the event loop.

        Raises as the store does. Where it's closed before its end, the calls end at once.
        """
        calls = [made for made in calls if not made.waits_for_approval]
        if begun := [chunk for made in calls for chunk in made.beginning()]:
            yield begun
        if known := [chunk for made in calls if made.result is not None for chunk in made.ending(include)]:
            yield known
        calls = [made for made in calls if made.result is None]
        await self._steps.intend(calls, len(self.response.output))
        seconds = min(self.caps.call_seconds, max(deadline - asyncio.get_running_loop().time(), 0.0))
        tasks = {asyncio.create_task(self._make(made, seconds)): made for made in calls}
        waiting = set(tasks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                told: list[Chunk] = []
                for task in (task for task in tasks if task in done):
                    task.result()
                    told += tasks[task].ending(include)
                if told:
                    yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def asked(self, calls: Sequence[Made]) -> list[Chunk]:
        """The items for what keeps calls from being made; tokens come last, since not every client is shown them."""
        held: list[Chunk] = []
        for made in calls:
            if made.waits_for_approval:
                made.index = self.index()
                held.append(made.approval_asked())
        for made in calls:
            if isinstance(made.result, TokenWantedError):
                made.index = self.index()
                held.append(made.token_asked(made.result))
        return held

    async def _make(self, made: Made, seconds: float) -> None:
        made.result = self._within_bounds(await result_of(made, self.errand, seconds=seconds))
        await self._steps.conclude(made, self.errand.cited)

    def _within_bounds(self, result: Result) -> Result:
        """The result, or that there is no room for it: a response has to stay small enough to be sent."""
        if isinstance(result, Outcome):
            self._bytes += len(result.output.encode())
            if self._bytes > self.caps.output_bytes:
                message = "The tools of this response have answered with too much already: go on with what is there."
                return ToolError("tool_response_too_large", message)
        return result
