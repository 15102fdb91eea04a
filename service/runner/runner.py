"""The life of every response: start, watch, read, cancel, delete. Transports only call this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import (
    CompactedConversation,
    CompactResponseRequest,
    CreateResponseRequest,
)

from service.errors import NodexaError
from service.runner.admission import Admission, Left
from service.runner.caller import Caller
from service.runner.ending import Stop
from service.runner.fields import serialized
from service.runner.fold import fold
from service.runner.history import History
from service.runner.kept import FROM_THE_START, Kept, not_found, with_settings
from service.runner.limits import FREE, Limiter, Permit
from service.runner.live import LiveRuns
from service.runner.log import events_of
from service.runner.once import expect_same, named, told_again
from service.runner.run import Run
from service.runner.telling import Telling, Told
from service.store.ownership import Orphan
from service.store.records import Segment
from service.store.requests import Earlier, Named, RequestStore, TwiceError
from service.store.responses import ResponseStore


class Runner:
    """Owns the runs of this process. `drain` is how many seconds they get to end by themselves when it is closed.

    What needs no run of its own is asked of `kept`, `telling` and `enquiries`.
    """

    def __init__(
        self,
        *,
        store: ResponseStore,
        requests: RequestStore,
        admission: Admission,
        history: History,
        limiter: Limiter,
        drain: float,
    ) -> None:
        self.kept = Kept(store)
        self.telling = Telling(store, self.kept)
        self.live = LiveRuns(history)
        self._store = store
        self._requests = requests
        self.enquiries = admission.enquiries
        self._admission = admission
        self._history = history
        self._limiter = limiter
        self._drain = drain
        self._draining = False

    async def start(self, request: CreateResponseRequest, caller: Caller, *, streaming: bool) -> Run | Earlier:
        """Accepts a request: the response is in the log and the model at work. Raises NodexaError for every refusal.

        `streaming` says whether somebody reads before the end. A request with the id of an earlier one leads to that.
        """
        name = named(request, caller)
        if name is not None and (earlier := await self._earlier(name)):
            return earlier
        self._expect_open()
        with self._limiter.enter(caller) as permit:
            run = await self._admission.admit(request, caller, streaming=streaming)
            try:
                await self._launch(run, serialized(request.input), name, permit)
            except TwiceError:
                if name is not None and (earlier := await self._earlier(name)):
                    return earlier
                message = "The response of the same request was just deleted; try again."
                raise NodexaError("storage_unavailable", message, retry_after=1) from None
        return run

    def start_at_once(self, request: CreateResponseRequest, caller: Caller, *, streaming: bool) -> Run | None:
        """`start` where nothing has to be waited for; None where something has, and then nothing was done.

        Raises NodexaError for some refusals, the rest is for `start`.
        """
        if request.request_id or self._draining or caller.limited:
            return None
        # Taken once: each look at an item of a message makes an object for it.
        items = request.input[:]
        run = self._admission.at_once(request, items, caller, streaming=streaming)
        if run is None:
            return None
        asked = serialized(items)
        if not run.begin_at_once(asked):
            return None
        self.live.put(run)
        self.live.mind(run, asked, FREE)
        return run

    async def _earlier(self, name: Named) -> Earlier | None:
        earlier = await self._requests.earlier(name)
        if earlier is not None:
            expect_same(name, earlier)
        return earlier

    async def again(self, response_id: str, caller: Caller) -> Response:
        """What the earlier call was or will be answered with, an error as it was."""
        run = self._running(response_id, caller)
        stored = await self.kept.stored(response_id, caller)
        if stored.row.background:
            return await self.get(response_id, caller)
        if run is not None:
            return Response.FromString(await self.telling.result(run))
        return told_again(await self.kept.concluded(caller.org_id, response_id))

    def watch(self, response_id: str, caller: Caller, *, after: int = FROM_THE_START) -> AsyncGenerator[Told, None]:
        """Serialized EventBatches of the events after number `after`, to the terminal one; the first has the settings.

        In place of those of a run that is here comes the flow of them. Raises NodexaError `response_not_found`,
        `events_expired`.
        """
        run = self._running(response_id, caller)
        if run is not None and caller.may_resume(run.row.key_id):
            return self.telling.follow(run, after=after)
        return self.telling.kept(response_id, caller, after=after)

    async def get(self, response_id: str, caller: Caller) -> Response:
        """The response as it stands. Raises NodexaError `response_not_found`."""
        run = self._running(response_id, caller)
        if run is not None:
            return with_settings(fold(events_of(run.log.segments)), ResponseSettings.FromString(run.settings))
        return await self.kept.read(await self.kept.stored(response_id, caller))

    async def cancel(self, response_id: str, caller: Caller) -> Response:
        """Stops a running response; a final one stays as it is. Returns it. Raises NodexaError `response_not_found`."""
        run = self._running(response_id, caller)
        if run is not None:
            run.stop(Stop.CANCELLED)
            await run.wait()
            return await self.get(response_id, caller)
        stored = await self.kept.stored(response_id, caller)
        if stored.result is None:
            await self._store.ask_to_cancel(caller.org_id, response_id)
            return await self.kept.concluded(caller.org_id, response_id)
        return with_settings(stored.result, stored.settings)

    async def cancel_all_of(self, caller: Caller) -> None:
        """Stops all that runs here for the caller's user, also what nothing stores."""
        runs = [run for run in self.live if (run.row.org_id, run.row.user_id) == (caller.org_id, caller.user_id)]
        for run in runs:
            run.stop(Stop.CANCELLED)
        await asyncio.gather(*(run.wait() for run in runs))

    def forget(self, response_ids: Iterable[str]) -> None:
        """Drops what is at hand of deleted responses."""
        for response_id in response_ids:
            self._history.forget(response_id)

    async def revive(self, orphan: Orphan, epoch: int, response: Response, segments: Sequence[Segment]) -> None:
        """Lets a response of a lost core begin anew. Raises NodexaError where it can't be answered any more."""
        stored = await self._store.get(orphan.org_id, orphan.response_id)
        turns = await self._store.history(orphan.org_id, orphan.response_id, limit=1)
        if stored is None or not turns:
            raise not_found(orphan.response_id)
        row = stored.row
        left = Left(row, stored.settings, turns[0].input.items, response, segments, epoch)
        caller = Caller(row.org_id, row.key_id, user_id=row.user_id)
        with await self._limiter.resume(caller) as permit:
            run = await self._admission.readmit(left, caller)
            self.live.stop([row.id], Stop.INTERRUPTED)  # an earlier life of it, which another core had taken from here
            self.live.put(run)
            run.revive(segments)
            permit.keep()
            self.live.mind(run, turns[0].input.SerializeToString(), permit)

    async def delete(self, response_id: str, caller: Caller) -> None:
        """Forgets a response, a running one after cancelling it. Raises NodexaError `response_not_found`."""
        run = self._running(response_id, caller)
        if run is not None:
            run.stop(Stop.CANCELLED)
            await run.wait()
        await self.kept.stored(response_id, caller)
        await self._store.delete(caller.org_id, response_id)
        self._history.forget(response_id)

    async def compact(self, request: CompactResponseRequest, caller: Caller) -> CompactedConversation:
        """The conversation of a request, made short by the assistant's model; nothing of it is kept here.

        Raises NodexaError for every refusal, and what the model raises.
        """
        self._expect_open()
        with self._limiter.enter(caller) as permit:
            compacted = await self.enquiries.compact(request, caller)
            permit.leave(compacted.usage)
        return compacted

    async def close(self) -> None:
        """Takes nothing new, gives what runs its time to end, and then ends it as interrupted."""
        self._draining = True
        deadline = asyncio.get_running_loop().time() + self._drain
        while self.live:
            if asyncio.get_running_loop().time() >= deadline:
                for run in self.live:
                    run.stop(Stop.INTERRUPTED)
            await asyncio.sleep(0.02)

    def _expect_open(self) -> None:
        if self._draining:
            raise NodexaError("server_draining", "The server is being stopped; try again.", retry_after=1)

    async def _launch(self, run: Run, asked: bytes, name: Named | None, permit: Permit) -> None:
        self.live.put(run)
        try:
            await run.begin(asked, name)
        finally:
            if run.begun:
                permit.keep()
                self.live.mind(run, asked, permit)
            else:
                self.live.drop(run)

    def _running(self, response_id: str, caller: Caller) -> Run | None:
        run = self.live.find(response_id)
        if run is None or run.row.org_id != caller.org_id or not caller.may_see(run.row.user_id):
            return None
        return run if run.stored and not run.hidden else None
