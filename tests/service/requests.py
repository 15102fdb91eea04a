"""What the tests of the core ask for, and how they call it."""

from __future__ import annotations

import asyncio
from typing import Any

from nodexa.v1.admin_service_pb2 import GetOrganizationRequest
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.item_pb2 import ContentPart, FunctionCall, FunctionCallOutput, InputText, Item, Message
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import CreateResponseRequest, GetResponseRequest, WatchResponseRequest
from nodexa.v1.tool_pb2 import FunctionTool, Tool, ToolChoice, ToolSet

from tests.conftest import CoreUnderTest, events_in


def user(text: str) -> Item:
    """A user's message."""
    return Item(message=Message(role=Message.ROLE_USER, content=[ContentPart(input_text=InputText(text=text))]))


def output(call_id: str, text: str) -> Item:
    """A function's result."""
    return Item(function_call_output=FunctionCallOutput(call_id=call_id, text=text))


def call(call_id: str, name: str = "look", arguments: str = "{}") -> Item:
    """A function call, as a client that keeps its own history sends it."""
    return Item(function_call=FunctionCall(call_id=call_id, name=name, arguments=arguments))


def with_tools(*names: str, choice: ToolChoice | None = None, **more: Any) -> ResponseSettings:
    """Settings that offer functions of these names."""
    tools = [Tool(function=FunctionTool(name=name)) for name in names]
    return ResponseSettings(tools=ToolSet(tools=tools), tool_choice=choice, **more)


def asking(core: CoreUnderTest, *items: Item | str, **more: Any) -> CreateResponseRequest:
    """A request to the first assistant; texts are the user's, and without any there is a greeting."""
    given = [user(item) if isinstance(item, str) else item for item in items or ("Hello",)]
    return CreateResponseRequest(**{"assistant_id": core.assistant_id, "input": given, **more})


async def create(core: CoreUnderTest, *items: Item | str, user_id: str = "", **more: Any) -> Response:
    """The final response to a unary request."""
    metadata = core.metadata(**({"x_user_id": user_id} if user_id else {}))
    return await core.responses.CreateResponse(asking(core, *items, **more), metadata=metadata)


async def stream(core: CoreUnderTest, *items: Item | str, **more: Any) -> list[ResponseEvent]:
    """All events of a stream."""
    call = core.responses.StreamResponse(asking(core, *items, **more), metadata=core.metadata())
    return events_in([batch async for batch in call])


async def watch(core: CoreUnderTest, response_id: str, after: int | None = None) -> list[ResponseEvent]:
    """The events of a response after number `after`."""
    request = WatchResponseRequest(id=response_id, starting_after=after)
    return events_in([batch async for batch in core.responses.WatchResponse(request, metadata=core.metadata())])


async def arrived(core: CoreUnderTest, response_id: str, kind: str) -> None:
    """Waits until a running response has begun an item of that kind."""
    request = WatchResponseRequest(id=response_id)
    async with asyncio.timeout(10):
        async for batch in core.responses.WatchResponse(request, metadata=core.metadata()):
            if any(event.output_item_added.item.WhichOneof("kind") == kind for event in batch.events):
                return
    raise AssertionError(f"the response ended without a {kind}")


async def get(core: CoreUnderTest, response_id: str) -> Response:
    """The response as it stands."""
    return await core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=core.metadata())


async def organization_id(core: CoreUnderTest) -> str:
    """The first organization."""
    return (await core.admin.GetOrganization(GetOrganizationRequest(), metadata=core.metadata())).id


def said(response: Response) -> str:
    """All text of the answer."""
    return "".join(part.output_text.text for item in response.output for part in item.message.content)


def words_of(items: list[Item] | tuple[Item, ...]) -> list[str]:
    """What each item says, in a word: a message's text, `name(arguments)` of a call, `→ text` of an output."""
    return [_words(item) for item in items]


def _words(item: Item) -> str:
    if item.HasField("function_call"):
        return f"{item.function_call.name}({item.function_call.arguments})"
    if item.HasField("function_call_output"):
        return f"→ {item.function_call_output.text}"
    return "".join(part.input_text.text or part.output_text.text for part in item.message.content)


def batch_bytes(batch: EventBatch) -> bytes:
    """The events of a batch as they were sent, the settings apart."""
    return EventBatch(events=batch.events).SerializeToString()
