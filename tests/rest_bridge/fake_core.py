"""A real gRPC server that breaks on cue: what a core does when it dies can't be asked of a live one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from nodexa.v1 import response_service_pb2 as pb
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2_grpc import ResponseServiceServicer, add_ResponseServiceServicer_to_server

from service.rpc.hop import Bridges, Rpcs

Context = grpc.aio.ServicerContext[Any, Any]
Story = Callable[[Context], AsyncIterator[EventBatch]]
RESPONSE_ID = "resp_1"
PLAIN = "/plain.sock"
"""How the address of a core ends that takes plain gRPC calls only, as one of another version does."""


@dataclass
class FakeCore(ResponseServiceServicer):
    """Plays one story a call, in the order given. `calls` are what came; `over` is set once one ended or was left."""

    stories: deque[Story] = field(default_factory=deque)
    calls: list[Any] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def CreateResponse(self, request: pb.CreateResponseRequest, context: Context) -> Response:
        async for _ in self._play(request, context):
            pass
        return Response(id=RESPONSE_ID, status=Response.STATUS_COMPLETED)

    async def StreamResponse(
        self, request: pb.CreateResponseRequest, context: Context
    ) -> AsyncGenerator[EventBatch, None]:
        async for batch in self._play(request, context):
            yield batch

    async def WatchResponse(
        self, request: pb.WatchResponseRequest, context: Context
    ) -> AsyncGenerator[EventBatch, None]:
        async for batch in self._play(request, context):
            yield batch

    async def _play(self, request: Any, context: Context) -> AsyncGenerator[EventBatch, None]:
        self.calls.append(request)
        self.called.set()
        try:
            async for batch in self.stories.popleft()(context):
                yield batch
        finally:
            self.over.set()


@asynccontextmanager
async def serving_fake(address: str, *stories: Story, listens: bool = True) -> AsyncIterator[FakeCore]:
    """A fake core at `address` (`unix:PATH`), gone without a word at the end.

    At `…/plain.sock`, and where it doesn't listen for bridges, it takes plain calls only.
    """
    fake = FakeCore(deque(stories))  # type: ignore[abstract] # the rest answers UNIMPLEMENTED, as it should
    server, rpcs = grpc.aio.server(), Rpcs()
    add_ResponseServiceServicer_to_server(fake, server)
    add_ResponseServiceServicer_to_server(fake, cast(grpc.aio.Server, rpcs))
    bridges = Bridges(rpcs, max_message_bytes=16 * 1024 * 1024, most=1000)
    if listens and not address.endswith(PLAIN):
        server.add_generic_rpc_handlers((bridges.rpc(),))
        await bridges.listen([address])
    server.add_insecure_port(address)
    await server.start()
    try:
        yield fake
    finally:
        await asyncio.gather(bridges.close(0), server.stop(None))


def event(number: int, **kind: Any) -> ResponseEvent:
    """One event."""
    return ResponseEvent(sequence_number=number, **kind)


def snapshot(status: Response.Status.ValueType) -> dict[str, Any]:
    """The body of an event that shows the response."""
    return {"response": {"id": RESPONSE_ID, "status": status}}


def events(first: int, last: int) -> EventBatch:
    """The events numbered `first` to `last` of a response with ten of them: created, eight deltas, completed."""
    return EventBatch(events=[_event(number) for number in range(first, last + 1)])


def _event(number: int) -> ResponseEvent:
    if number == 0:
        return event(0, created=snapshot(Response.STATUS_IN_PROGRESS))
    if number == 9:
        return event(9, completed=snapshot(Response.STATUS_COMPLETED))
    return event(number, output_text_delta={"item_id": "msg_1", "delta": str(number)})


def tells(*batches: EventBatch, then: Callable[[Context], Any] | None = None) -> Story:
    """A story of these batches; `then` is awaited at its end."""

    async def story(context: Context) -> AsyncIterator[EventBatch]:
        for batch in batches:
            yield batch
        if then is not None:
            await then(context)

    return story


def refuses(
    code: grpc.StatusCode,
    reason: str = "",
    message: str = "canary",
    *,
    response_id: str = "",
    retry_seconds: int | None = None,
) -> Callable[[Context], Any]:
    """An end by an error; without `reason` one that no core of ours would send, as when a connection breaks.

    `response_id` says that a response exists already, `retry_seconds` when to ask again.
    """

    async def end(context: Context) -> None:
        if not reason:
            await context.abort(code, message)
        told: list[Message] = [ErrorInfo(reason=reason, domain="nodexa")]
        if response_id:
            told = [ErrorInfo(reason=reason, domain="nodexa", metadata={"response_id": response_id})]
        if retry_seconds is not None:
            told.append(RetryInfo(retry_delay=Duration(seconds=retry_seconds)))
        details = []
        for each in told:
            details.append(AnyMessage())
            details[-1].Pack(each)
        status = Status(code=code.value[0], message=message, details=details)
        await context.abort(code, message, (("grpc-status-details-bin", status.SerializeToString()),))

    return end


async def waits(context: Context) -> None:
    """An end that never comes."""
    await asyncio.Event().wait()
