"""Vector stores: files that can be searched together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import FileCounts, VectorStore

from service.errors import NodexaError
from service.ids import NewId
from service.knowledge.store_files import Contents
from service.runner.settings_check import check_metadata
from service.settings import Clock
from service.store.vector_stores import Tally, VectorStoreRow, VectorStores

NAME_LENGTH: Final = 256
DESCRIPTION_LENGTH: Final = 1024
DAYS: Final = 365


class Shelf:
    """The vector stores of every organization.

    Each method raises NodexaError `vector_store_not_found` for one that isn't there.
    """

    def __init__(self, store: VectorStores, contents: Contents, *, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._contents = contents
        self._clock = clock
        self._new_id = new_id

    async def create(self, request: pb.CreateVectorStoreRequest, org_id: str) -> VectorStore:
        """A new one, with its first files. Raises NodexaError for what can't be kept."""
        now = self._clock()
        row = VectorStoreRow(
            self._new_id("vs"),
            request.name,
            request.description,
            dict(request.metadata),
            request.expires_after_days,
            now,
            now,
        )
        _check(row)
        files = [pb.NewVectorStoreFile(file_id=name, chunking=request.chunking) for name in request.file_ids]
        new = await self._contents.expect_new(files, org_id, path="file_ids", member="") if files else []
        await self._store.create(org_id, row)
        if new:
            await self._contents.put(row.id, new)
        return await self.get(row.id, org_id)

    async def get(self, store_id: str, org_id: str) -> VectorStore:
        """The vector store, with how its files stand."""
        row = await self._contents.known_store(store_id, org_id, "id")
        return self._shown(row, await self._store.tallies([row.id]))

    async def page(self, org_id: str, *, after: str, oldest_first: bool, limit: int) -> Sequence[VectorStore]:
        """At most `limit` behind the id `after`."""
        rows = await self._store.page(org_id, after=after, oldest_first=oldest_first, limit=limit)
        tallies = await self._store.tallies([row.id for row in rows])
        return [self._shown(row, tallies) for row in rows]

    async def update(self, request: pb.UpdateVectorStoreRequest, org_id: str) -> VectorStore:
        """The vector store with what was changed of it."""
        row = await self._contents.known_store(request.id, org_id, "id")
        changed = dataclasses.replace(
            row,
            name=request.name if request.HasField("name") else row.name,
            metadata=dict(request.metadata.entries) if request.HasField("metadata") else row.metadata,
            expires_after_days=(
                request.expires_after_days if request.HasField("expires_after_days") else row.expires_after_days
            ),
        )
        _check(changed)
        await self._store.update(org_id, changed)
        return await self.get(request.id, org_id)

    async def delete(self, store_id: str, org_id: str) -> None:
        """Deletes it. Its files stay."""
        await self._contents.known_store(store_id, org_id, "id")
        await self._store.delete(org_id, store_id)
        self._contents.wake()

    async def prune(self) -> None:
        """Empties those that nobody used for as long as they said."""
        if await self._store.expire(now=self._clock()):
            self._contents.wake()
        await self._store.sweep()

    def _shown(self, row: VectorStoreRow, tallies: Mapping[str, Tally]) -> VectorStore:
        tally = tallies[row.id]
        store = VectorStore(
            id=row.id,
            name=row.name,
            description=row.description,
            metadata=row.metadata,
            file_counts=FileCounts(**tally.counts),
            usage_bytes=tally.size,
            expires_after_days=row.expires_after_days,
            status=VectorStore.STATUS_IN_PROGRESS if tally.counts.get("in_progress") else VectorStore.STATUS_COMPLETED,
        )
        store.create_time.FromMilliseconds(row.created_at)
        store.last_active_time.FromMilliseconds(row.active_at)
        if (end := row.expires_at()) is not None:
            store.expire_time.FromMilliseconds(end)
        if row.expired(self._clock()):
            store.status = VectorStore.STATUS_EXPIRED
        return store


def _check(row: VectorStoreRow) -> None:
    check_metadata(row.metadata)
    for field, text, most in (("name", row.name, NAME_LENGTH), ("description", row.description, DESCRIPTION_LENGTH)):
        if len(text) > most:
            raise NodexaError("invalid_request", f"{field} has at most {most} characters.", param=field)
    if not 0 <= row.expires_after_days <= DAYS:
        message = f"A vector store expires after 1 to {DAYS} days without use, or never."
        raise NodexaError("invalid_request", message, param="expires_after_days")
