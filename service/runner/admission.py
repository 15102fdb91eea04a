"""How a request that can be answered becomes a run: who works, what comes first, what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import CreateResponseRequest

from service.errors import NodexaError
from service.ids import NewId
from service.model.past_calls import without_runs
from service.runner.beginning import response_of, row_of
from service.runner.caller import Caller
from service.runner.compaction import Shortening, shortening_of, shortening_of_all
from service.runner.conversations import Joined
from service.runner.early import EarlyRun
from service.runner.enquiries import Enquiries
from service.runner.history import History
from service.runner.input_check import check_user_tokens, only_words
from service.runner.reading import Read, Reading
from service.runner.redaction import lacks_secrets
from service.runner.redaction import shown as redacted
from service.runner.rounds import Rounds
from service.runner.run import Run
from service.runner.sealed import Sealed, asks_to_compact
from service.runner.settling import Settled
from service.runner.teller import Teller
from service.runner.tooling import Tooling
from service.runner.turn import Turn
from service.runner.unread import UnreadRun
from service.seal import Seal
from service.settings import Clock
from service.store.records import ResponseRow, Segment
from service.store.responses import ResponseStore


@dataclass(frozen=True, slots=True)
class Left:
    """A response as its last core left it: `response` is the fold of `segments`; `epoch` is under which it goes on."""

    row: ResponseRow
    settings: ResponseSettings
    input: Sequence[Item]
    response: Response
    segments: Sequence[Segment]
    epoch: int


class Admission:
    """Turns requests into runs that are ready to begin. `grace` and `retention` are seconds: see Settings.

    `enquiries` are those that no run comes of.
    """

    def __init__(
        self,
        *,
        store: ResponseStore,
        history: History,
        reading: Reading,
        seal: Seal,
        tooling: Tooling,
        clock: Clock,
        new_id: NewId,
        grace: float,
        retention: float,
    ) -> None:
        self._store = store
        self._tooling = tooling
        self._history = history
        self._reading = reading
        self._seal = seal
        self._clock = clock
        self._new_id = new_id
        self._grace = grace
        self._retention = int(retention * 1000)
        self.enquiries = Enquiries(reading=reading, tooling=tooling, seal=seal, clock=clock, new_id=new_id)

    def at_once(
        self, request: CreateResponseRequest, asked: Sequence[Item], caller: Caller, *, streaming: bool
    ) -> Run | None:
        """`admit` where nothing has to be waited for; None where something has, and then nothing was done.

        `asked` is the request's input. Raises NodexaError for some refusals, the rest is for `admit`.
        """
        if request.user_tokens or not only_words(asked):
            return None
        read = self._reading.at_hand(request, asked, caller, streaming=streaming)
        return self._run_of(request, caller, read) if read is not None else None

    async def admit(self, request: CreateResponseRequest, caller: Caller, *, streaming: bool) -> Run:
        """The run of an acceptable request, its input items with ids. Raises NodexaError for every refusal."""
        check_user_tokens(request.user_tokens)
        # Nearly all input is: nothing of what is asked of other items need be asked of it.
        words = only_words(request.input)
        if not words:
            without_runs(request.input)
        only = not words and asks_to_compact(request.input)
        read = await self._reading.read(request, caller, words=words, streaming=streaming, open_end=only)
        settled = read.settled
        if read.joined and not settled.stored:
            raise NodexaError(
                "invalid_request",
                "What is said in a conversation is kept there: leave out store, or set it to true.",
                param="store",
            )
        shortening = await self._shortening(request, caller, read, only=only) if only or settled.compacts else None
        return self._run_of(request, caller, read, shortening)

    def _run_of(
        self, request: CreateResponseRequest, caller: Caller, read: Read, shortening: Shortening | None = None
    ) -> Run:
        settled = read.settled
        turn = Turn(read.model, read.prompt)
        row = row_of(
            request,
            caller,
            id=self._new_id("resp"),
            now=self._clock(),
            retention=self._retention,
            background=settled.background,
        )
        response = response_of(request, row)
        return self._prepare(
            row,
            turn,
            response,
            caller,
            store=self._store if settled.stored else None,
            joined=read.joined,
            shortening=shortening,
            settled=settled,
            rounds=self._tooling.begin(
                read,
                turn,
                response,
                caller,
                seal=self._seal,
                new_id=self._new_id,
                tokens=request.user_tokens,
                stored=settled.stored,
            )
            if read.wanted or read.held
            else None,
        )

    async def readmit(self, left: Left, caller: Caller) -> Run:
        """The run of a response that was accepted before, to begin anew under its own name; its log stays.

        Raises NodexaError where it can't be answered any more.
        """
        if lacks_secrets(left.settings):
            raise NodexaError(
                "server_error", "The response was interrupted, and what its tools log in with isn't kept."
            )
        request = _asked_again(left)
        only = asks_to_compact(request.input)
        words = only_words(request.input)
        read = await self._reading.read(request, caller, words=words, streaming=True, open_end=only)
        shortening = await self._shortening(request, caller, read, only=only)
        turn, store = Turn(read.model, read.prompt), self._store.under(left.epoch)
        if any(item.HasField("compaction") for item in left.response.output):
            # What came before it is in it, and it is part of what was said.
            turn.prompt, shortening = replace(read.prompt, items=()), None
        rounds = await self._tooling.go_on(
            read, turn, left.response, caller, epoch=left.epoch, seal=self._seal, new_id=self._new_id
        )
        return self._prepare(
            left.row,
            turn,
            left.response,
            caller,
            told=left.segments[-1].last + 1,
            store=store,
            joined=read.joined,
            shortening=shortening,
            settled=read.settled,
            rounds=rounds,
        )

    async def _shortening(
        self, request: CreateResponseRequest, caller: Caller, read: Read, *, only: bool
    ) -> Shortening | None:
        """What comes before the model's work, if anything does."""
        if only:
            return shortening_of_all(read.prompt, Sealed(self._seal, caller.org_id))
        if not read.settled.compacts:
            return None
        before = request.previous_response_id
        spent = read.joined.seen.tokens if read.joined else await self._history.tokens(before, caller)
        return await shortening_of(read.model, read.prompt, Sealed(self._seal, caller.org_id), spent=spent)

    def _prepare(
        self,
        row: ResponseRow,
        turn: Turn,
        response: Response,
        caller: Caller,
        *,
        told: int = 0,
        store: ResponseStore | None,
        joined: Joined | None,
        shortening: Shortening | None,
        settled: Settled,
        rounds: Rounds | None,
    ) -> Run:
        kind = Run if joined or shortening or rounds else _kind_of(turn, settled, stored=store is not None)
        return kind(
            row=row,
            # A threshold that comes to nothing is only noted now.
            settings=redacted(turn.prompt.settings).SerializeToString() if settled.compacts else settled.shown,
            turn=turn,
            teller=Teller(response, turn, self._seal, caller.org_id, self._new_id, told),
            store=store,
            clock=self._clock,
            patience=None if settled.background else self._grace if store else 0.0,
            joined=joined,
            shortening=shortening,
            rounds=rounds,
        )


def _kind_of(turn: Turn, settled: Settled, *, stored: bool) -> type[Run]:
    """What runs a turn that is all of its response."""
    if not turn.prompt.streaming and turn.model.abilities.at_once and not settled.may_come_again:
        return UnreadRun
    return EarlyRun if stored and not settled.background else Run


def _asked_again(left: Left) -> CreateResponseRequest:
    """The request that such a response came of, but for what isn't kept."""
    request = CreateResponseRequest(
        assistant_id=left.row.assistant_id,
        input=left.input,
        previous_response_id=left.row.previous_response_id,
        conversation_id=left.response.conversation_id,
        settings=left.settings,
    )
    if left.settings.own_tools:
        # What was kept of them is what may be shown.
        request.settings.ClearField("tools")
    return request
