"""FileService: each method calls the files and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.protobuf.empty_pb2 import Empty
from nodexa.v1 import file_service_pb2 as pb
from nodexa.v1.file_pb2 import File
from nodexa.v1.file_service_pb2_grpc import FileServiceServicer

from service.knowledge.files import Files
from service.rpc.caller import CALLER
from service.rpc.gate import Context
from service.rpc.pages import cut_page, page_size


class FileServicer(FileServiceServicer):
    """Keep files."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def CreateFile(self, request: pb.CreateFileRequest, context: Context) -> File:
        return await self._files.create(request, CALLER.get().org_id)

    async def WriteFileData(self, request: pb.WriteFileDataRequest, context: Context) -> pb.WriteFileDataResponse:
        upload_id, size = await self._files.write(request.upload_id, request.offset, request.data, CALLER.get().org_id)
        return pb.WriteFileDataResponse(upload_id=upload_id, size_bytes=size)

    async def GetFile(self, request: pb.GetFileRequest, context: Context) -> File:
        return await self._files.get(request.id, CALLER.get().org_id)

    async def ListFiles(self, request: pb.ListFilesRequest, context: Context) -> pb.ListFilesResponse:
        size = page_size(request.page_size)
        found = await self._files.page(
            CALLER.get().org_id,
            after=request.page_token,
            purpose=request.purpose,
            oldest_first=request.oldest_first,
            limit=size + 1,
        )
        page, token = cut_page(found, size)
        return pb.ListFilesResponse(files=page, next_page_token=token)

    async def DeleteFile(self, request: pb.DeleteFileRequest, context: Context) -> Empty:
        await self._files.delete(request.id, CALLER.get().org_id)
        return Empty()

    async def ReadFile(
        self, request: pb.ReadFileRequest, context: Context
    ) -> AsyncGenerator[pb.ReadFileResponse, None]:
        async with aclosing(self._files.read(request.id, CALLER.get().org_id)) as pieces:
            async for file, data in pieces:
                yield pb.ReadFileResponse(data=data, file=file)
