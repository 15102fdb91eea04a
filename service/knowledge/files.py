"""Files: bytes that an organization uploaded, whole or piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from nodexa.v1.file_pb2 import File
from nodexa.v1.file_service_pb2 import CreateFileRequest

from service.errors import NodexaError
from service.ids import NewId
from service.settings import Clock
from service.store.files import FileRow, FileStore

FILE_BYTES: Final = 512 * 1024 * 1024
PIECE_BYTES: Final = 4 * 1024 * 1024
NAME_LENGTH: Final = 255
SECONDS: Final = (3600, 2_592_000)
"""After how long a file may be deleted, at least and at most."""
UPLOAD_KEPT: Final = 24 * 3600 * 1000
"""Milliseconds until what was never made into a file is deleted."""


class Files:
    """The files of every organization. Each method raises NodexaError `file_not_found` for one that isn't there."""

    def __init__(self, store: FileStore, *, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def create(self, request: CreateFileRequest, org_id: str) -> File:
        """A new file, of the bytes given or of those that were written. Raises NodexaError for what can't be kept."""
        row = self._row(request)
        if request.WhichOneof("content") != "upload_id":
            _expect_room(0, request.data, "data")
            await self._store.create(org_id, row, request.data)
            return shown(row)
        size = await self._uploaded(org_id, request.upload_id)
        whole = FileRow(request.upload_id, row.filename, row.purpose, size, row.created_at, row.expires_at)
        if not await self._store.complete(org_id, whole):
            raise _no_upload(request.upload_id)
        return shown(whole)

    async def write(self, upload_id: str, offset: int, data: bytes, org_id: str) -> tuple[str, int]:
        """The upload that a piece was written to, and its size now. Raises NodexaError for a piece that doesn't fit."""
        _expect_room(offset, data, "data")
        if not data:
            raise NodexaError("missing_required_field", "data is required: the next bytes.", param="data")
        if not upload_id:
            if offset:
                raise NodexaError("invalid_request", "A new upload begins with the offset 0.", param="offset")
            row = FileRow(self._new_id("file"), "", File.PURPOSE_UNSPECIFIED, len(data), self._clock())
            await self._store.begin(org_id, row, data)
            return row.id, len(data)
        await self._store.extend(org_id, upload_id, offset, data)
        size = await self._uploaded(org_id, upload_id)
        if size < offset + len(data):
            raise NodexaError("invalid_request", f"The next piece begins at {size}.", param="offset")
        return upload_id, size

    async def get(self, file_id: str, org_id: str) -> File:
        """The file."""
        return shown(await self._known(file_id, org_id))

    async def page(
        self, org_id: str, *, after: str, purpose: File.Purpose.ValueType, oldest_first: bool, limit: int
    ) -> Sequence[File]:
        """At most `limit` files behind the id `after`, of one purpose where it is given."""
        found = await self._store.page(
            org_id, after=after, purpose=purpose, oldest_first=oldest_first, limit=limit, now=self._clock()
        )
        return [shown(row) for row in found]

    async def delete(self, file_id: str, org_id: str) -> None:
        """Deletes the file, and takes it out of every vector store."""
        await self._known(file_id, org_id)
        await self._store.delete(org_id, file_id)

    async def read(self, file_id: str, org_id: str) -> AsyncGenerator[tuple[File | None, bytes], None]:
        """The file with its first bytes, then the rest of them, piece by piece."""
        row = await self._known(file_id, org_id)
        piece = await self._store.piece(file_id, 0)
        yield shown(row), piece
        start = len(piece)
        while start < row.size:
            piece = await self._store.piece(file_id, start)
            if not piece:
                raise _no_file(file_id)  # it was deleted meanwhile
            yield None, piece
            start += len(piece)

    async def prune(self) -> None:
        """Deletes what its time is over for, and what was never made into a file."""
        now = self._clock()
        while await self._store.expire(now=now, uploaded_before=now - UPLOAD_KEPT):
            pass
        while await self._store.sweep():
            pass

    def _row(self, request: CreateFileRequest) -> FileRow:
        check_name(request.filename)
        if request.purpose not in File.Purpose.values() or not request.purpose:
            message = "purpose must be one of assistants, user_data, vision."
            raise NodexaError("invalid_request", message, param="purpose")
        seconds, now = request.expires_after_seconds, self._clock()
        if seconds and not SECONDS[0] <= seconds <= SECONDS[1]:
            message = f"A file can be deleted after {SECONDS[0]} to {SECONDS[1]} seconds."
            raise NodexaError("invalid_request", message, param="expires_after_seconds")
        expires_at = now + seconds * 1000 if seconds else None
        return FileRow(self._new_id("file"), request.filename, request.purpose, len(request.data), now, expires_at)

    async def _known(self, file_id: str, org_id: str) -> FileRow:
        found = await self._store.get(org_id, file_id, now=self._clock())
        if found is None:
            raise _no_file(file_id)
        return found

    async def _uploaded(self, org_id: str, upload_id: str) -> int:
        size = await self._store.uploaded(org_id, upload_id)
        if size is None:
            raise _no_upload(upload_id)
        return size


def check_name(filename: str) -> None:
    """Raises NodexaError for what is no name of a file."""
    if not filename:
        raise NodexaError("missing_required_field", "filename is required: 1 to 255 characters.", param="filename")
    if len(filename) > NAME_LENGTH or not filename.isprintable():
        message = f"filename has at most {NAME_LENGTH} characters, none of them a control character."
        raise NodexaError("invalid_request", message, param="filename")


def shown(row: FileRow) -> File:
    """The file as callers see it."""
    file = File(id=row.id, filename=row.filename, purpose=File.Purpose.ValueType(row.purpose), size_bytes=row.size)
    file.create_time.FromMilliseconds(row.created_at)
    if row.expires_at is not None:
        file.expire_time.FromMilliseconds(row.expires_at)
    return file


def _expect_room(offset: int, data: bytes, param: str) -> None:
    if offset < 0:
        raise NodexaError("invalid_request", "offset must not be negative.", param="offset")
    if len(data) > PIECE_BYTES:
        raise NodexaError("request_too_large", "A piece has at most 4 MB: write more of them.", param=param)
    if offset + len(data) > FILE_BYTES:
        raise NodexaError("request_too_large", "A file has at most 512 MB.", param=param)


def _no_file(file_id: str) -> NodexaError:
    return NodexaError("file_not_found", f"No file {file_id!r}.", param="id")


def _no_upload(upload_id: str) -> NodexaError:
    return NodexaError("file_not_found", f"No upload {upload_id!r}: it was finished or given up.", param="upload_id")
