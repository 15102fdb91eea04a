"""A run ends once and always: whoever leaves, stops it early, or takes the disk away."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import GetResponseRequest, WatchResponseRequest

from service.errors import NodexaError
from service.ids import new_id
from service.keys import load_keyring
from service.knowledge.uploads import Uploads
from service.model.chunk import TextDelta
from service.model.scripted import STOP, ScriptedModel, says
from service.runner.admission import Admission
from service.runner.attachments import Attachments
from service.runner.caller import Caller
from service.runner.conversations import Conversations
from service.runner.ending import Stop
from service.runner.history import History
from service.runner.known import Known
from service.runner.limits import Limiter
from service.runner.log import MESSAGE_BYTES
from service.runner.memory import Memories
from service.runner.reading import Reading
from service.runner.references import References
from service.runner.run import Run
from service.runner.runner import Runner
from service.runner.tooling import Tooling
from service.seal import Seal
from service.server import MASTER_KEY
from service.settings import Settings, monotonic_ms, now_ms
from service.store.claims import ClaimStore
from service.store.conversations import ConversationStore
from service.store.files import FileStore
from service.store.memories import MemoryStore
from service.store.requests import RequestStore
from service.store.responses import ResponseStore
from service.store.steps import StepStore
from service.store.working_keys import WorkingKeys
from service.tools.toolbox import Toolbox
from tests.conftest import CoreUnderTest, events_in, running_core
from tests.service.refusals import refusal
from tests.service.requests import asking, create, get, organization_id, said, stream, watch
from tests.service.runner.ladder import climb, kinds

CANCELLED = Response.STATUS_CANCELLED


def runner_beside(core: CoreUnderTest, *, ids: Callable[[str], str] = new_id, grace: float = 0) -> Runner:
    """A second owner of runs on the same store, with ids that the test hears of."""
    store = ResponseStore(core.core.database)
    history = History(store)
    kept = ConversationStore(core.core.database)
    references = References(store, kept)
    seal = Seal(load_keyring(core.data / MASTER_KEY))
    reading = Reading(
        catalog=core.core.catalog,
        history=history,
        conversations=Conversations(store=kept, references=references, clock=now_ms, new_id=ids),
        references=references,
        known=Known(ClaimStore(core.core.database), Memories(MemoryStore(core.core.database), now_ms, ids)),
        seal=seal,
        toolbox=Toolbox(),
        attachments=Attachments(Uploads(FileStore(core.core.database), clock=now_ms)),
        new_id=ids,
    )
    admission = Admission(
        store=store,
        history=history,
        reading=reading,
        tooling=Tooling(Toolbox(), StepStore(core.core.database, owner="")),
        seal=seal,
        clock=now_ms,
        new_id=ids,
        grace=grace,
        retention=60,
    )
    return Runner(
        store=store,
        requests=RequestStore(core.core.database),
        admission=admission,
        history=history,
        limiter=Limiter(monotonic_ms, WorkingKeys(core.core.database).limits_of),
        drain=0,
    )


async def test_a_caller_that_leaves_while_the_start_is_written_leaves_no_orphan(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    caller = Caller(org_id=await organization_id(core), key_id="key")
    named: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def told(prefix: str) -> str:
        made = new_id(prefix)
        if prefix == "resp":
            named.set_result(made)
        return made

    runner = runner_beside(core, ids=told)
    disk = threading.Event()
    slow = asyncio.create_task(core.core.database.write(lambda db: disk.wait(30)))
    leaving = asyncio.create_task(runner.start(asking(core, request_id="one"), caller, streaming=True))
    response_id = await named

    leaving.cancel()
    disk.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(10):
        await runner.close()
    assert await slow

    climb(await watch(core, response_id))


async def test_a_run_that_is_stopped_before_its_first_step_ends_all_the_same(core: CoreUnderTest) -> None:
    core.model.add(says("never"))
    caller = Caller(org_id=await organization_id(core), key_id="key")
    run = await core.core.runner.start(asking(core), caller, streaming=True)

    assert isinstance(run, Run)
    run.stop(Stop.CANCELLED)

    async with asyncio.timeout(10):
        await run.wait()
    assert run.response.status == CANCELLED
    assert not core.model.prompts


async def test_what_is_not_stored_is_cancelled_when_its_reader_leaves(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    settings = ResponseSettings(store=False)
    call = core.responses.StreamResponse(asking(core, settings=settings), metadata=core.metadata())
    async for _ in call:
        break

    call.cancel()

    async with asyncio.timeout(10):
        while not core.model.stopped:
            await organization_id(core)


async def test_what_is_not_stored_streams_like_everything_else(core: CoreUnderTest) -> None:
    core.model.add(says("Good day"))

    events = await stream(core, settings=ResponseSettings(store=False))

    climb(events)
    missing = GetResponseRequest(id=events[0].created.response.id)
    answer = await refusal(core.responses.GetResponse(missing, metadata=core.metadata()))
    assert answer.reason == "response_not_found"


async def test_what_is_not_stored_cannot_be_continued(core: CoreUnderTest) -> None:
    core.model.add(says("Good day"))
    first = await create(core, settings=ResponseSettings(store=False))

    request = asking(core, "On", previous_response_id=first.id)
    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert answer.reason == "previous_response_not_found"


async def test_a_stopping_core_takes_nothing_new_and_ends_what_runs(settings: Settings) -> None:
    gate = asyncio.Event()
    async with running_core(settings, ScriptedModel([[[TextDelta("Once")], gate]])) as core:
        running = await create(core, settings=ResponseSettings(background=True))
        following = asyncio.create_task(watch(core, running.id))

        closing = asyncio.create_task(core.core.runner.close())
        await asyncio.sleep(0)
        answer = await refusal(core.responses.CreateResponse(asking(core), metadata=core.metadata()))
        events = await following
        await closing

    assert (answer.status, answer.reason, answer.retry_after) == ("UNAVAILABLE", "server_draining", 1)
    climb(events)
    assert events[-1].failed.response.error.code == "server_error"
    assert said(events[-1].failed.response) == "Once"


async def test_a_stopping_core_lets_what_is_nearly_done_finish(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [STOP]])
    running = await create(core, settings=ResponseSettings(background=True))

    closing = asyncio.create_task(core.core.runner.close())
    gate.set()
    await closing

    assert (await get(core, running.id)).status == Response.STATUS_COMPLETED


async def test_a_bug_of_ours_fails_the_response_and_tells_nothing(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], RuntimeError("secret")])

    events = await stream(core)

    climb(events)
    error = events[-1].failed.response.error
    assert error.code == "internal_error"
    assert "secret" not in error.message


async def test_every_reader_gets_every_event_wherever_it_starts_and_however_late(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    words = [[TextDelta(f"{number} ")] for number in range(200)]
    core.model.add([*words[:100], gate, *words[100:], [STOP]])
    running = await create(core, settings=ResponseSettings(background=True))

    early = [asyncio.create_task(watch(core, running.id, after)) for after in (None, 0, 50, 100, 205)]
    gate.set()
    read = await asyncio.gather(*early)
    late = await watch(core, running.id)

    climb(late)
    assert read == [late, late[1:], late[51:], late[101:], late[206:]]


async def test_reading_a_running_response_shows_what_is_written_so_far(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), STOP]])
    call = core.responses.StreamResponse(asking(core), metadata=core.metadata())
    seen: list[str] = []
    response_id = ""
    async for batch in call:
        response_id = response_id or batch.events[0].created.response.id
        seen += kinds(batch.events)
        if "output_text_delta" in seen:
            break

    assert said(await get(core, response_id)) == "Once"
    gate.set()
    events = await watch(core, response_id)
    assert said(events[-1].completed.response) == "Once more"


async def test_a_failure_before_any_output_is_the_error_of_a_unary_call(core: CoreUnderTest) -> None:
    core.model.add([NodexaError("upstream_error", "The model server failed.")])

    answer = await refusal(core.responses.CreateResponse(asking(core), metadata=core.metadata()))

    assert (answer.status, answer.reason) == ("UNAVAILABLE", "upstream_error")
    stored = await get(core, answer.response_id)
    assert (stored.status, stored.error.code) == (Response.STATUS_FAILED, "upstream_error")


async def test_a_run_that_failed_is_gone_before_anyone_looks_for_garbage(core: CoreUnderTest) -> None:
    core.model.add(*([*said, NodexaError("upstream_error", "It failed.")] for said in ([], [], [[TextDelta("Once")]])))
    gc.collect()
    others = {id(each) for each in gc.get_objects() if issubclass(type(each), Run)}
    gc.disable()
    try:
        assert (await refusal(core.responses.CreateResponse(asking(core), metadata=core.metadata()))).response_id
        for _ in range(2):
            assert (await stream(core))[-1].failed.response.error.code == "upstream_error"
        async with asyncio.timeout(5):
            while any(issubclass(type(each), Run) and id(each) not in others for each in gc.get_objects()):  # noqa: ASYNC110
                await asyncio.sleep(0)  # a last callback
    finally:
        gc.enable()


async def test_a_reader_that_comes_late_gets_pieces_of_a_bounded_size(core: CoreUnderTest) -> None:
    words = [[TextDelta(f"{number:05}" * 900)] for number in range(200)]
    core.model.add([*words, [STOP]])
    whole = await stream(core)

    request = WatchResponseRequest(id=whole[0].created.response.id)
    batches = [batch async for batch in core.responses.WatchResponse(request, metadata=core.metadata())]

    assert events_in(batches) == whole
    assert len(batches) >= 3
    # The events that repeat the whole text are larger by themselves; nothing of such a size is beside them.
    pieces = [EventBatch(events=batch.events[:-1]) for batch in batches]
    assert max(batch.ByteSize() for batch in pieces) < 2 * MESSAGE_BYTES
