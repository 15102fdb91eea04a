"""Who tells the story of a response: made when there is something to tell."""

from __future__ import annotations

from dataclasses import dataclass

from nodexa.v1.response_pb2 import Response

from service.ids import NewId
from service.runner.calls import call_ids
from service.runner.emit import Emitter
from service.runner.sealed import WANTED, Sealed
from service.runner.settings_check import LOGPROBS
from service.runner.turn import Turn
from service.seal import Seal


@dataclass(slots=True)
class Teller:
    """Makes the emitter of one response, and the ids in it; so many events of it were `told` already."""

    response: Response
    turn: Turn
    seal: Seal
    org_id: str
    new_id: NewId
    told: int = 0

    def emitter(self) -> Emitter:
        """What tells the rest."""
        prompt = self.turn.prompt
        return Emitter(
            self.response,
            new_id=self.new_id,
            next_sequence=self.told,
            used_call_ids=call_ids(prompt.items),
            offers=self.turn.offers,
            seal=Sealed(self.seal, self.org_id).thinking(wanted=WANTED in prompt.settings.include),
            logprobs=LOGPROBS in prompt.settings.include,
        )
