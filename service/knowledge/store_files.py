"""The files of vector stores: added, listed, described, taken out, alone and in batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import (
    AttributeValue,
    ChunkingStrategy,
    FileCounts,
    VectorStoreFile,
    VectorStoreFileBatch,
    VectorStoreFileError,
)

from service.errors import NodexaError
from service.ids import NewId
from service.knowledge.attributes import read_attributes, show_attributes
from service.settings import Clock
from service.store.passages import Passages
from service.store.store_files import BatchRow, New, StoreFileRow, StoreFiles
from service.store.vector_stores import Tally, VectorStoreRow, VectorStores

MOST_FILES: Final = 2000
WORDS: Final = (100, 4096)
DEFAULT_WORDS: Final = 800
TEXTS: Final = 200
"""Passages of one message."""
STATUSES: Final = {
    VectorStoreFile.STATUS_IN_PROGRESS: "in_progress",
    VectorStoreFile.STATUS_COMPLETED: "completed",
    VectorStoreFile.STATUS_FAILED: "failed",
    VectorStoreFile.STATUS_CANCELLED: "cancelled",
}
_NUMBERS: Final = {word: number for number, word in STATUSES.items()}


class Contents:
    """What is in vector stores. `wake` has the indexer look for work.

    Each method raises NodexaError `vector_store_not_found`, `file_not_found` or `file_batch_not_found` for what isn't
    there.
    """

    def __init__(
        self,
        *,
        stores: VectorStores,
        files: StoreFiles,
        passages: Passages,
        wake: Callable[[], None],
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._stores = stores
        self._files = files
        self._passages = passages
        self.wake = wake
        self._clock = clock
        self._new_id = new_id

    async def add(self, store_id: str, file: pb.NewVectorStoreFile, org_id: str) -> VectorStoreFile:
        """The file in the vector store, which waits to be read."""
        row = await self.known_store(store_id, org_id, "vector_store_id")
        new = await self.expect_new([file], org_id, path="", member="file_id")
        await self._stores.used([row], now=self._clock())
        await self.put(store_id, new)
        return shown(await self._known(store_id, file.file_id))

    async def get(self, store_id: str, file_id: str, org_id: str) -> VectorStoreFile:
        """The file in the vector store."""
        await self.known_store(store_id, org_id, "vector_store_id")
        return shown(await self._known(store_id, file_id))

    async def page(self, request: pb.ListVectorStoreFilesRequest, org_id: str, *, limit: int) -> Sequence[StoreFileRow]:
        """At most `limit` files behind the request's page token."""
        await self.known_store(request.vector_store_id, org_id, "vector_store_id")
        if request.batch_id:
            await self._known_batch(request.vector_store_id, request.batch_id, "batch_id")
        found = await self._files.page(
            request.vector_store_id,
            batch_id=request.batch_id,
            status=STATUSES.get(request.status, ""),
            after=request.page_token,
            oldest_first=request.oldest_first,
            limit=limit,
        )
        if found is None:
            message = "The page token names no file of this vector store."
            raise NodexaError("invalid_request", message, param="page_token")
        return found

    async def update(self, request: pb.UpdateVectorStoreFileRequest, org_id: str) -> VectorStoreFile:
        """The file with what is noted of it from now on."""
        attributes = read_attributes(request.attributes, "attributes")
        await self.get(request.vector_store_id, request.file_id, org_id)
        await self._files.update(request.vector_store_id, request.file_id, attributes)
        return await self.get(request.vector_store_id, request.file_id, org_id)

    async def remove(self, store_id: str, file_id: str, org_id: str) -> None:
        """Takes the file out of the vector store. The file itself stays."""
        await self.get(store_id, file_id, org_id)
        await self._files.remove(store_id, file_id)
        self.wake()

    async def texts(self, store_id: str, file_id: str, org_id: str) -> AsyncGenerator[Sequence[str], None]:
        """The passages of a file in order, some at a time; first some even where there are none."""
        await self.known_store(store_id, org_id, "vector_store_id")
        row = await self._known(store_id, file_id)
        start = 0
        while True:
            found = await self._passages.texts(org_id, row.place, start=start, limit=TEXTS)
            if found or not start:
                yield found
            start += len(found)
            if len(found) < TEXTS:
                return

    async def add_batch(self, request: pb.CreateVectorStoreFileBatchRequest, org_id: str) -> VectorStoreFileBatch:
        """Several files at once."""
        row = await self.known_store(request.vector_store_id, org_id, "vector_store_id")
        if not request.files:
            raise NodexaError("missing_required_field", "files is required: 1 to 2000 of them.", param="files")
        new = await self.expect_new(request.files, org_id, path="files", member="file_id")
        await self._stores.used([row], now=self._clock())
        batch_id = self._new_id("vsfb")
        await self.put(row.id, new, batch_id=batch_id)
        return await self.batch(row.id, batch_id, org_id)

    async def batch(self, store_id: str, batch_id: str, org_id: str) -> VectorStoreFileBatch:
        """A batch, and how its files stand."""
        await self.known_store(store_id, org_id, "vector_store_id")
        return _shown_batch(*await self._known_batch(store_id, batch_id, "id"))

    async def cancel(self, store_id: str, batch_id: str, org_id: str) -> VectorStoreFileBatch:
        """The batch, with those files given up that were not read yet."""
        await self.batch(store_id, batch_id, org_id)
        await self._files.cancel(store_id, batch_id)
        self.wake()
        return await self.batch(store_id, batch_id, org_id)

    async def put(self, store_id: str, files: Sequence[New], *, batch_id: str = "") -> None:
        """Adds files that were checked to a store that is the caller's."""
        await self._files.add(store_id, files, now=self._clock(), batch_id=batch_id)
        self.wake()

    async def expect_new(
        self, files: Sequence[pb.NewVectorStoreFile], org_id: str, *, path: str, member: str
    ) -> Sequence[New]:
        """Files that can be added. Raises NodexaError that names the first that can't, as `path[i].member`."""
        if len(files) > MOST_FILES:
            raise NodexaError("invalid_request", f"{path} takes at most {MOST_FILES} files.", param=path)
        names = [file.file_id for file in files]
        places = [f"{path}[{index}].{member}".strip(".") if path else member for index in range(len(files))]
        if len(set(names)) < len(names):
            twice = next(index for index, name in enumerate(names) if name in names[:index])
            raise NodexaError("invalid_request", f"{places[twice]} names a file twice.", param=places[twice])
        missing = await self._files.missing(org_id, names, now=self._clock())
        if missing:
            raise no_file(missing[0], places[names.index(missing[0])])
        return [_new(file, f"{path}[{index}]." if path else "") for index, file in enumerate(files)]

    async def known_store(self, store_id: str, org_id: str, param: str) -> VectorStoreRow:
        """The vector store. Raises NodexaError `vector_store_not_found` that names `param`."""
        found = await self._stores.get(org_id, store_id)
        if found is None:
            raise no_store(store_id, param)
        return found

    async def _known(self, store_id: str, file_id: str) -> StoreFileRow:
        found = await self._files.get(store_id, file_id)
        if found is None:
            raise NodexaError("file_not_found", f"No file {file_id!r} in this vector store.", param="file_id")
        return found

    async def _known_batch(self, store_id: str, batch_id: str, param: str) -> tuple[BatchRow, Tally]:
        found = await self._files.batch(store_id, batch_id)
        if found is None:
            raise NodexaError("file_batch_not_found", f"No batch {batch_id!r} in this vector store.", param=param)
        return found


def no_store(store_id: str, param: str) -> NodexaError:
    """What is said of an id that a caller may not know, or that never was."""
    return NodexaError("vector_store_not_found", f"No vector store {store_id!r}.", param=param)


def no_file(file_id: str, param: str) -> NodexaError:
    """The same of a file."""
    return NodexaError("file_not_found", f"No file {file_id!r}.", param=param)


def shown(row: StoreFileRow) -> VectorStoreFile:
    """The file as callers see it."""
    file = VectorStoreFile(
        file_id=row.file_id,
        vector_store_id=row.store_id,
        status=_NUMBERS[row.status],
        usage_bytes=row.size,
        attributes=show_attributes(row.attributes),
        chunking=ChunkingStrategy(max_chunk_tokens=row.most, overlap_tokens=row.overlap),
        passages=row.passages,
        embedded_passages=row.embedded,
    )
    file.create_time.FromMilliseconds(row.created_at)
    if row.error_code:
        file.error.CopyFrom(VectorStoreFileError(code=row.error_code, message=row.error_message))
    return file


def _shown_batch(row: BatchRow, tally: Tally) -> VectorStoreFileBatch:
    counts = tally.counts
    batch = VectorStoreFileBatch(id=row.id, vector_store_id=row.store_id, file_counts=FileCounts(**counts))
    batch.create_time.FromMilliseconds(row.created_at)
    if counts.get("in_progress"):
        batch.status = VectorStoreFile.STATUS_IN_PROGRESS
    elif row.cancelled:
        batch.status = VectorStoreFile.STATUS_CANCELLED
    elif counts.get("failed") and not counts.get("completed"):
        batch.status = VectorStoreFile.STATUS_FAILED
    else:
        batch.status = VectorStoreFile.STATUS_COMPLETED
    return batch


def _new(file: pb.NewVectorStoreFile, path: str) -> New:
    attributes: dict[str, AttributeValue] = dict(file.attributes)
    most = file.chunking.max_chunk_tokens or DEFAULT_WORDS
    overlap = file.chunking.overlap_tokens if file.chunking.HasField("overlap_tokens") else most // 2
    if not WORDS[0] <= most <= WORDS[1]:
        raise _wrong(f"{path}chunking.max_chunk_tokens", f"must be between {WORDS[0]} and {WORDS[1]}")
    if not 0 <= overlap <= most // 2:
        raise _wrong(f"{path}chunking.overlap_tokens", "must be between 0 and half of max_chunk_tokens")
    return New(file.file_id, read_attributes(attributes, f"{path}attributes"), most, overlap)


def _wrong(path: str, complaint: str) -> NodexaError:
    return NodexaError("invalid_request", f"{path} {complaint}.", param=path)
