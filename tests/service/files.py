"""How the tests of the core keep files and make them searchable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nodexa.v1 import file_service_pb2, vector_store_service_pb2
from nodexa.v1.file_pb2 import File
from nodexa.v1.file_service_pb2_grpc import FileServiceStub
from nodexa.v1.vector_store_pb2 import VectorStore, VectorStoreFile
from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceStub

from service.ids import new_id
from service.knowledge.knowledge import Knowledge
from service.settings import DAY, now_ms
from tests.conftest import CoreUnderTest

if TYPE_CHECKING:
    from nodexa.v1.file_service_pb2_grpc import FileServiceAsyncStub
    from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceAsyncStub


def files(core: CoreUnderTest) -> FileServiceAsyncStub:
    """The service; its calls need `metadata`."""
    return FileServiceStub(core.channel)


def stores(core: CoreUnderTest) -> VectorStoreServiceAsyncStub:
    """The service; its calls need `metadata`."""
    return VectorStoreServiceStub(core.channel)


async def upload(core: CoreUnderTest, data: bytes | str = "Hello", *, filename: str = "a.txt", **more: Any) -> str:
    """The id of a new file."""
    request = file_service_pb2.CreateFileRequest(
        filename=filename,
        purpose=File.PURPOSE_ASSISTANTS,
        data=data.encode() if isinstance(data, str) else data,
        **more,
    )
    return (await files(core).CreateFile(request, metadata=core.metadata())).id


async def store(core: CoreUnderTest, *file_ids: str, **more: Any) -> str:
    """The id of a new vector store, all files of which have been read."""
    request = vector_store_service_pb2.CreateVectorStoreRequest(file_ids=file_ids, **more)
    made = await stores(core).CreateVectorStore(request, metadata=core.metadata())
    await read(core, made.id)
    return made.id


async def read(core: CoreUnderTest, store_id: str) -> VectorStore:
    """The vector store once none of its files waits to be read."""
    request = vector_store_service_pb2.GetVectorStoreRequest(id=store_id)
    async with asyncio.timeout(30):
        while True:
            found = await stores(core).GetVectorStore(request, metadata=core.metadata())
            if not found.file_counts.in_progress:
                return found


async def in_store(core: CoreUnderTest, store_id: str, file_id: str) -> VectorStoreFile:
    """A file of a vector store as it stands."""
    request = vector_store_service_pb2.GetVectorStoreFileRequest(vector_store_id=store_id, file_id=file_id)
    return await stores(core).GetVectorStoreFile(request, metadata=core.metadata())


async def search(core: CoreUnderTest, store_id: str, *queries: str, **more: Any) -> list[tuple[str, str, float]]:
    """What is found: filename, text and score of each passage, the best first."""
    request = vector_store_service_pb2.SearchVectorStoreRequest(id=store_id, queries=queries, **more)
    found = await stores(core).SearchVectorStore(request, metadata=core.metadata())
    return [(each.filename, each.text, each.score) for each in found.results]


def knowledge_in_days(core: CoreUnderTest, days: int) -> Knowledge:
    """What the core knows, as it will be in so many days."""

    def clock() -> int:
        return now_ms() + int(days * DAY * 1000)

    return Knowledge.on(core.core.database, owner="test", clock=clock, new_id=new_id, shared=True)
