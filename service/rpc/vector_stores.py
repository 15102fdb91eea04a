"""VectorStoreService: each method calls the knowledge and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.protobuf.empty_pb2 import Empty
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import SearchResult, VectorStore, VectorStoreFile, VectorStoreFileBatch
from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceServicer

from service.knowledge.attributes import show_attributes
from service.knowledge.search import Search, Weights
from service.knowledge.store_files import Contents, shown
from service.knowledge.vector_stores import Shelf
from service.rpc.caller import CALLER
from service.rpc.gate import Context
from service.rpc.pages import cut_page, page_size


class VectorStoreServicer(VectorStoreServiceServicer):
    """Make files searchable, and search them."""

    def __init__(self, shelf: Shelf, contents: Contents, search: Search) -> None:
        self._shelf = shelf
        self._contents = contents
        self._search = search

    async def CreateVectorStore(self, request: pb.CreateVectorStoreRequest, context: Context) -> VectorStore:
        return await self._shelf.create(request, CALLER.get().org_id)

    async def GetVectorStore(self, request: pb.GetVectorStoreRequest, context: Context) -> VectorStore:
        return await self._shelf.get(request.id, CALLER.get().org_id)

    async def ListVectorStores(
        self, request: pb.ListVectorStoresRequest, context: Context
    ) -> pb.ListVectorStoresResponse:
        size = page_size(request.page_size)
        found = await self._shelf.page(
            CALLER.get().org_id, after=request.page_token, oldest_first=request.oldest_first, limit=size + 1
        )
        page, token = cut_page(found, size)
        return pb.ListVectorStoresResponse(vector_stores=page, next_page_token=token)

    async def UpdateVectorStore(self, request: pb.UpdateVectorStoreRequest, context: Context) -> VectorStore:
        return await self._shelf.update(request, CALLER.get().org_id)

    async def DeleteVectorStore(self, request: pb.DeleteVectorStoreRequest, context: Context) -> Empty:
        await self._shelf.delete(request.id, CALLER.get().org_id)
        return Empty()

    async def SearchVectorStore(
        self, request: pb.SearchVectorStoreRequest, context: Context
    ) -> pb.SearchVectorStoreResponse:
        found = await self._search.search(
            request.id,
            CALLER.get().org_id,
            queries=request.queries,
            filters_json=request.filters_json,
            limit=request.max_results,
            threshold=request.score_threshold,
            weights=_weights(request),
        )
        return pb.SearchVectorStoreResponse(
            results=[
                SearchResult(
                    file_id=each.file_id,
                    filename=each.filename,
                    score=each.score,
                    attributes=show_attributes(each.attributes),
                    text=each.text,
                )
                for each in found
            ]
        )

    async def CreateVectorStoreFile(
        self, request: pb.CreateVectorStoreFileRequest, context: Context
    ) -> VectorStoreFile:
        return await self._contents.add(request.vector_store_id, request.file, CALLER.get().org_id)

    async def GetVectorStoreFile(self, request: pb.GetVectorStoreFileRequest, context: Context) -> VectorStoreFile:
        return await self._contents.get(request.vector_store_id, request.file_id, CALLER.get().org_id)

    async def ListVectorStoreFiles(
        self, request: pb.ListVectorStoreFilesRequest, context: Context
    ) -> pb.ListVectorStoreFilesResponse:
        size = page_size(request.page_size)
        page, token = cut_page(await self._contents.page(request, CALLER.get().org_id, limit=size + 1), size)
        return pb.ListVectorStoreFilesResponse(files=[shown(row) for row in page], next_page_token=token)

    async def UpdateVectorStoreFile(
        self, request: pb.UpdateVectorStoreFileRequest, context: Context
    ) -> VectorStoreFile:
        return await self._contents.update(request, CALLER.get().org_id)

    async def DeleteVectorStoreFile(self, request: pb.DeleteVectorStoreFileRequest, context: Context) -> Empty:
        await self._contents.remove(request.vector_store_id, request.file_id, CALLER.get().org_id)
        return Empty()

    async def ReadVectorStoreFile(
        self, request: pb.ReadVectorStoreFileRequest, context: Context
    ) -> AsyncGenerator[pb.ReadVectorStoreFileResponse, None]:
        found = self._contents.texts(request.vector_store_id, request.file_id, CALLER.get().org_id)
        async with aclosing(found):
            async for texts in found:
                yield pb.ReadVectorStoreFileResponse(texts=texts)

    async def CreateVectorStoreFileBatch(
        self, request: pb.CreateVectorStoreFileBatchRequest, context: Context
    ) -> VectorStoreFileBatch:
        return await self._contents.add_batch(request, CALLER.get().org_id)

    async def GetVectorStoreFileBatch(
        self, request: pb.GetVectorStoreFileBatchRequest, context: Context
    ) -> VectorStoreFileBatch:
        return await self._contents.batch(request.vector_store_id, request.id, CALLER.get().org_id)

    async def CancelVectorStoreFileBatch(
        self, request: pb.CancelVectorStoreFileBatchRequest, context: Context
    ) -> VectorStoreFileBatch:
        return await self._contents.cancel(request.vector_store_id, request.id, CALLER.get().org_id)


def _weights(request: pb.SearchVectorStoreRequest) -> Weights | None:
    hybrid = request.hybrid
    return Weights(hybrid.embedding_weight, hybrid.text_weight) if request.HasField("hybrid") else None
