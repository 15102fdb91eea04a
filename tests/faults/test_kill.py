"""`kill -9` of the core: what a client saw is in the log, and every response ends once and truthfully."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from nodexa.v1.conversation_service_pb2 import CreateConversationRequest, ListConversationItemsRequest
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceStub
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import GetResponseRequest

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, integrity, watched
from tests.service.refusals import refusal
from tests.service.requests import user, words_of
from tests.service.runner.ladder import climb

if TYPE_CHECKING:
    from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceAsyncStub

SLOW = Reply(words(" ".join(str(number) for number in range(1000))), pause=0.002)


def conversations(core: CoreProcess) -> ConversationServiceAsyncStub:
    """The service; its calls need `metadata`."""
    assert core.channel
    return ConversationServiceStub(core.channel)


async def stream_until(core: CoreProcess, assistant_id: str, count: int) -> EventBatch:
    """What a stream says until the core is killed, which it is after `count` events at the earliest."""
    seen = EventBatch()
    call = core.responses.StreamResponse(asking(assistant_id, "Count"), metadata=core.metadata)
    try:
        async for batch in call:
            seen.events.extend(batch.events)
            if len(seen.events) >= count and core.process.returncode is None:
                core.process.kill()
    except grpc.aio.AioRpcError:
        await core.ended()
    assert await call.code() == grpc.StatusCode.UNAVAILABLE
    return seen


# Right after the first events, in the middle of the first item, and anywhere later.
@pytest.mark.parametrize("count", [1, 3, 5, 40, 200])
async def test_what_a_client_saw_survives_the_core(tmp_path: Path, count: int) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        upstream.replies.append(SLOW)
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            seen = await stream_until(core, assistant_id, count)
        assert integrity(data) == "ok"
        assert len(seen.events) >= count

        async with answering_core(data) as core:
            response_id = seen.events[0].created.response.id
            whole = await watched(core, response_id)
            kept = EventBatch(events=whole.events[: len(seen.events)])
            assert kept.SerializeToString(deterministic=True) == seen.SerializeToString(deterministic=True)
            climb(whole.events)
            failed = whole.events[-1].failed.response
            assert (failed.status, failed.error.code) == (Response.STATUS_FAILED, "server_error")
            read = await core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=core.metadata)
            read.ClearField("settings")
            assert read == failed
            assert await watched(core, response_id) == whole

            request = asking(assistant_id, "Go on", previous_response_id=response_id)
            answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata))
            assert answer.reason == "previous_response_failed"
            # Nobody asks the model a second time; a core that was quick to die never asked at all.
            assert len(upstream.requests) <= 1
            assert await core.terminate() == 0
        assert integrity(data) == "ok"


async def test_a_conversation_goes_on_after_a_crash_between_its_turns(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            request = asking(assistant_id, "I am Alice")
            first = await core.responses.CreateResponse(request, metadata=core.metadata)
            await core.kill()

        async with answering_core(data) as core:
            request = asking(assistant_id, "recall", previous_response_id=first.id)
            second = await core.responses.CreateResponse(request, metadata=core.metadata)

    assert second.output[0].message.content[0].output_text.text == "I am Alice"
    assert [message["content"] for message in upstream.requests[1].body["messages"]] == [
        *("I am Alice", "I am Alice", "recall"),
    ]


async def test_a_conversation_is_not_locked_by_a_response_that_died_with_its_core(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        upstream.gate.clear()
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            first = CreateConversationRequest(items=[user("I am Alice")])
            kept = await conversations(core).CreateConversation(first, metadata=core.metadata)
            lost = asking(assistant_id, "Lost", conversation_id=kept.id)
            await anext(aiter(core.responses.StreamResponse(lost, metadata=core.metadata)))
            await core.kill()

        upstream.gate.set()
        async with answering_core(data) as core:
            request = asking(assistant_id, "recall", conversation_id=kept.id)
            answer = await core.responses.CreateResponse(request, metadata=core.metadata)
            listing = ListConversationItemsRequest(conversation_id=kept.id)
            listed = await conversations(core).ListConversationItems(listing, metadata=core.metadata)

    assert answer.output[0].message.content[0].output_text.text == "I am Alice"
    assert words_of(list(listed.items)) == ["I am Alice", "recall", "I am Alice"]


async def test_a_core_that_dies_at_its_start_does_no_harm(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        upstream.replies.append(SLOW)
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            seen = await stream_until(core, assistant_id, 10)
        for _ in range(2):
            async with answering_core(data) as core:
                await core.kill()
        async with answering_core(data) as core:
            told = (await watched(core, seen.events[0].created.response.id)).events
    climb(told)
    assert told[: len(seen.events)] == seen.events
