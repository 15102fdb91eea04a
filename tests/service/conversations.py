"""How the tests of the core keep and read conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nodexa.v1 import conversation_service_pb2 as pb
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceStub
from nodexa.v1.item_pb2 import Item

from tests.conftest import CoreUnderTest
from tests.service.requests import user

if TYPE_CHECKING:
    from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceAsyncStub


def conversations(core: CoreUnderTest) -> ConversationServiceAsyncStub:
    """The service; its calls need `metadata`."""
    return ConversationServiceStub(core.channel)


async def converse(
    core: CoreUnderTest, *items: Item | str, user_id: str = "", metadata: Mapping[str, str] | None = None
) -> str:
    """The id of a new conversation; texts are the user's."""
    given = [user(item) if isinstance(item, str) else item for item in items]
    request = pb.CreateConversationRequest(items=given, metadata=metadata)
    sent = core.metadata(**({"x_user_id": user_id} if user_id else {}))
    return (await conversations(core).CreateConversation(request, metadata=sent)).id


async def items_in(core: CoreUnderTest, conversation_id: str) -> list[Item]:
    """All items of a conversation of at most 100, the oldest first."""
    request = pb.ListConversationItemsRequest(conversation_id=conversation_id, page_size=100, order="ORDER_ASC")
    return list((await conversations(core).ListConversationItems(request, metadata=core.metadata())).items)


async def add(core: CoreUnderTest, conversation_id: str, *items: Item | str) -> list[Item]:
    """The items as they were added; texts are the user's."""
    given = [user(item) if isinstance(item, str) else item for item in items]
    request = pb.CreateConversationItemsRequest(conversation_id=conversation_id, items=given)
    return list((await conversations(core).CreateConversationItems(request, metadata=core.metadata())).items)
