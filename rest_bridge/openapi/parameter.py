"""The parameters in paths, queries and headers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.headers import LONGEST_KEY, MAX_USER_ID, MAX_USER_TOKENS
from rest_bridge.openapi.request import told
from rest_bridge.openapi.schema import Schema, of, word
from rest_bridge.wire.dialect import Dialect
from rest_bridge.wire.request import Treatment

_TEXT: Final = of("string")
_USER_ID: Final = of("string", minLength=1, maxLength=MAX_USER_ID, pattern=r"^[ -~]*[!-~][ -~]*$")


def _path(says: str, name: str = "id") -> Schema:
    return {"name": name, "in": "path", "required": True, "description": says, "schema": of("string", minLength=1)}


def _query(name: str, says: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": says, "schema": schema}


def _header(name: str, says: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "header",
        "description": f"{says} {told(Treatment.ENFORCED)}",
        "schema": schema,
        "x-nodexa-treatment": Treatment.ENFORCED.name.lower(),
    }


PARAMETERS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "response_id": _path("The response."),
        "assistant_id": _path("The assistant."),
        "conversation_id": _path("The conversation."),
        "item_id": _path("The item.", "item_id"),
        "memory_id": _path("The memory."),
        "chat_id": _path("The conversation: a UUID."),
        "long_limit": _query("limit", "The most to show.", of("integer", minimum=1, maximum=1000, default=1000)),
        "after_place": _query("after", "As the header `Link` of the page before has it.", _TEXT),
        "claim_key": _path("The claim's key.", "claim_key"),
        "file_id": _path("The file."),
        "vector_store_id": _path("The vector store."),
        "store_file_id": _path("The file.", "file_id"),
        "batch_id": _path("The batch.", "batch_id"),
        "purpose": _query("purpose", "Only files of this purpose.", word("assistants", "user_data", "vision")),
        "filter": _query(
            "filter", "Only files that stand so.", word("in_progress", "completed", "failed", "cancelled")
        ),
        "limit": _query("limit", "The most to show.", of("integer", minimum=1, maximum=100, default=20)),
        "after": _query("after", "The `last_id` of the page before.", _TEXT),
        "order": _query("order", "The oldest first, or the newest.", word("asc", "desc")),
        "model": _query("model", "Only responses of this assistant.", _TEXT),
        "stream": _query("stream", "Whether the answer is the response's events.", of("boolean")),
        "starting_after": _query(
            "starting_after",
            "The number of the last event that was seen; needs `stream=true`.",
            of("integer", minimum=0, maximum=2**63 - 1),
        ),
        "x-request-id": _header(
            "x-request-id",
            "The caller's own id for this request. One of other characters is replaced.",
            of("string", examples=["order-17"]),
        ),
        "x-user-id": _header("x-user-id", "The end user. Their responses are invisible to other users.", _USER_ID),
        "x-user-id-needed": {**_header("x-user-id", "The end user whom it is about.", _USER_ID), "required": True},
        "x-user-tokens": _header(
            "x-user-tokens",
            "The end user's tokens by provider, a JSON object of texts; never stored.",
            of("string", maxLength=MAX_USER_TOKENS, contentMediaType="application/json"),
        ),
        "idempotency-key": _header(
            "Idempotency-Key",
            "Names the request, so that it is carried out once: sent again within a day, it gets the same response.",
            of("string", minLength=1, maxLength=LONGEST_KEY, pattern=r"^[ -~]*$"),
        ),
        "x-nodexa-dialect": _header(
            "x-nodexa-dialect",
            "Which events a stream has: those of OpenAI, or Nodexa's own too.",
            word(*(dialect.value for dialect in Dialect)),
        ),
    }
)
"""Every parameter, by its component's name."""

EVERYWHERE: Final = ("x-user-id", "x-request-id")
"""The parameters of every operation that needs a key."""
OF_USER: Final = ("x-user-id-needed", "x-request-id")
"""The same where a user has to be named."""
