"""Every operation of the bridge as the document describes it. A new route gets its row here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.method import BODY, CONVERSATIONS, EVENTS, HTML, JSON, MODELS, RESPONSES, SERVER, Operation
from rest_bridge.openapi.users import USER_OPERATIONS

_MODEL: Final = (409, 429, 502)
_PAGE: Final = ("limit", "after")

OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = MappingProxyType(
    {
        ("POST", "/v1/responses"): Operation(
            "createResponse",
            RESPONSES,
            "Make a response",
            "With `stream` true the answer is its events. An error that comes once the response exists bears "
            "`x-should-retry: false`; one in the middle of a stream is told by an `error` event and `response.failed`.",
            parameters=("x-user-tokens", "idempotency-key", "x-nodexa-dialect"),
            body="CreateResponse",
            answer={JSON: "Response", EVENTS: "StreamEvent"},
            refusals=(404, *BODY, *_MODEL),
            limited=True,
        ),
        ("GET", "/v1/responses"): Operation(
            "listResponses",
            RESPONSES,
            "List the newest responses",
            "An extension: OpenAI has no such endpoint. With an upgrade to a WebSocket, the same address takes "
            "`response.create` messages and answers each with its events.",
            parameters=(*_PAGE, "model"),
            answer={JSON: "ResponseList"},
        ),
        ("POST", "/v1/responses/input_tokens"): Operation(
            "countInputTokens",
            RESPONSES,
            "Count the tokens of a prompt",
            "Where the model can count them beforehand; else 400 `tokens_not_countable`.",
            parameters=("x-user-tokens",),
            body="CountInputTokens",
            answer={JSON: "InputTokens"},
            refusals=(404, *BODY, *_MODEL),
        ),
        ("POST", "/v1/responses/compact"): Operation(
            "compactResponse",
            RESPONSES,
            "Make a conversation short",
            "The output is what to send as input in place of the conversation.",
            body="CompactResponse",
            answer={JSON: "Compaction"},
            refusals=(404, *BODY, *_MODEL),
            limited=True,
        ),
        ("GET", "/v1/responses/{id}"): Operation(
            "getResponse",
            RESPONSES,
            "Show a response as it stands, or its events",
            parameters=("response_id", "stream", "starting_after", "x-nodexa-dialect"),
            answer={JSON: "Response", EVENTS: "StreamEvent"},
            refusals=(404,),
        ),
        ("DELETE", "/v1/responses/{id}"): Operation(
            "deleteResponse",
            RESPONSES,
            "Forget a response",
            parameters=("response_id",),
            answer={JSON: "DeletedResponse"},
            refusals=(404,),
        ),
        ("POST", "/v1/responses/{id}/cancel"): Operation(
            "cancelResponse",
            RESPONSES,
            "Stop a response",
            "One that has ended is answered as it is.",
            parameters=("response_id",),
            answer={JSON: "Response"},
            refusals=(404,),
        ),
        ("GET", "/v1/responses/{id}/input_items"): Operation(
            "listInputItems",
            RESPONSES,
            "List the items of a response's own input",
            parameters=("response_id", *_PAGE, "order"),
            answer={JSON: "ItemList"},
            refusals=(404,),
        ),
        ("POST", "/v1/conversations"): Operation(
            "createConversation",
            CONVERSATIONS,
            "Make a conversation",
            body="NewConversation",
            answer={JSON: "Conversation"},
            refusals=(
                404,
                *BODY,
            ),
        ),
        ("GET", "/v1/conversations/{id}"): Operation(
            "getConversation",
            CONVERSATIONS,
            "Show a conversation without its items",
            parameters=("conversation_id",),
            answer={JSON: "Conversation"},
            refusals=(404,),
        ),
        ("POST", "/v1/conversations/{id}"): Operation(
            "updateConversation",
            CONVERSATIONS,
            "Replace the metadata of a conversation",
            parameters=("conversation_id",),
            body="ConversationUpdate",
            answer={JSON: "Conversation"},
            refusals=(
                404,
                *BODY,
            ),
        ),
        ("DELETE", "/v1/conversations/{id}"): Operation(
            "deleteConversation",
            CONVERSATIONS,
            "Delete a conversation and its items",
            parameters=("conversation_id",),
            answer={JSON: "DeletedConversation"},
            refusals=(
                404,
                409,
            ),
        ),
        ("POST", "/v1/conversations/{id}/items"): Operation(
            "createItems",
            CONVERSATIONS,
            "Add items to a conversation",
            parameters=("conversation_id",),
            body="NewItems",
            answer={JSON: "ItemList"},
            refusals=(
                404,
                *BODY,
                409,
            ),
        ),
        ("GET", "/v1/conversations/{id}/items"): Operation(
            "listItems",
            CONVERSATIONS,
            "List the items of a conversation",
            parameters=(
                "conversation_id",
                *_PAGE,
                "order",
            ),
            answer={JSON: "ItemList"},
            refusals=(404,),
        ),
        ("GET", "/v1/conversations/{id}/items/{item_id}"): Operation(
            "getItem",
            CONVERSATIONS,
            "Show an item",
            parameters=(
                "conversation_id",
                "item_id",
            ),
            answer={JSON: "Item"},
            refusals=(404,),
        ),
        ("DELETE", "/v1/conversations/{id}/items/{item_id}"): Operation(
            "deleteItem",
            CONVERSATIONS,
            "Delete an item",
            parameters=(
                "conversation_id",
                "item_id",
            ),
            answer={JSON: "Conversation"},
            refusals=(
                404,
                409,
            ),
        ),
        **USER_OPERATIONS,
        ("GET", "/v1/models"): Operation(
            "listModels", MODELS, "List the caller's assistants, the oldest first", answer={JSON: "ModelList"}
        ),
        ("GET", "/v1/models/{id}"): Operation(
            "getModel",
            MODELS,
            "Show an assistant",
            parameters=("assistant_id",),
            answer={JSON: "Model"},
            refusals=(404,),
        ),
        ("GET", "/healthz"): Operation(
            "getHealth", SERVER, "Say that this process lives", answer={JSON: "Health"}, needs_key=False
        ),
        ("GET", "/readyz"): Operation(
            "getReadiness",
            SERVER,
            "Say whether requests would be answered now",
            answer={JSON: "Health"},
            refusals=(503,),
            needs_key=False,
        ),
        ("GET", "/openapi.json"): Operation(
            "getDocument", SERVER, "Show this document", answer={JSON: "Document"}, needs_key=False
        ),
        ("GET", "/docs"): Operation(
            "getPage", SERVER, "Show this document as a page", answer={HTML: "Page"}, needs_key=False
        ),
        ("GET", "/"): Operation("getRoot", SERVER, "Lead to the page", status=307, needs_key=False),
    }
)
"""Method and path → what the document says of it."""
