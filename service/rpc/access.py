"""Who may call what: one row for every RPC, checked for completeness against the .proto by a test."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nodexa.v1.admin_pb2 import ApiKey

from service.errors import NodexaError
from service.runner.caller import Caller

_FULL: Final = frozenset({ApiKey.SCOPE_FULL_ACCESS})
_ASSISTANT: Final = frozenset({ApiKey.SCOPE_FULL_ACCESS, ApiKey.SCOPE_ASSISTANT})
_USER: Final = frozenset({ApiKey.SCOPE_FULL_ACCESS, ApiKey.SCOPE_USER})

SCOPES: Final[Mapping[str, frozenset[ApiKey.Scope.ValueType]]] = MappingProxyType(
    {
        "/nodexa.v1.ResponseService/CreateResponse": _ASSISTANT,
        "/nodexa.v1.ResponseService/StreamResponse": _ASSISTANT,
        # Coming back to a stream is part of having started it: an assistant key reaches the responses it made.
        "/nodexa.v1.ResponseService/WatchResponse": _ASSISTANT,
        "/nodexa.v1.ResponseService/GetResponse": _FULL,
        "/nodexa.v1.ResponseService/ListResponses": _FULL,
        "/nodexa.v1.ResponseService/ListInputItems": _FULL,
        "/nodexa.v1.ResponseService/CancelResponse": _FULL,
        "/nodexa.v1.ResponseService/DeleteResponse": _FULL,
        "/nodexa.v1.ResponseService/CountInputTokens": _FULL,
        "/nodexa.v1.ResponseService/CompactResponse": _FULL,
        "/nodexa.v1.ConversationService/CreateConversation": _FULL,
        "/nodexa.v1.ConversationService/GetConversation": _FULL,
        "/nodexa.v1.ConversationService/UpdateConversation": _FULL,
        "/nodexa.v1.ConversationService/DeleteConversation": _FULL,
        "/nodexa.v1.ConversationService/CreateConversationItems": _FULL,
        "/nodexa.v1.ConversationService/ListConversationItems": _FULL,
        "/nodexa.v1.ConversationService/GetConversationItem": _FULL,
        "/nodexa.v1.ConversationService/DeleteConversationItem": _FULL,
        "/nodexa.v1.FileService/CreateFile": _FULL,
        "/nodexa.v1.FileService/WriteFileData": _FULL,
        "/nodexa.v1.FileService/GetFile": _FULL,
        "/nodexa.v1.FileService/ListFiles": _FULL,
        "/nodexa.v1.FileService/DeleteFile": _FULL,
        "/nodexa.v1.FileService/ReadFile": _FULL,
        "/nodexa.v1.VectorStoreService/CreateVectorStore": _FULL,
        "/nodexa.v1.VectorStoreService/GetVectorStore": _FULL,
        "/nodexa.v1.VectorStoreService/ListVectorStores": _FULL,
        "/nodexa.v1.VectorStoreService/UpdateVectorStore": _FULL,
        "/nodexa.v1.VectorStoreService/DeleteVectorStore": _FULL,
        "/nodexa.v1.VectorStoreService/SearchVectorStore": _FULL,
        "/nodexa.v1.VectorStoreService/CreateVectorStoreFile": _FULL,
        "/nodexa.v1.VectorStoreService/GetVectorStoreFile": _FULL,
        "/nodexa.v1.VectorStoreService/ListVectorStoreFiles": _FULL,
        "/nodexa.v1.VectorStoreService/UpdateVectorStoreFile": _FULL,
        "/nodexa.v1.VectorStoreService/DeleteVectorStoreFile": _FULL,
        "/nodexa.v1.VectorStoreService/ReadVectorStoreFile": _FULL,
        "/nodexa.v1.VectorStoreService/CreateVectorStoreFileBatch": _FULL,
        "/nodexa.v1.VectorStoreService/GetVectorStoreFileBatch": _FULL,
        "/nodexa.v1.VectorStoreService/CancelVectorStoreFileBatch": _FULL,
        "/nodexa.v1.UserService/SetClaims": _USER,
        "/nodexa.v1.UserService/ListClaims": _USER,
        "/nodexa.v1.UserService/DeleteClaim": _USER,
        "/nodexa.v1.UserService/DeleteClaims": _USER,
        "/nodexa.v1.UserService/ListMemories": _USER,
        "/nodexa.v1.UserService/DeleteMemory": _USER,
        "/nodexa.v1.UserService/DeleteMemories": _USER,
        "/nodexa.v1.UserService/ListChatConversations": _FULL,
        "/nodexa.v1.UserService/ListChatMessages": _FULL,
        "/nodexa.v1.UserDataService/ExportUser": _FULL,
        "/nodexa.v1.UserDataService/EraseUser": _FULL,
        "/nodexa.v1.AdminService/CreateOrganization": _FULL,
        "/nodexa.v1.AdminService/GetOrganization": _FULL,
        "/nodexa.v1.AdminService/ListOrganizations": _FULL,
        "/nodexa.v1.AdminService/UpdateOrganization": _FULL,
        "/nodexa.v1.AdminService/CreateAssistant": _FULL,
        "/nodexa.v1.AdminService/GetAssistant": _FULL,
        "/nodexa.v1.AdminService/ListAssistants": _FULL,
        "/nodexa.v1.AdminService/UpdateAssistant": _FULL,
        "/nodexa.v1.AdminService/DeleteAssistant": _FULL,
        "/nodexa.v1.AdminService/ListAssistantTools": _FULL,
        "/nodexa.v1.AdminService/TryTool": _FULL,
        "/nodexa.v1.AdminService/CreateApiKey": _FULL,
        "/nodexa.v1.AdminService/ListApiKeys": _FULL,
        "/nodexa.v1.AdminService/UpdateApiKey": _FULL,
        "/nodexa.v1.AdminService/RevokeApiKey": _FULL,
        "/nodexa.v1.AdminService/CreateModel": _FULL,
        "/nodexa.v1.AdminService/ListModels": _FULL,
        "/nodexa.v1.AdminService/DeleteModel": _FULL,
        "/nodexa.v1.AdminService/Prune": _FULL,
        "/nodexa.v1.AdminService/ListAuditEvents": _FULL,
    }
)
"""RPC → the scopes of which a caller needs one."""

OPERATOR_ONLY: Final = frozenset(
    {
        "/nodexa.v1.AdminService/CreateOrganization",
        "/nodexa.v1.AdminService/ListOrganizations",
        "/nodexa.v1.AdminService/UpdateOrganization",
        "/nodexa.v1.AdminService/CreateModel",
        "/nodexa.v1.AdminService/DeleteModel",
        "/nodexa.v1.AdminService/Prune",
    }
)
"""RPCs about the whole installation: a model names an address that the core will call."""

COUNTED: Final = frozenset(
    {
        "/nodexa.v1.ResponseService/CreateResponse",
        "/nodexa.v1.ResponseService/StreamResponse",
        "/nodexa.v1.ResponseService/CompactResponse",
    }
)
"""Model work, which limits are for: how they stand is told once such a call was let in, and not before."""


def check_access(method: str, caller: Caller) -> None:
    """Raises NodexaError `insufficient_scope` unless the caller may call `method` (`/package.Service/Rpc`)."""
    wanted = SCOPES[method]
    if wanted.isdisjoint(caller.scopes):
        names = " or ".join(sorted(ApiKey.Scope.Name(scope).removeprefix("SCOPE_").lower() for scope in wanted))
        raise NodexaError("insufficient_scope", f"This needs a key with the scope {names}.")
    if method in OPERATOR_ONLY and not caller.operator:
        raise NodexaError("insufficient_scope", "This needs a key of the operator's organization.")
