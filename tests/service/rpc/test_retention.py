"""A response outlives its log: it can still be read and continued, and a replay is refused in words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import grpc
from nodexa.v1.admin_service_pb2 import PruneRequest
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import GetResponseRequest, WatchResponseRequest

from service.model.scripted import ScriptedModel, says
from service.settings import Settings
from tests.conftest import running_core
from tests.service.refusals import refusal
from tests.service.requests import create


async def test_a_response_can_be_read_and_continued_without_its_log(settings: Settings) -> None:
    model = ScriptedModel([says("First."), says("Second.")])
    async with running_core(replace(settings, log_retention=-1), model) as core:
        first = await create(core, "Hello")
        pruned = await core.admin.Prune(PruneRequest(), metadata=core.metadata())
        assert (pruned.responses, pruned.logs) == (0, 1)

        watching = core.responses.WatchResponse(WatchResponseRequest(id=first.id), metadata=core.metadata())
        answer = await refusal(watching)
        assert (answer.status, answer.reason, answer.param) == ("FAILED_PRECONDITION", "events_expired", "id")
        again = await core.responses.GetResponse(GetResponseRequest(id=first.id), metadata=core.metadata())
        assert again == first
        second = await create(core, "More", previous_response_id=first.id)
        assert second.output[0].message.content[0].output_text.text == "Second."


async def test_what_was_kept_long_enough_is_deleted_without_being_asked(settings: Settings) -> None:
    async with running_core(replace(settings, retention=0, upkeep=0.05), ScriptedModel([says("Gone.")])) as core:
        made = await create(core, "Hello")
        asked = GetResponseRequest(id=made.id)
        async with asyncio.timeout(10):
            while await found(core.responses.GetResponse(asked, metadata=core.metadata())):
                pass
        gone = await refusal(core.responses.GetResponse(asked, metadata=core.metadata()))
        assert gone.reason == "response_not_found"


async def found(call: Awaitable[Response]) -> bool:
    try:
        await call
    except grpc.aio.AioRpcError:
        return False
    return True
