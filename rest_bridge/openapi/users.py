"""The operations about what is kept of an end user."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.method import BODY, JSON, USERS, Operation

_CLAIMS: Final[Mapping[tuple[str, str], Operation]] = {
    ("POST", "/user-claims/bulk"): Operation(
        "setClaims",
        USERS,
        "Set claims of a user",
        "What the application knows about the user; the model is told in every turn, as data. A claim with a known key "
        "gets the new value. All are set or none. Both addresses are the same.",
        body="NewClaims",
        answer={JSON: "ClaimsSet"},
        status=201,
        refusals=BODY,
        of_user=True,
    ),
    ("DELETE", "/user-claims/bulk"): Operation(
        "deleteClaimNamedBulk",
        USERS,
        "Delete the claim with the key `bulk`",
        of_user=True,
        answer={JSON: "DeletedClaim"},
        refusals=(404,),
    ),
    ("GET", "/user-claims"): Operation(
        "listClaims",
        USERS,
        "List all claims of a user, by key",
        of_user=True,
        answer={JSON: "ClaimList"},
    ),
    ("DELETE", "/user-claims"): Operation(
        "deleteClaims",
        USERS,
        "Delete all claims of a user",
        of_user=True,
        answer={JSON: "ClaimsSet"},
    ),
    ("DELETE", "/user-claims/{claim_key}"): Operation(
        "deleteClaim",
        USERS,
        "Delete a claim of a user",
        parameters=("claim_key",),
        of_user=True,
        answer={JSON: "DeletedClaim"},
        refusals=(404,),
    ),
}


def _both() -> Iterator[tuple[tuple[str, str], Operation]]:
    for (method, path), operation in _CLAIMS.items():
        yield (method, f"/v1{path}"), operation
        yield (method, path), dataclasses.replace(operation, id=f"{operation.id}AtRoot")


_OTHERS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/v1/memory"): Operation(
        "listMemories",
        USERS,
        "List what assistants noted about a user, the newest first",
        "The header `Link` says where the list goes on.",
        parameters=("limit", "after_place"),
        answer={JSON: "MemoryList"},
        of_user=True,
    ),
    ("DELETE", "/v1/memory"): Operation(
        "deleteMemories",
        USERS,
        "Delete all memories of a user",
        answer={JSON: "ClaimsSet"},
        of_user=True,
    ),
    ("DELETE", "/v1/memory/{id}"): Operation(
        "deleteMemory",
        USERS,
        "Delete a memory of a user",
        parameters=("memory_id",),
        answer={JSON: "DeletedMemory"},
        refusals=(404,),
        of_user=True,
    ),
    ("GET", "/v1/chat/history/conversations"): Operation(
        "listChatConversations",
        USERS,
        "List a user's conversations, the one that was used last first",
        "A conversation is all responses that go back to the same first one, or one of `/v1/conversations`. The header "
        "`Link` says where the list goes on.",
        parameters=("long_limit", "after_place"),
        answer={JSON: "ChatConversations"},
        of_user=True,
    ),
    ("GET", "/v1/chat/history/conversations/{id}/messages"): Operation(
        "listChatMessages",
        USERS,
        "List what was said in a user's conversation, the oldest first",
        "On the way from its first response to its newest one. The header `Link` says where the list goes on.",
        parameters=("chat_id", "long_limit", "after_place"),
        answer={JSON: "ChatMessages"},
        refusals=(404,),
        of_user=True,
    ),
}

USER_OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = MappingProxyType({**dict(_both()), **_OTHERS})
"""Method and path → what the document says of it."""
