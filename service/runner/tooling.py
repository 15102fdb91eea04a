"""What a response needs whose tools the platform runs, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CountInputTokensRequest

from service.errors import NodexaError
from service.ids import NewId
from service.model.model import Prompt
from service.runner.bench import laid_out
from service.runner.caller import Caller
from service.runner.hands import Caps, Hands
from service.runner.reading import Read
from service.runner.resuming import Broken
from service.runner.rounds import Rounds
from service.runner.sealed import Sealed
from service.runner.step_log import StepLog
from service.runner.turn import Turn
from service.seal import Seal
from service.store.steps import StepStore
from service.tools.tool import Errand, UserTokens
from service.tools.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Tooling:
    """The tools of this core, and the journal of what they do."""

    toolbox: Toolbox
    steps: StepStore
    caps: Caps = field(default_factory=Caps)

    def begin(
        self,
        read: Read,
        turn: Turn,
        response: Response,
        caller: Caller,
        *,
        seal: Seal,
        new_id: NewId,
        tokens: Mapping[str, str],
        stored: bool,
    ) -> Rounds | None:
        """What runs the tools of a new response; None where there is nothing for it to do."""
        if not (read.wanted or read.held):
            return None
        steps = StepLog(self.steps if stored else None, response.id, 0)
        errand = _errand(read, response, caller, tokens)
        return Rounds(
            turn,
            read=read,
            hands=Hands(errand=errand, response=response, steps=steps, caps=self.caps),
            sealed=Sealed(seal, caller.org_id),
            new_id=new_id,
        )

    async def first_prompt(self, read: Read, request: CountInputTokensRequest, caller: Caller) -> Prompt:
        """The prompt with the functions that its tools come to; nothing is called.

        Raises NodexaError `tokens_not_countable` where a server lists its tools only with a token of the user, and as
        `laid_out` and `Bench.offered`.
        """
        if not read.wanted:
            return read.prompt
        errand = Errand(caller.org_id, request.assistant_id, caller.user_id, "", UserTokens(request.user_tokens))
        async with laid_out(read.wanted, errand) as bench:
            if bench.missing:
                raise NodexaError(
                    "tokens_not_countable",
                    f"Some tools are only known with a token of {bench.missing[0].provider!r}: send it along.",
                    param="x-user-tokens",
                )
            return replace(read.prompt, settings=bench.offered(read.prompt.settings))

    async def go_on(
        self, read: Read, turn: Turn, response: Response, caller: Caller, *, epoch: int, seal: Seal, new_id: NewId
    ) -> Rounds | None:
        """The same for one that lost its core. No token of its user was kept."""
        broken = Broken(response, await self.steps.of(response.id))
        if not (read.wanted or read.held or broken.begun):
            return None
        errand = _errand(read, response, caller, {})
        steps = StepLog(self.steps, response.id, epoch)
        return Rounds(
            turn,
            read=read,
            hands=Hands(errand=errand, response=response, steps=steps, caps=self.caps),
            sealed=Sealed(seal, caller.org_id),
            new_id=new_id,
            broken=broken,
        )


def _errand(read: Read, response: Response, caller: Caller, tokens: Mapping[str, str]) -> Errand:
    return Errand(
        caller.org_id,
        response.assistant_id,
        caller.user_id,
        response.id,
        UserTokens(tokens),
        # What was approved of was a tool as it was described.
        anew=any(held.approval for held in read.held),
    )
