"""Every request that names a thing, by the kind of the thing; and what it means that one is unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from service.ids import new_id
from tests.conftest import CoreUnderTest
from tests.service.refusals import Refusal, refusal
from tests.service.requests import user
from tests.service.rpc.rpcs import request_of, rpc

Request = Callable[[str, str], Message]
"""The request about an id, by a caller with that assistant."""

RESPONSES, ADMIN = "/nodexa.v1.ResponseService/", "/nodexa.v1.AdminService/"
CONVERSATIONS = "/nodexa.v1.ConversationService/"
FILES, STORES = "/nodexa.v1.FileService/", "/nodexa.v1.VectorStoreService/"
USERS, USER_DATA = "/nodexa.v1.UserService/", "/nodexa.v1.UserDataService/"


def by(method: str, field: str = "id", **more: Any) -> tuple[str, Request]:
    return method, lambda name, own: request_of(method, **{field: name}, **more)


def inside(method: str, member: str, **more: Any) -> tuple[str, Request]:
    return method, lambda name, own: request_of(
        method, **{member: {"id": name, **more}}, update_mask={"paths": ["name"]}
    )


def answering(method: str) -> tuple[str, Request]:
    return method, lambda name, own: request_of(method, assistant_id=name, input=[user("Hi")])


def continuing(method: str) -> tuple[str, Request]:
    return method, lambda name, own: request_of(method, assistant_id=own, input=[user("Hi")], previous_response_id=name)


def conversing(method: str) -> tuple[str, Request]:
    return method, lambda name, own: request_of(method, assistant_id=own, input=[user("Hi")], conversation_id=name)


OF_A_RESPONSE: list[tuple[str, Request]] = [
    by(RESPONSES + "GetResponse"),
    by(RESPONSES + "WatchResponse"),
    by(RESPONSES + "CancelResponse"),
    by(RESPONSES + "DeleteResponse"),
    by(RESPONSES + "ListInputItems", "response_id"),
    continuing(RESPONSES + "CreateResponse"),
    continuing(RESPONSES + "StreamResponse"),
    continuing(RESPONSES + "CountInputTokens"),
    continuing(RESPONSES + "CompactResponse"),
]
OF_A_CONVERSATION: list[tuple[str, Request]] = [
    by(CONVERSATIONS + "GetConversation"),
    by(CONVERSATIONS + "UpdateConversation", metadata={"mine": "now"}),
    by(CONVERSATIONS + "DeleteConversation"),
    by(CONVERSATIONS + "CreateConversationItems", "conversation_id", items=[user("Hi")]),
    by(CONVERSATIONS + "ListConversationItems", "conversation_id"),
    by(CONVERSATIONS + "GetConversationItem", "conversation_id", id="msg_first"),
    by(CONVERSATIONS + "DeleteConversationItem", "conversation_id", id="msg_first"),
    conversing(RESPONSES + "CreateResponse"),
    conversing(RESPONSES + "StreamResponse"),
    conversing(RESPONSES + "CountInputTokens"),
]
OF_AN_ASSISTANT: list[tuple[str, Request]] = [
    by(ADMIN + "GetAssistant"),
    by(ADMIN + "DeleteAssistant"),
    inside(ADMIN + "UpdateAssistant", "assistant", name="Mine now"),
    by(ADMIN + "ListAssistantTools", "assistant_id"),
    by(ADMIN + "TryTool", "assistant_id", tool="look"),
    answering(RESPONSES + "CreateResponse"),
    answering(RESPONSES + "StreamResponse"),
    answering(RESPONSES + "CountInputTokens"),
    answering(RESPONSES + "CompactResponse"),
]
OF_A_USER: list[tuple[str, Request]] = [
    by(USERS + "DeleteClaim", "key"),
    by(USERS + "DeleteMemory"),
    by(USERS + "ListChatMessages", "conversation_id"),
]
OF_A_KEY: list[tuple[str, Request]] = [
    by(ADMIN + "RevokeApiKey"),
    inside(ADMIN + "UpdateApiKey", "api_key", name="Mine now"),
]
OF_AN_ORGANIZATION: list[tuple[str, Request]] = [
    by(ADMIN + "GetOrganization"),
    by(ADMIN + "ListAuditEvents", "organization_id"),
    by(USER_DATA + "ExportUser", "organization_id", user_id="alice"),
    by(USER_DATA + "EraseUser", "organization_id", user_id="alice"),
]
OF_A_FILE: list[tuple[str, Request]] = [
    by(FILES + "GetFile"),
    by(FILES + "DeleteFile"),
    by(FILES + "ReadFile"),
    by(FILES + "WriteFileData", "upload_id", data=b"More"),
    by(FILES + "CreateFile", "upload_id", filename="mine", purpose="PURPOSE_ASSISTANTS"),
    (STORES + "CreateVectorStore", lambda name, own: request_of(STORES + "CreateVectorStore", file_ids=[name])),
]
OF_A_STORE: list[tuple[str, Request]] = [
    by(STORES + "GetVectorStore"),
    by(STORES + "UpdateVectorStore", name="Mine now"),
    by(STORES + "DeleteVectorStore"),
    by(STORES + "SearchVectorStore", queries=["mine"]),
    by(STORES + "CreateVectorStoreFile", "vector_store_id", file={"file_id": "file_x"}),
    by(STORES + "GetVectorStoreFile", "vector_store_id", file_id="file_x"),
    by(STORES + "ListVectorStoreFiles", "vector_store_id"),
    by(STORES + "UpdateVectorStoreFile", "vector_store_id", file_id="file_x"),
    by(STORES + "DeleteVectorStoreFile", "vector_store_id", file_id="file_x"),
    by(STORES + "ReadVectorStoreFile", "vector_store_id", file_id="file_x"),
    by(STORES + "CreateVectorStoreFileBatch", "vector_store_id", files=[{"file_id": "file_x"}]),
    by(STORES + "GetVectorStoreFileBatch", "vector_store_id", id="vsfb_x"),
    by(STORES + "CancelVectorStoreFileBatch", "vector_store_id", id="vsfb_x"),
]
# They take no id, or one of a thing that belongs to the whole installation.
WITHOUT = {
    RESPONSES + "ListResponses",
    CONVERSATIONS + "CreateConversation",
    FILES + "ListFiles",
    STORES + "ListVectorStores",
    # They are about the user in the metadata; what each sees has tests of its own.
    *(USERS + name for name in ("SetClaims", "ListClaims", "DeleteClaims")),
    *(USERS + name for name in ("ListMemories", "DeleteMemories", "ListChatConversations")),
    *(ADMIN + name for name in ("CreateOrganization", "ListOrganizations", "UpdateOrganization")),
    *(ADMIN + name for name in ("CreateAssistant", "ListAssistants", "CreateApiKey", "ListApiKeys")),
    *(ADMIN + name for name in ("CreateModel", "ListModels", "DeleteModel", "Prune")),
}


def name_of(value: object) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else ""


async def expect_unknown(core: CoreUnderTest, method: str, request: Request, hidden: str, *, user_id: str = "") -> None:
    """The answer about `hidden` equals the one about an id that never was, apart from the id itself."""
    never = new_id(hidden.partition("_")[0])
    metadata = core.metadata(x_request_id="same", **({"x_user_id": user_id} if user_id else {}))

    async def ask(name: str) -> Refusal:
        answer = await refusal(rpc(core.channel, method, request(name, core.assistant_id), metadata))
        return replace(answer, message=answer.message.replace(name, "ID"))

    answer = await ask(hidden)

    assert answer == await ask(never)
    assert answer.status == "NOT_FOUND"
    assert answer.reason.endswith("_not_found")
