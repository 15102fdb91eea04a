"""The bodies of the conversations' endpoints, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nodexa.v1.conversation_pb2 import Conversation
from nodexa.v1.conversation_service_pb2 import (
    CreateConversationItemsRequest,
    CreateConversationRequest,
    UpdateConversationRequest,
)
from nodexa.v1.item_pb2 import Item

from rest_bridge.wire import field, shape
from rest_bridge.wire.item import parse_items


def parse_conversation(body: Mapping[str, Any], ignored: list[str]) -> CreateConversationRequest:
    """A new conversation; everything may be left out. Adds to `ignored` the paths of what is without effect.

    Raises errors.RequestError that names the field at fault, as all of these do.
    """
    shape.note_unread(body, ("items", "metadata"), "", ignored)
    return CreateConversationRequest(items=_items(body, ignored), metadata=_metadata(body))


def parse_update(conversation_id: str, body: Mapping[str, Any], ignored: list[str]) -> UpdateConversationRequest:
    """New metadata; null leaves none."""
    if "metadata" not in body:
        raise shape.wrong("metadata", "is required: an object of texts, or null", code="missing_required_field")
    shape.note_unread(body, ("metadata",), "", ignored)
    return UpdateConversationRequest(id=conversation_id, metadata=_metadata(body))


def parse_addition(conversation_id: str, body: Mapping[str, Any], ignored: list[str]) -> CreateConversationItemsRequest:
    """Items to add."""
    if body.get("items") is None:
        raise shape.wrong("items", "is required: a list of items", code="missing_required_field")
    shape.note_unread(body, ("items",), "", ignored)
    return CreateConversationItemsRequest(conversation_id=conversation_id, items=_items(body, ignored))


def render_conversation(conversation: Conversation) -> dict[str, Any]:
    """The object of the wire."""
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.create_time.seconds,
        "metadata": dict(conversation.metadata),
    }


def _items(body: Mapping[str, Any], ignored: list[str]) -> Sequence[Item]:
    value = body.get("items")
    return [] if value is None else parse_items("items", value, ignored)


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    value = body.get("metadata")
    return {} if value is None else field.notes("metadata", value)
