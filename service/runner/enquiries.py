"""What is asked for besides responses: how many tokens a prompt has, and a conversation made short."""

from __future__ import annotations

from nodexa.v1.response_service_pb2 import (
    CompactedConversation,
    CompactResponseRequest,
    CountInputTokensRequest,
    CountInputTokensResponse,
    CreateResponseRequest,
)

from service.errors import NodexaError
from service.ids import NewId
from service.model.past_calls import without_runs
from service.runner.caller import Caller
from service.runner.compaction import shortening_of_all
from service.runner.input_check import check_user_tokens, only_words, with_ids
from service.runner.reading import Reading
from service.runner.sealed import Sealed
from service.runner.tooling import Tooling
from service.runner.turn import Turn
from service.seal import Seal
from service.settings import Clock


class Enquiries:
    """Answers them; nothing of it is kept."""

    def __init__(self, *, reading: Reading, tooling: Tooling, seal: Seal, clock: Clock, new_id: NewId) -> None:
        self._reading = reading
        self._tooling = tooling
        self._seal = seal
        self._clock = clock
        self._new_id = new_id

    async def count(self, request: CountInputTokensRequest, caller: Caller) -> CountInputTokensResponse:
        """The tokens of all that the model would be told first.

        Raises NodexaError for every refusal, `tokens_not_countable` where the model can't tell.
        """
        check_user_tokens(request.user_tokens)
        without_runs(request.input)
        read = await self._reading.read(request, caller, words=only_words(request.input), streaming=False)
        prompt = await self._tooling.first_prompt(read, request, caller)
        tokens = await read.model.count(prompt.told())
        if tokens is None:
            raise NodexaError(
                "tokens_not_countable",
                "The server of the assistant's model has no way to count tokens beforehand; the usage of a response "
                "tells them.",
                param="model",
            )
        return CountInputTokensResponse(input_tokens=tokens, ignored=prompt.settings.ignored)

    async def compact(self, request: CompactResponseRequest, caller: Caller) -> CompactedConversation:
        """The conversation made short. Raises NodexaError for every refusal, and as models do."""
        without_runs(request.input)
        asked = CreateResponseRequest(
            assistant_id=request.assistant_id,
            input=request.input,
            previous_response_id=request.previous_response_id,
            settings=request.settings,
        )
        words = only_words(asked.input)
        read = await self._reading.read(asked, caller, words=words, streaming=False, open_end=True)
        turn = Turn(read.model, read.prompt)
        item = await shortening_of_all(read.prompt, Sealed(self._seal, caller.org_id)).item(turn)
        compacted = CompactedConversation(
            id=self._new_id("resp"),
            output=with_ids([item], self._new_id),
            usage=turn.usage,
            ignored=read.prompt.settings.ignored,
        )
        compacted.create_time.FromMilliseconds(self._clock())
        return compacted
