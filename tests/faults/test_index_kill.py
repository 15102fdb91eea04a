"""`kill -9` of the core while it reads and embeds files: the next one goes on, to `completed` or a true `failed`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nodexa.v1 import file_service_pb2 as files_pb
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.file_pb2 import File
from nodexa.v1.file_service_pb2_grpc import FileServiceStub
from nodexa.v1.vector_store_pb2 import ChunkingStrategy, VectorStoreFile
from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceStub

from tests.fakes.embeddings_server import EmbeddingsServer
from tests.faults.core_process import SECONDS, CoreProcess, answering_core, integrity, wrong_with

if TYPE_CHECKING:
    from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceAsyncStub

IN_PROGRESS = VectorStoreFile.STATUS_IN_PROGRESS
WORDS = 100
LARGE = 60_000
"""Words of a file that takes some seconds to be written down."""


def stores(core: CoreProcess) -> VectorStoreServiceAsyncStub:
    assert core.channel
    return VectorStoreServiceStub(core.channel)


async def upload(core: CoreProcess, text: str, filename: str = "a.txt") -> str:
    assert core.channel
    request = files_pb.CreateFileRequest(filename=filename, purpose=File.PURPOSE_ASSISTANTS, data=text.encode())
    made = await FileServiceStub(core.channel).CreateFile(request, metadata=core.metadata)
    return str(made.id)


async def store(core: CoreProcess, *file_ids: str) -> str:
    chunking = ChunkingStrategy(max_chunk_tokens=WORDS, overlap_tokens=0)
    request = pb.CreateVectorStoreRequest(file_ids=file_ids, chunking=chunking)
    made = await stores(core).CreateVectorStore(request, metadata=core.metadata)
    return str(made.id)


async def until(core: CoreProcess, store_id: str, file_id: str, wanted: Callable[[VectorStoreFile], bool]) -> None:
    """Returns once the file is as it is wanted."""
    request = pb.GetVectorStoreFileRequest(vector_store_id=store_id, file_id=file_id)
    async with asyncio.timeout(SECONDS):
        while not wanted(await stores(core).GetVectorStoreFile(request, metadata=core.metadata)):
            pass


async def settled(core: CoreProcess, store_id: str, file_id: str) -> VectorStoreFile:
    """The file once nothing is to be done with it."""
    await until(core, store_id, file_id, lambda file: file.status != IN_PROGRESS)
    request = pb.GetVectorStoreFileRequest(vector_store_id=store_id, file_id=file_id)
    return await stores(core).GetVectorStoreFile(request, metadata=core.metadata)


async def passages(core: CoreProcess, store_id: str, file_id: str) -> list[str]:
    request = pb.ReadVectorStoreFileRequest(vector_store_id=store_id, file_id=file_id)
    told = stores(core).ReadVectorStoreFile(request, metadata=core.metadata)
    return [text async for message in told for text in message.texts]


async def test_what_was_being_read_is_read_anew_and_what_can_t_be_says_so(tmp_path: Path) -> None:
    text = " ".join(f"w{number}" for number in range(LARGE))
    async with answering_core(tmp_path / "var") as core:
        # Two are read at a time, so the third one waits.
        names = [await upload(core, text), await upload(core, text), await upload(core, "\0", "a.png")]
        made = await store(core, *names)
        await until(core, made, names[0], lambda file: 0 < file.passages < LARGE // WORDS)
        await core.kill()
    assert integrity(tmp_path / "var") == "ok"

    async with answering_core(tmp_path / "var") as core:
        for name in names[:2]:
            file = await settled(core, made, name)
            assert (file.status, file.passages) == (VectorStoreFile.STATUS_COMPLETED, LARGE // WORDS)
            assert " ".join(await passages(core, made, name)) == text
        failed = await settled(core, made, names[2])
        assert (failed.status, failed.error.code) == (VectorStoreFile.STATUS_FAILED, "unsupported_file")
        assert await core.terminate() == 0
    assert wrong_with(tmp_path / "var") == []


async def test_what_was_embedded_before_is_not_embedded_again(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir(mode=0o700)
    async with EmbeddingsServer() as server:
        table = f'[embeddings]\nbase_url = "{server.url}"\nmodel = "words"\nbatch = 1\n'
        (data / "nodexa.toml").write_text(table)
        async with answering_core(data) as core:
            name = await upload(core, " ".join(f"w{number}" for number in range(4 * WORDS)))
            server.replies = 2
            made = await store(core, name)
            await until(core, made, name, lambda file: file.embedded_passages == 2)
            await core.kill()
        assert integrity(data) == "ok"
        before = list(server.texts)
        server.replies = None
        server.gate.set()

        async with answering_core(data) as core:
            file = await settled(core, made, name)
            assert (file.status, file.embedded_passages) == (VectorStoreFile.STATUS_COMPLETED, 4)
            assert not file.HasField("error")
            assert [text.split()[0] for text in before] == ["w0", "w100"]
            # The one that was under way may have come twice.
            again = [text.split()[0] for text in server.texts[2:]]
            assert (set(again), again.count("w300")) == ({"w200", "w300"}, 1)
            assert await core.terminate() == 0
    assert wrong_with(data) == []
