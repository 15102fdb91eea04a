"""The endpoints of chat history: lists as plain arrays; where one goes on, the header `Link` says."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nodexa.v1 import user_service_pb2 as pb
from nodexa.v1.user_pb2 import ChatConversation, ChatMessage

from rest_bridge.routes.call import Answer, Call, answer
from rest_bridge.routes.query import Query, next_link
from rest_bridge.wire.time import milliseconds

_MOST = 1000


async def list_conversations(call: Call) -> Answer:
    """GET /v1/chat/history/conversations."""
    query = Query(call.query)
    size = query.integer("limit", low=1, high=_MOST) or _MOST
    request = pb.ListChatConversationsRequest(page_size=size, page_token=query.text("after") or "")
    rpc = call.bridge.core.users.ListChatConversations(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    link = next_link("/v1/chat/history/conversations", size, found.next_page_token)
    return answer([_conversation(each) for each in found.conversations], *link)


async def list_messages(call: Call) -> Answer:
    """GET /v1/chat/history/conversations/{id}/messages."""
    query = Query(call.query)
    size = query.integer("limit", low=1, high=_MOST) or _MOST
    request = pb.ListChatMessagesRequest(
        conversation_id=call.target, page_size=size, page_token=query.text("after") or ""
    )
    rpc = call.bridge.core.users.ListChatMessages(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    link = next_link(f"/v1/chat/history/conversations/{quote(call.target)}/messages", size, found.next_page_token)
    return answer([_message(each) for each in found.messages], *link)


def _conversation(chat: ChatConversation) -> dict[str, Any]:
    return {
        "id": chat.id,
        "title": chat.title,
        "isActive": chat.active,
        "createdAt": milliseconds(chat.create_time),
        "updatedAt": milliseconds(chat.update_time),
        "assistantId": chat.assistant_id or None,
    }


def _message(message: ChatMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "role": message.role,
        "content": message.text,
        "responseId": message.response_id or None,
        "createdAt": milliseconds(message.create_time) if message.HasField("create_time") else None,
    }
