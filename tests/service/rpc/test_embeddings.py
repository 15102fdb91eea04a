"""With an embeddings model files are found by what they mean; without its server by their words, and that is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest
from nodexa.v1 import file_service_pb2
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CreateResponseRequest
from nodexa.v1.tool_pb2 import Tool, ToolSet
from nodexa.v1.vector_store_pb2 import AttributeValue, VectorStoreFile

from service.model.scripted import ScriptedModel, calls, says
from service.settings import Settings
from service.store.archive import problems
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.embeddings_server import EmbeddingsServer
from tests.service.files import files, in_store, read, search, store, stores, upload
from tests.service.refusals import refusal
from tests.service.requests import user

SECONDS = 30.0
COMPLETED = VectorStoreFile.STATUS_COMPLETED
CAR, CATS = "The car is parked behind the house.", "Cats sleep most of the day."


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingsServer]:
    async with EmbeddingsServer() as running:
        yield running


def embedding(
    settings: Settings, server: EmbeddingsServer, *, model: str = "words", more: str = ""
) -> AbstractAsyncContextManager[CoreUnderTest]:
    """A core whose operator named the server."""
    settings.data.mkdir(mode=0o700, exist_ok=True)
    text = f'[embeddings]\nbase_url = "{server.url}"\nmodel = "{model}"\n{more}\n'
    (settings.data / "nodexa.toml").write_text(text)
    return running_core(settings, ScriptedModel())


@pytest.fixture
async def core(settings: Settings, server: EmbeddingsServer) -> AsyncIterator[CoreUnderTest]:
    async with embedding(settings, server, more="batch = 2") as running:
        yield running


async def found(core: CoreUnderTest, store_id: str, *queries: str, **more: object) -> list[str]:
    return [text for _, text, _ in await search(core, store_id, *queries, **more)]


async def vectors(core: CoreUnderTest) -> list[tuple[str, int]]:
    """The model and the size of each vector that is kept."""
    return await core.core.database.read(
        lambda db: db.conn.execute("select model, length(data) from vectors order by passage_id").fetchall()
    )


async def until_embedded(core: CoreUnderTest, store_id: str, file_id: str, *, passages: int) -> VectorStoreFile:
    """The file once so many of its passages are embedded, and nothing is wrong with it."""
    async with asyncio.timeout(SECONDS):
        while True:
            file = await in_store(core, store_id, file_id)
            if file.embedded_passages == passages and not file.HasField("error"):
                return file


async def test_other_words_of_the_same_meaning_find_it(core: CoreUnderTest) -> None:
    made = await store(core, await upload(core, CAR), await upload(core, CATS))

    assert (await found(core, made, "my automobile"))[0] == CAR
    assert await found(core, made, "vehicle") == [CAR]
    both = await search(core, made, "car")
    assert both[0][1:] == (CAR, 1.0)
    assert await found(core, made, "quantum chromodynamics") == []


async def test_weights_and_thresholds_hold(core: CoreUnderTest) -> None:
    made = await store(core, await upload(core, CAR), await upload(core, "An automobile museum."))

    words = {"embedding_weight": 0, "text_weight": 1}
    assert await found(core, made, "automobile", hybrid=words) == ["An automobile museum."]
    meaning = {"embedding_weight": 1, "text_weight": 0}
    assert set(await found(core, made, "automobile", hybrid=meaning)) == {CAR, "An automobile museum."}
    assert await found(core, made, "automobile", score_threshold=0.99) == ["An automobile museum."]
    for wrong in ({"embedding_weight": 0, "text_weight": 0}, {"embedding_weight": -1, "text_weight": 1}):
        request = pb.SearchVectorStoreRequest(id=made, queries=["a"], hybrid=wrong)
        answer = await refusal(stores(core).SearchVectorStore(request, metadata=core.metadata()))
        assert (answer.reason, answer.param) == ("invalid_request", "ranking_options.hybrid_search")


async def test_a_file_is_embedded_in_batches_which_its_progress_tells(
    core: CoreUnderTest, server: EmbeddingsServer
) -> None:
    name = await upload(core, " ".join(f"w{number}" for number in range(500)))
    server.gate.clear()
    chunking = {"max_chunk_tokens": 100, "overlap_tokens": 0}
    request = pb.CreateVectorStoreRequest(file_ids=[name], chunking=chunking)
    made = (await stores(core).CreateVectorStore(request, metadata=core.metadata())).id
    async with asyncio.timeout(SECONDS):
        await server.came.wait()
    waiting = await in_store(core, made, name)
    assert (waiting.status, waiting.passages) == (VectorStoreFile.STATUS_IN_PROGRESS, 5)
    assert waiting.embedded_passages == 0
    server.gate.set()
    await read(core, made)

    done = await in_store(core, made, name)
    assert (done.status, done.passages, done.embedded_passages) == (COMPLETED, 5, 5)
    assert [len(asked.json["input"]) for asked in server.asked] == [2, 2, 1]
    assert await vectors(core) == [("words", 4 * 512)] * 5


async def test_a_failing_server_leaves_files_that_are_found_by_words_until_it_is_back(
    core: CoreUnderTest, server: EmbeddingsServer
) -> None:
    server.status = 500
    name = await upload(core, CAR)
    made = await store(core, name)

    file = await in_store(core, made, name)
    assert (file.status, file.error.code, file.embedded_passages) == (COMPLETED, "server_error", 0)
    assert file.error.message.startswith("It is found by its words only so far")
    assert "upstream-secret" not in file.error.message
    assert await found(core, made, "car") == [CAR]
    assert await found(core, made, "automobile") == []

    server.status = 200
    await again_at_once(core)
    await until_embedded(core, made, name, passages=1)
    assert await found(core, made, "automobile") == [CAR]


async def again_at_once(core: CoreUnderTest) -> None:
    """The server is asked again without a rest, as it would be in a minute."""
    sql = "update vector_store_files set embed_after = 0"
    await core.core.database.write(lambda db: db.conn.execute(sql).rowcount)


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_question_that_can_t_be_embedded_is_asked_by_its_words(
    core: CoreUnderTest, server: EmbeddingsServer, *, hangs: bool
) -> None:
    made = await store(core, await upload(core, CAR))
    if hangs:
        server.gate.clear()
    else:
        server.status = 401
    first = await search(core, made, "the car")
    assert [(text, score) for _, text, score in first] == [(CAR, 1.0)]
    # Nobody waits for it a second time.
    server.asked.clear()
    assert await found(core, made, "car") == [CAR]
    assert server.asked == []


@pytest.mark.parametrize("complaint", [(400, "context_length_exceeded"), (413, "inputs must have less than 80 tokens")])
async def test_passages_that_the_model_can_t_read_are_found_by_words_and_counted(
    core: CoreUnderTest, server: EmbeddingsServer, complaint: tuple[int, str]
) -> None:
    server.longest, server.complaint = 80, complaint
    name = await upload(core, " ".join(f"w{number}" for number in range(150)))
    made = await store(core, name, chunking={"max_chunk_tokens": 100, "overlap_tokens": 0})

    file = await in_store(core, made, name)
    assert (file.status, file.passages, file.embedded_passages) == (COMPLETED, 2, 2)
    assert file.error.message.startswith("1 passages can't be read by the model 'words'")
    assert await vectors(core) == [("words", 0), ("words", 4 * 512)]
    assert len(await found(core, made, "w1")) == 1
    assert len(await found(core, made, "w140")) == 1


async def test_vectors_of_two_models_are_never_mixed(settings: Settings, server: EmbeddingsServer) -> None:
    async with embedding(settings, server) as first:
        name = await upload(first, CAR)
        made = await store(first, name)
        assert await vectors(first) == [("words", 4 * 512)]
    server.gate.clear()
    server.came.clear()
    async with embedding(settings, server, model="others", more="dimensions = 32") as again:
        core = replace(again, quickstart=first.quickstart)
        async with asyncio.timeout(SECONDS):
            await server.came.wait()
        # It is being embedded anew, and the old vector is nobody's.
        searching = asyncio.create_task(found(core, made, "automobile car"))
        assert await searching == [CAR]
        server.gate.set()
        async with asyncio.timeout(SECONDS):
            while await vectors(core) != [("others@32", 4 * 32)]:
                pass
        await again_at_once(core)
    (settings.data / "nodexa.toml").unlink()
    async with running_core(settings, ScriptedModel()) as without:
        core = replace(without, quickstart=first.quickstart)
        assert await found(core, made, "automobile") == []
        assert await found(core, made, "car") == [CAR]


async def test_files_that_were_there_before_are_embedded(settings: Settings, server: EmbeddingsServer) -> None:
    async with running_core(settings, ScriptedModel()) as first:
        name = await upload(first, CAR)
        made = await store(first, name)
        assert (await in_store(first, made, name)).embedded_passages == 0
    async with embedding(settings, server) as again:
        core = replace(again, quickstart=first.quickstart)
        await until_embedded(core, made, name, passages=1)
        assert await found(core, made, "automobile") == [CAR]


async def test_what_is_deleted_takes_its_vectors_along(core: CoreUnderTest) -> None:
    name = await upload(core, CAR)
    made = await store(core, name)
    assert len(await vectors(core)) == 1
    await files(core).DeleteFile(file_service_pb2.DeleteFileRequest(id=name), metadata=core.metadata())
    assert await found(core, made, "automobile") == []
    await stores(core).DeleteVectorStore(pb.DeleteVectorStoreRequest(id=made), metadata=core.metadata())
    async with asyncio.timeout(SECONDS):
        while await vectors(core):
            pass
    assert problems(core.data / "nodexa.db") == []


async def test_a_file_that_is_taken_out_is_embedded_no_further(core: CoreUnderTest, server: EmbeddingsServer) -> None:
    name = await upload(core, " ".join(f"w{number}" for number in range(900)))
    server.gate.clear()
    request = pb.CreateVectorStoreRequest(file_ids=[name], chunking={"max_chunk_tokens": 100, "overlap_tokens": 0})
    made = (await stores(core).CreateVectorStore(request, metadata=core.metadata())).id
    async with asyncio.timeout(SECONDS):
        await server.came.wait()
    taken = pb.DeleteVectorStoreFileRequest(vector_store_id=made, file_id=name)
    await stores(core).DeleteVectorStoreFile(taken, metadata=core.metadata())
    server.gate.set()
    async with asyncio.timeout(SECONDS):
        while await core.core.database.read(lambda db: db.conn.execute("select count(*) from passages").fetchone()[0]):
            pass
    assert len(server.asked) == 1


async def test_filters_hold_for_meanings_too(core: CoreUnderTest) -> None:
    made = await store(core)
    for text, year in ((CAR, 1990), ("A car of tomorrow.", 2040)):
        file = pb.NewVectorStoreFile(file_id=await upload(core, text), attributes={"year": AttributeValue(number=year)})
        request = pb.CreateVectorStoreFileRequest(vector_store_id=made, file=file)
        await stores(core).CreateVectorStoreFile(request, metadata=core.metadata())
    await read(core, made)
    old = '{"type": "lt", "key": "year", "value": 2000}'
    assert await found(core, made, "automobile", filters_json=old) == [CAR]


async def test_a_model_finds_what_it_asks_for_in_other_words(core: CoreUnderTest) -> None:
    made = await store(core, await upload(core, CAR, filename="car.txt"), await upload(core, CATS))
    core.model.add(calls(("file_search", '{"queries": ["automobile"]}')), says("Behind the house [1]."))
    weights = {"embedding_weight": 2, "text_weight": 0.5}
    told = {"type": "file_search", "vector_store_ids": [made], "ranking_options": {"hybrid_search": weights}}
    tools = ToolSet(tools=[Tool(opaque=Opaque(type="file_search", json=json.dumps(told)))])
    request = CreateResponseRequest(
        assistant_id=core.assistant_id,
        input=[user("Where is it?")],
        settings=ResponseSettings(tools=tools, include=["file_search_call.results"]),
    )
    answer = await core.responses.CreateResponse(request, metadata=core.metadata())

    search, message = answer.output
    results = json.loads(search.opaque.json)["results"]
    assert [(each["filename"], each["text"], each["score"]) for each in results] == [("car.txt", CAR, 0.8)]
    assert "file_citation" in message.message.content[0].output_text.annotations_json[0]
