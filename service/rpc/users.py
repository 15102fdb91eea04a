"""UserService: each method calls what keeps it and nothing else."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from nodexa.v1 import user_service_pb2 as pb
from nodexa.v1.user_service_pb2_grpc import UserServiceServicer

from service.rpc.caller import CALLER
from service.rpc.gate import Context
from service.rpc.pages import cut_page, page_size
from service.runner.chats import Chats
from service.runner.claims import Claims
from service.runner.memory import Memories

LONG_PAGE = 1000
"""Entries of a page of chat history: who knows nothing of pages gets all, as good as always."""


class UserServicer(UserServiceServicer):
    """What is kept of an end user."""

    def __init__(self, claims: Claims, memories: Memories, chats: Chats) -> None:
        self._claims = claims
        self._memories = memories
        self._chats = chats

    async def SetClaims(self, request: pb.SetClaimsRequest, context: Context) -> pb.SetClaimsResponse:
        return pb.SetClaimsResponse(count=await self._claims.put(request.claims, CALLER.get()))

    async def ListClaims(self, request: pb.ListClaimsRequest, context: Context) -> pb.ListClaimsResponse:
        return pb.ListClaimsResponse(claims=await self._claims.all(CALLER.get()))

    async def DeleteClaim(self, request: pb.DeleteClaimRequest, context: Context) -> Empty:
        await self._claims.delete(request.key, CALLER.get())
        return Empty()

    async def DeleteClaims(self, request: pb.DeleteClaimsRequest, context: Context) -> pb.DeleteClaimsResponse:
        return pb.DeleteClaimsResponse(count=await self._claims.delete_all(CALLER.get()))

    async def ListMemories(self, request: pb.ListMemoriesRequest, context: Context) -> pb.ListMemoriesResponse:
        size = page_size(request.page_size)
        found = await self._memories.page(CALLER.get(), before=request.page_token, limit=size + 1)
        page, token = cut_page(found, size)
        return pb.ListMemoriesResponse(memories=page, next_page_token=token)

    async def DeleteMemory(self, request: pb.DeleteMemoryRequest, context: Context) -> Empty:
        await self._memories.delete(request.id, CALLER.get())
        return Empty()

    async def DeleteMemories(self, request: pb.DeleteMemoriesRequest, context: Context) -> pb.DeleteMemoriesResponse:
        return pb.DeleteMemoriesResponse(count=await self._memories.delete_all(CALLER.get()))

    async def ListChatConversations(
        self, request: pb.ListChatConversationsRequest, context: Context
    ) -> pb.ListChatConversationsResponse:
        size = page_size(request.page_size, most=LONG_PAGE, default=LONG_PAGE)
        found = await self._chats.page(CALLER.get(), before=request.page_token, limit=size + 1)
        token = found[size - 1][0] if len(found) > size else ""
        return pb.ListChatConversationsResponse(conversations=[chat for _, chat in found[:size]], next_page_token=token)

    async def ListChatMessages(
        self, request: pb.ListChatMessagesRequest, context: Context
    ) -> pb.ListChatMessagesResponse:
        size = page_size(request.page_size, most=LONG_PAGE, default=LONG_PAGE)
        messages, token = await self._chats.messages(
            request.conversation_id, CALLER.get(), after=request.page_token, limit=size
        )
        return pb.ListChatMessagesResponse(messages=messages, next_page_token=token)
