"""Which key may call what: one row for every RPC of the contract, and the gate goes by it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

import pytest
from google.protobuf.message import Message
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest, CreateOrganizationRequest

from service.rpc.access import OPERATOR_ONLY, SCOPES
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.rpc.rpcs import METHODS, request_of, rpc

FULL, ASSISTANT, USER = ApiKey.SCOPE_FULL_ACCESS, ApiKey.SCOPE_ASSISTANT, ApiKey.SCOPE_USER
# What the contract's page says, written down a second time on purpose.
CREATING = {"/nodexa.v1.ResponseService/CreateResponse", "/nodexa.v1.ResponseService/StreamResponse"}
RESUMING = {"/nodexa.v1.ResponseService/WatchResponse"}
OF_USERS = {
    *(f"/nodexa.v1.UserService/{name}" for name in ("SetClaims", "ListClaims", "DeleteClaim", "DeleteClaims")),
    *(f"/nodexa.v1.UserService/{name}" for name in ("ListMemories", "DeleteMemory", "DeleteMemories")),
}
ANSWERED_WITH_NOTHING_TO_FIND = {
    "/nodexa.v1.AdminService/GetOrganization",
    "/nodexa.v1.AdminService/ListOrganizations",
    "/nodexa.v1.AdminService/ListAssistants",
    "/nodexa.v1.AdminService/ListApiKeys",
    "/nodexa.v1.AdminService/ListModels",
    "/nodexa.v1.AdminService/ListAuditEvents",
    "/nodexa.v1.AdminService/Prune",
    "/nodexa.v1.ResponseService/ListResponses",
    "/nodexa.v1.ConversationService/CreateConversation",
    "/nodexa.v1.FileService/ListFiles",
    "/nodexa.v1.VectorStoreService/CreateVectorStore",
    "/nodexa.v1.VectorStoreService/ListVectorStores",
}
CASES = [(method, scope) for method in METHODS for scope in (FULL, ASSISTANT, USER)]


def test_the_table_has_a_row_for_every_rpc_and_no_other() -> None:
    assert set(SCOPES) == set(METHODS)
    assert set(METHODS) >= OPERATOR_ONLY


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("method", "scope"), CASES, ids=lambda value: str(value).rpartition("/")[2])
async def test_a_scope_reaches_what_the_contract_says(
    shared: CoreUnderTest, method: str, scope: ApiKey.Scope.ValueType
) -> None:
    request = CreateApiKeyRequest(name="key", scopes=[scope])
    made = await shared.admin.CreateApiKey(request, metadata=shared.metadata())
    call = rpc(shared.channel, method, request_of(method), [("x-api-key", made.secret)])
    reached = {FULL: set(METHODS), ASSISTANT: CREATING | RESUMING, USER: OF_USERS}
    allowed = method in reached[scope]

    if allowed and method in ANSWERED_WITH_NOTHING_TO_FIND:
        assert await cast(Awaitable[Message], call) is not None
        return
    answer = await refusal(call)

    assert (answer.reason == "insufficient_scope") == (not allowed)
    assert (answer.status == "PERMISSION_DENIED") == (not allowed)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", sorted(OPERATOR_ONLY), ids=lambda value: value.rpartition("/")[2])
async def test_only_the_operator_s_organization_changes_the_installation(shared: CoreUnderTest, method: str) -> None:
    made = await shared.admin.CreateOrganization(CreateOrganizationRequest(name="Other"), metadata=shared.metadata())

    answer = await refusal(rpc(shared.channel, method, request_of(method), [("x-api-key", made.secret)]))

    assert (answer.status, answer.reason) == ("PERMISSION_DENIED", "insufficient_scope")
    assert "operator" in answer.message


@pytest.mark.asyncio(loop_scope="module")
async def test_scopes_add_up(shared: CoreUnderTest) -> None:
    request = CreateApiKeyRequest(name="both", scopes=[USER, ASSISTANT])
    made = await shared.admin.CreateApiKey(request, metadata=shared.metadata())
    method = "/nodexa.v1.ResponseService/CreateResponse"

    answer = await refusal(rpc(shared.channel, method, request_of(method), [("x-api-key", made.secret)]))

    assert answer.reason == "missing_required_field"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_refusal_says_which_scope_is_needed(shared: CoreUnderTest) -> None:
    made = await shared.admin.CreateApiKey(CreateApiKeyRequest(name="k", scopes=[USER]), metadata=shared.metadata())
    method = "/nodexa.v1.ResponseService/CreateResponse"

    answer = await refusal(rpc(shared.channel, method, request_of(method), [("x-api-key", made.secret)]))

    assert "assistant or full_access" in answer.message
