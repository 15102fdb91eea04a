"""A user's rights: all that is kept of them, given out or erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.user_data_service_pb2 import (
    ConversationRecord,
    EraseUserResponse,
    ExportUserResponse,
    LogRecord,
    ResponseRecord,
)

from service.errors import NodexaError
from service.runner.caller import Caller
from service.runner.claims import Claims
from service.runner.conversations import Conversations
from service.runner.kept import FROM_THE_START
from service.runner.memory import Memories
from service.runner.runner import Runner
from service.runner.runs import singly
from service.store.responses import ResponseStore
from service.store.user_data import UserData

PIECE_BYTES: Final = 1024 * 1024
"""Of a log, in one read."""
TRIES: Final = 20
PAUSE: Final = 0.25
"""Seconds between two tries to empty the write-ahead log: readers hold it for moments."""

Next = Callable[[str], Coroutine[Any, Any, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class UserRights:
    """What the methods of UserDataService do. The caller's user is the one whom it is about."""

    data: UserData
    responses: ResponseStore
    runner: Runner
    conversations: Conversations
    claims: Claims
    memories: Memories

    async def export(self, caller: Caller) -> AsyncGenerator[ExportUserResponse, None]:
        """Everything, kind after kind."""
        for claim in await self.claims.all(caller):
            yield ExportUserResponse(claim=claim)
        before = ""
        while page := await self.memories.page(caller, before=before, limit=100):
            before = page[-1].id
            for memory in page:
                yield ExportUserResponse(memory=memory)
        async for name in _each(lambda after: self.data.conversations(caller.org_id, caller.user_id, after=after)):
            if (record := await self._conversation(name, caller)) is not None:
                yield ExportUserResponse(conversation=record)
        async for name in self._responses(caller):
            if (response := await self._response(name, caller)) is not None:
                yield ExportUserResponse(response=response)
        async for name in self._responses(caller):
            async for piece in self._log(name, caller):
                yield ExportUserResponse(log=piece)

    async def erase(self, caller: Caller) -> EraseUserResponse:
        """Cancels what runs and erases everything. Raises NodexaError `storage_unavailable` where traces may be left.

        What the user begins meanwhile may stay.
        """
        erased = EraseUserResponse()
        await self.runner.cancel_all_of(caller)
        while True:
            running = await self.data.responses(caller.org_id, caller.user_id, running=True)
            await asyncio.gather(*(self._cancel(name, caller) for name in running))
            gone = await self.data.erase_responses(caller.org_id, caller.user_id)
            self.runner.forget(gone)
            erased.responses += len(gone)
            if not gone and not running:
                break
        for name, count in (await self.data.erase_kept(caller.org_id, caller.user_id)).items():
            setattr(erased, name, count)
        for _ in range(TRIES):
            if await self.data.scrub():
                return erased
            await asyncio.sleep(PAUSE)
        message = "All rows are erased, but readers keep the write-ahead log from being emptied: erase the user again."
        raise NodexaError("storage_unavailable", message, retry_after=5)

    async def _cancel(self, response_id: str, caller: Caller) -> None:
        try:
            await self.runner.cancel(response_id, caller)
        except NodexaError as error:
            if error.code != "response_not_found":
                raise

    def _responses(self, caller: Caller) -> AsyncGenerator[str, None]:
        return _each(lambda after: self.data.responses(caller.org_id, caller.user_id, after=after))

    async def _conversation(self, name: str, caller: Caller) -> ConversationRecord | None:
        try:
            items, conversation = await self.conversations.read(name, caller)
            return ConversationRecord(conversation=conversation, items=items)
        except NodexaError:
            return None  # It was deleted meanwhile.

    async def _response(self, name: str, caller: Caller) -> ResponseRecord | None:
        try:
            response = await self.runner.get(name, caller)
            return ResponseRecord(response=response, input=await self.runner.kept.input_items(name, caller))
        except NodexaError:
            return None

    async def _log(self, name: str, caller: Caller) -> AsyncGenerator[LogRecord, None]:
        seen = FROM_THE_START
        while pieces := await self.responses.segments(caller.org_id, name, seen, enough=PIECE_BYTES):
            for piece in pieces:
                yield LogRecord(response_id=name, events=singly(EventBatch.FromString(piece.data).events))
            seen = pieces[-1].last


async def _each(more: Next) -> AsyncGenerator[str, None]:
    after = ""
    while names := await more(after):
        for name in names:
            yield name
        after = names[-1]
