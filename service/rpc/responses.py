"""ResponseService: each method calls the runner and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar, cast

from google.protobuf.empty_pb2 import Empty
from nodexa.v1 import response_service_pb2 as pb
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2_grpc import ResponseServiceServicer

from service.errors import NodexaError
from service.rpc.caller import CALLER
from service.rpc.gate import Context
from service.rpc.head import send_head
from service.rpc.pages import cut_page, page_size, rest_after
from service.runner.caller import Caller
from service.runner.kept import FROM_THE_START
from service.runner.limits import Limiter
from service.runner.runner import Runner
from service.runner.telling import Told
from service.store.requests import Earlier

M = TypeVar("M")


class ResponseServicer(ResponseServiceServicer):
    """Start, watch, read and stop responses."""

    def __init__(self, runner: Runner, limiter: Limiter) -> None:
        self.runner = runner
        self._limiter = limiter

    async def CreateResponse(self, request: pb.CreateResponseRequest, context: Context) -> Response:
        caller = CALLER.get()
        run = await self.runner.start(request, caller, streaming=False)
        if caller.told_first:
            await self._tell_limits(context, caller)
        if isinstance(run, Earlier):
            return await self.runner.again(run.response_id, caller)
        if run.row.background:
            return await self.runner.get(run.row.id, caller)
        return _as_message(await self.runner.telling.result(run), Response)

    async def StreamResponse(
        self, request: pb.CreateResponseRequest, context: Context
    ) -> AsyncGenerator[EventBatch, None]:
        caller = CALLER.get()
        run = await self.runner.start(request, caller, streaming=True)
        if caller.told_first:
            await self._tell_limits(context, caller)
        runner = self.runner
        events = runner.watch(run.response_id, caller) if isinstance(run, Earlier) else runner.telling.follow(run)
        async with aclosing(events) as batches:
            async for batch in batches:
                yield _as_message(batch, EventBatch)

    async def WatchResponse(
        self, request: pb.WatchResponseRequest, context: Context
    ) -> AsyncGenerator[EventBatch, None]:
        after = request.starting_after if request.HasField("starting_after") else FROM_THE_START
        if request.HasField("starting_after") and after < 0:
            raise NodexaError("invalid_request", "starting_after must not be negative.", param="starting_after")
        async with aclosing(self.runner.watch(request.id, CALLER.get(), after=after)) as batches:
            async for batch in batches:
                yield _as_message(batch, EventBatch)

    async def GetResponse(self, request: pb.GetResponseRequest, context: Context) -> Response:
        return await self.runner.get(request.id, CALLER.get())

    async def ListResponses(self, request: pb.ListResponsesRequest, context: Context) -> pb.ListResponsesResponse:
        size = page_size(request.page_size)
        found = await self.runner.kept.page(
            CALLER.get(), assistant_id=request.assistant_id, before=request.page_token, limit=size + 1
        )
        page, token = cut_page(found, size)
        return pb.ListResponsesResponse(responses=page, next_page_token=token)

    async def ListInputItems(self, request: pb.ListInputItemsRequest, context: Context) -> pb.ListInputItemsResponse:
        size = page_size(request.page_size)
        items = list(await self.runner.kept.input_items(request.response_id, CALLER.get()))
        if request.order != pb.ListInputItemsRequest.ORDER_ASC:
            items.reverse()
        page, token = cut_page(rest_after(items, request.page_token)[: size + 1], size)
        return pb.ListInputItemsResponse(items=page, next_page_token=token)

    async def CancelResponse(self, request: pb.CancelResponseRequest, context: Context) -> Response:
        return await self.runner.cancel(request.id, CALLER.get())

    async def DeleteResponse(self, request: pb.DeleteResponseRequest, context: Context) -> Empty:
        await self.runner.delete(request.id, CALLER.get())
        return Empty()

    async def CountInputTokens(
        self, request: pb.CountInputTokensRequest, context: Context
    ) -> pb.CountInputTokensResponse:
        return await self.runner.enquiries.count(request, CALLER.get())

    async def CompactResponse(self, request: pb.CompactResponseRequest, context: Context) -> pb.CompactedConversation:
        caller = CALLER.get()
        compacted = await self.runner.compact(request, caller)
        if caller.told_first:
            await self._tell_limits(context, caller)
        return compacted

    async def _tell_limits(self, context: Context, caller: Caller) -> None:
        await send_head(context, caller, self._limiter.standing(caller))


def _as_message(told: Told, kind: type[M]) -> M:
    """What went to disk, or will, in the place of the message that it is: the gate passes it on as it is."""
    return cast(M, told)
