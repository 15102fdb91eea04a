"""ConversationService: each method calls the conversations and nothing else."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from nodexa.v1 import conversation_service_pb2 as pb
from nodexa.v1.conversation_pb2 import Conversation
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceServicer
from nodexa.v1.item_pb2 import Item

from service.rpc.caller import CALLER
from service.rpc.gate import Context
from service.rpc.pages import cut_page, page_size
from service.runner.conversations import Conversations


class ConversationServicer(ConversationServiceServicer):
    """Keep the items that responses read and add to."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def CreateConversation(self, request: pb.CreateConversationRequest, context: Context) -> Conversation:
        return await self._conversations.create(request.items, request.metadata, CALLER.get())

    async def GetConversation(self, request: pb.GetConversationRequest, context: Context) -> Conversation:
        return await self._conversations.get(request.id, CALLER.get())

    async def UpdateConversation(self, request: pb.UpdateConversationRequest, context: Context) -> Conversation:
        return await self._conversations.update(request.id, request.metadata, CALLER.get())

    async def DeleteConversation(self, request: pb.DeleteConversationRequest, context: Context) -> Empty:
        await self._conversations.delete(request.id, CALLER.get())
        return Empty()

    async def CreateConversationItems(
        self, request: pb.CreateConversationItemsRequest, context: Context
    ) -> pb.CreateConversationItemsResponse:
        added = await self._conversations.add(request.conversation_id, request.items, CALLER.get())
        return pb.CreateConversationItemsResponse(items=added)

    async def ListConversationItems(
        self, request: pb.ListConversationItemsRequest, context: Context
    ) -> pb.ListConversationItemsResponse:
        size = page_size(request.page_size)
        found = await self._conversations.page(
            request.conversation_id,
            CALLER.get(),
            after=request.page_token,
            newest_first=request.order != pb.ListConversationItemsRequest.ORDER_ASC,
            limit=size + 1,
        )
        page, token = cut_page(found, size)
        return pb.ListConversationItemsResponse(items=page, next_page_token=token)

    async def GetConversationItem(self, request: pb.GetConversationItemRequest, context: Context) -> Item:
        return await self._conversations.item(request.conversation_id, request.id, CALLER.get())

    async def DeleteConversationItem(self, request: pb.DeleteConversationItemRequest, context: Context) -> Conversation:
        return await self._conversations.remove(request.conversation_id, request.id, CALLER.get())
