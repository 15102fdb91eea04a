"""The endpoints of files."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import grpc
from nodexa.v1 import file_service_pb2 as pb
from nodexa.v1.file_pb2 import File

from rest_bridge.core import refused
from rest_bridge.presence import ClientLeft
from rest_bridge.routes.call import Answer, Call, answer, noting, page_object
from rest_bridge.routes.query import Query
from rest_bridge.upload import read_form
from rest_bridge.wire.file import parse_file, parse_purpose, render_file

PIECE_BYTES: Final = 1024 * 1024
"""So much of a file is in memory while it goes through."""
MOST_LISTED: Final = 100


async def create(call: Call) -> Answer:
    """POST /v1/files: a form with `file` and `purpose`, in any order."""
    settings = call.bridge.settings
    # Who has no key uploads nothing.
    call.metadata()
    sending = _Sending(call)
    form = await read_form(
        call.receive,
        call.headers,
        file="file",
        put=sending.put,
        max_bytes=settings.max_upload_bytes,
        timeout_seconds=settings.upload_seconds,
    )
    request, ignored = parse_file(form.fields, form.filename)
    return noting(render_file(await sending.finish(request)), ignored)


async def list_files(call: Call) -> Answer:
    """GET /v1/files. A page has at most 100 of them, whatever its limit."""
    query = Query(call.query)
    purpose = query.text("purpose")
    request = pb.ListFilesRequest(
        page_size=min(query.integer("limit", low=1, high=10_000) or MOST_LISTED, MOST_LISTED),
        page_token=query.text("after") or "",
        purpose=parse_purpose(purpose) if purpose is not None else File.PURPOSE_UNSPECIFIED,
        oldest_first=query.word("order", ("asc", "desc")) == "asc",
    )
    rpc = call.bridge.core.files.ListFiles(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    return answer(page_object([render_file(file) for file in found.files], has_more=bool(found.next_page_token)))


async def retrieve(call: Call) -> Answer:
    """GET /v1/files/{id}."""
    rpc = call.bridge.core.files.GetFile(
        pb.GetFileRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer(render_file(await call.ask(rpc)))


async def delete(call: Call) -> Answer:
    """DELETE /v1/files/{id}."""
    rpc = call.bridge.core.files.DeleteFile(
        pb.DeleteFileRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    await call.ask(rpc)
    return answer({"id": call.target, "object": "file", "deleted": True})


async def content(call: Call) -> Answer | None:
    """GET /v1/files/{id}/content: the bytes as they were uploaded."""
    opened = call.bridge.core.files.ReadFile(
        pb.ReadFileRequest(id=call.target),
        metadata=call.metadata(),
        timeout=call.bridge.settings.upload_seconds,
    )
    try:
        await _pass_on(call, await _first(opened), opened)
    finally:
        opened.cancel()
    return None


async def _first(opened: Any) -> Any:
    try:
        return await opened.read()
    except grpc.aio.AioRpcError as error:
        raise refused(error) from None


async def _pass_on(call: Call, piece: Any, opened: Any) -> None:
    await call.send({"type": "http.response.start", "status": 200, "headers": _headers(piece)})
    try:
        while piece is not grpc.aio.EOF and not call.departure.over:
            await call.send({"type": "http.response.body", "body": piece.data, "more_body": True})
            piece = await opened.read()
    except grpc.aio.AioRpcError:
        # A body that ends too early is all that can still be said: the connection is closed.
        raise ClientLeft from None
    await call.send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(first: pb.ReadFileResponse) -> list[tuple[bytes, bytes]]:
    # Nobody's upload is shown as a page of ours.
    return [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % first.file.size_bytes),
        (b"content-disposition", f"attachment; filename*=UTF-8''{quote(first.file.filename, safe='')}".encode()),
        (b"x-content-type-options", b"nosniff"),
    ]


class _Sending:
    """A file on its way to the core: a small one goes whole, a larger one piece by piece."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._held = bytearray()
        self._upload_id = ""
        self._sent = 0

    async def put(self, data: bytes) -> None:
        """The next bytes of the file. Raises RequestError for what the core refuses."""
        self._held += data
        if len(self._held) >= PIECE_BYTES:
            await self._send()

    async def finish(self, request: pb.CreateFileRequest) -> Any:
        """The file, when all bytes were put."""
        if self._upload_id:
            if self._held:
                await self._send()
            request.upload_id = self._upload_id
        else:
            request.data = bytes(self._held)
        core = self._call.bridge.core
        # Once a request went out, the loss of its answer does not mean that nothing was done.
        repeatable = not core.connected()
        rpc = core.files.CreateFile(
            request, metadata=self._call.metadata(), timeout=self._call.bridge.settings.unary_seconds
        )
        return await self._call.ask(rpc, repeatable=repeatable)

    async def _send(self) -> None:
        request = pb.WriteFileDataRequest(upload_id=self._upload_id, offset=self._sent, data=bytes(self._held))
        self._held.clear()
        rpc = self._call.bridge.core.files.WriteFileData(
            request, metadata=self._call.metadata(), timeout=self._call.bridge.settings.unary_seconds
        )
        told = await self._call.ask(rpc)
        self._upload_id, self._sent = told.upload_id, told.size_bytes
