"""The journal of one response: its calls before they are made, and what came of them, so that none is made twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from service.runner.made_calls import Made, Result
from service.store.steps import Step, StepStore
from service.tools.tool import Outcome, TokenWantedError, ToolError


class StepLog:
    """Writes under the epoch that the run has its log under; without a `store` nothing is kept."""

    def __init__(self, store: StepStore | None, response_id: str, epoch: int) -> None:
        self._store = store
        self._response_id = response_id
        self._epoch = epoch

    async def intend(self, calls: Sequence[Made], place: int) -> None:
        """Notes that the calls are about to be made; `place` is how many items stand before them."""
        if self._store is not None and calls:
            steps = [Step(made.run, place, made.tool.repeatable) for made in calls]
            await self._store.intend(self._response_id, self._epoch, steps)

    async def conclude(self, made: Made, cited: Sequence[Mapping[str, str]]) -> None:
        """Notes what came of a call; `cited` is all that can be cited since."""
        if self._store is not None and made.result is not None:
            outcome = json.dumps({**_kept(made.result), "cited": list(cited)}, ensure_ascii=False)
            await self._store.conclude(self._response_id, self._epoch, made.run, outcome)


def unknown(steps: Sequence[Step]) -> Step | None:
    """A step that may have been done, and must not be done again."""
    return next((step for step in steps if not step.outcome and not step.repeatable), None)


def result_in(step: Step) -> Result | None:
    """What came of a step; None where nobody knows."""
    if not step.outcome:
        return None
    kept = json.loads(step.outcome)
    if "provider" in kept:
        return TokenWantedError(kept["provider"], url=kept["url"])
    if "code" in kept:
        return ToolError(kept["code"], kept["message"], done=kept["done"])
    return Outcome(kept["output"], kept["shown"])


def cited_in(steps: Sequence[Step]) -> list[Mapping[str, str]]:
    """What could be cited after the last of the steps."""
    return max((json.loads(step.outcome)["cited"] for step in steps if step.outcome), key=len, default=[])


def _kept(result: Result) -> Mapping[str, Any]:
    if isinstance(result, Outcome):
        return {"output": result.output, "shown": dict(result.shown)}
    if isinstance(result, ToolError):
        return {"code": result.code, "message": result.message, "done": result.done}
    return {"provider": result.provider, "url": result.url}
