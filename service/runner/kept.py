"""Responses that are stored, for those who may see them, wherever they are made or were."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, ResponseSettings

from service.errors import NodexaError
from service.runner.caller import Caller
from service.runner.fold import fold
from service.runner.log import events_of
from service.runner.tail import tail
from service.store.records import StoredResponse
from service.store.responses import ResponseStore

FROM_THE_START: Final = -1


class Kept:
    """Reads from the store alone: what runs here is asked elsewhere."""

    def __init__(self, store: ResponseStore) -> None:
        self._store = store

    async def page(self, caller: Caller, *, assistant_id: str, before: str, limit: int) -> Sequence[Response]:
        """At most `limit` stored responses, the newest first, older than the id `before`."""
        found = await self._store.page(
            caller.org_id, user_id=caller.user_id, assistant_id=assistant_id, before=before, limit=limit
        )
        return [await self.read(stored) for stored in found]

    async def input_items(self, response_id: str, caller: Caller) -> Sequence[Item]:
        """The items of the response's own input, the oldest first. Raises NodexaError `response_not_found`."""
        await self.stored(response_id, caller)
        found = await self._store.history(caller.org_id, response_id, limit=1)
        if not found:
            raise not_found(response_id)
        return found[0].input.items

    async def stored(self, response_id: str, caller: Caller, *, with_result: bool = True) -> StoredResponse:
        """As the store has it. Raises NodexaError `response_not_found`, also where the caller may not see it."""
        stored = await self._store.get(caller.org_id, response_id, with_result=with_result)
        if stored is None or not caller.may_see(stored.row.user_id):
            raise not_found(response_id)
        return stored

    async def concluded(self, org_id: str, response_id: str) -> Response:
        """The final response of a run that another core brings to its end."""
        async with aclosing(tail(self._store, org_id, response_id, FROM_THE_START)) as batches:
            async for _ in batches:
                pass
        stored = await self._store.get(org_id, response_id)
        if stored is None or stored.result is None:
            raise not_found(response_id)
        return with_settings(stored.result, stored.settings)

    async def read(self, stored: StoredResponse) -> Response:
        """The response as it stands: final, or what its log says so far."""
        if stored.result is not None:
            return with_settings(stored.result, stored.settings)
        segments = await self._store.segments(stored.row.org_id, stored.row.id, FROM_THE_START)
        return with_settings(fold(events_of(segments)), stored.settings)


def with_settings(response: Response, settings: ResponseSettings) -> Response:
    """A copy that has its settings."""
    whole = Response()
    whole.CopyFrom(response)
    whole.settings.CopyFrom(settings)
    return whole


def not_found(response_id: str) -> NodexaError:
    """What is told of a response that isn't there, or isn't the caller's."""
    return NodexaError("response_not_found", f"No response {response_id!r}.", param="id")
