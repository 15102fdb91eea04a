"""Where a response goes on that lost its core between calls of tools: what stands, which calls are open. Pure.

What is whole stays, what was half-written is cut, and the model is asked again behind the last call that is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodexa.v1.item_pb2 import Item, Opaque, ToolRun
from nodexa.v1.response_pb2 import Response
from nodexa.v1.tool_pb2 import FunctionTool

from service.model.past_calls import APPROVAL_REQUEST, TOKEN_WANTED, said_of
from service.runner.calls import call_of
from service.runner.held import Held
from service.store.steps import Step
from service.tools.tool import Call, Errand, Outcome, ToolError

NOWHERE: Final = -1


@dataclass(frozen=True, slots=True)
class Open:
    """A call that isn't over: the place of its item in the output, NOWHERE for none, and its step if there is one."""

    run: ToolRun
    place: int
    step: Step | None
    item: Item | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A response that broke off, and the journal of it."""

    response: Response
    steps: Sequence[Step]

    @property
    def begun(self) -> bool:
        """Whether anything of it stands."""
        return bool(self.response.output or self.steps)

    def open_calls(self) -> list[Open]:
        """The calls that were begun and aren't over, in their order."""
        steps = {step.run.call_id: step for step in self.steps}
        told = {item.run.call_id for item in self.response.output if item.HasField("run")}
        found = [
            Open(item.run, place, steps.get(item.run.call_id), item)
            for place, item in enumerate(self.response.output)
            if item.HasField("run") and item.status == Item.STATUS_IN_PROGRESS
        ]
        untold = [step for step in self.steps if step.run.call_id not in told and not step.outcome]
        return [*found, *(Open(step.run, NOWHERE, step, None) for step in untold)]

    def said(self) -> list[Item]:
        """What the model is told of it: all that is whole, and the calls that are over."""
        told = {item.run.call_id for item in self.response.output if item.HasField("run")}
        untold = [step for step in self.steps if step.run.call_id not in told and step.run.HasField("output")]
        said: list[Item] = []
        for place, item in enumerate(self.response.output):
            said += [_told(step) for step in untold if step.place == place]
            if item.status == Item.STATUS_COMPLETED:
                said.append(item)
        said += [_told(step) for step in untold if step.place >= len(self.response.output)]
        while said and said[-1].HasField("reasoning"):
            said.pop()  # model servers refuse thinking that leads to nothing
        return said

    def waits(self) -> bool:
        """Whether it had come to its end already: somebody else has to act."""
        return any(
            item.status == Item.STATUS_COMPLETED
            and (call_of(item) is not None or item.opaque.type in (APPROVAL_REQUEST, TOKEN_WANTED))
            for item in self.response.output
        )

    def begun_before(self, held: Held) -> bool:
        """Whether a call that was held has been begun."""
        begun = {item.run.call_id for item in self.response.output if item.HasField("run")}
        return held.run.call_id in begun | {step.run.call_id for step in self.steps}


class Gone:
    """In the place of a tool that its source has no more: it still has to be told that the call is over."""

    repeatable = False
    approval = False
    phases: Sequence[str] = ()

    def __init__(self, item: Item | None) -> None:
        said = said_of(item) if item is not None else {}
        self.type = item.opaque.type if item is not None else ""
        self._said = {name: value for name, value in said.items() if name not in ("type", "id", "status")}

    @property
    def shown(self) -> FunctionTool:
        return FunctionTool()

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        """The item as it was begun, with the output where that was known."""
        if isinstance(outcome, Outcome) and self.type == "mcp_call":
            return {**self._said, "output": outcome.output}
        return self._said

    async def run(self, call: Call, errand: Errand) -> Outcome:
        raise ToolError("tool_error", "The tool is not there any more.", done=None)


def _told(step: Step) -> Item:
    return Item(opaque=Opaque(type="mcp_call"), run=step.run)
