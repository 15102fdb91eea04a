"""UserDataService: who may ask, what is noted of it; the rest is done elsewhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from google.protobuf.message import Message
from nodexa.v1 import user_data_service_pb2 as pb
from nodexa.v1.user_data_service_pb2_grpc import UserDataServiceServicer

from service.errors import NodexaError
from service.ids import NewId
from service.rpc.audit import event_of
from service.rpc.caller import CALLER, MAX_USER_ID, REQUEST_ID
from service.rpc.gate import Context
from service.runner.caller import Caller
from service.runner.user_data import UserRights
from service.settings import Clock
from service.store.administration import Administration


class UserDataServicer(UserDataServiceServicer):
    """All that is kept of one end user."""

    def __init__(self, rights: UserRights, store: Administration, clock: Clock, new_id: NewId) -> None:
        self._rights = rights
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def ExportUser(
        self, request: pb.ExportUserRequest, context: Context
    ) -> AsyncGenerator[pb.ExportUserResponse, None]:
        meant = await self._meant(request.user_id, request.organization_id)
        await self._note("user.export", None)
        async with aclosing(self._rights.export(meant)) as records:
            async for record in records:
                yield record

    async def EraseUser(self, request: pb.EraseUserRequest, context: Context) -> pb.EraseUserResponse:
        meant = await self._meant(request.user_id, request.organization_id)
        erased = await self._rights.erase(meant)
        await self._note("user.erase", erased)
        return erased

    async def _meant(self, user_id: str, org_id: str) -> Caller:
        """The user in the place of a caller. Raises NodexaError for one who can't be, and for what is another's."""
        caller = CALLER.get()
        if not user_id or len(user_id) > MAX_USER_ID or not user_id.isprintable():
            message = f"Say which user: 1 to {MAX_USER_ID} printable characters."
            raise NodexaError("invalid_user_id", message, param="user_id")
        if org_id and org_id != caller.org_id and not (caller.operator and await self._store.organization(org_id)):
            raise NodexaError("organization_not_found", f"No organization {org_id!r}.", param="organization_id")
        return replace(caller, org_id=org_id or caller.org_id, user_id=user_id)

    async def _note(self, act: str, done: Message | None) -> None:
        # Not the user: an id may be a name, and what is erased must not stay here.
        event = event_of(
            act, "", CALLER.get(), request_id=REQUEST_ID.get(), after=done, id=self._new_id("audit"), now=self._clock()
        )
        await self._store.noting(event).note()
