"""AdminService: check, store, tell the caches. What is refused is decided by pure functions."""

from __future__ import annotations

import asyncio

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from nodexa.v1 import admin_service_pb2 as pb
from nodexa.v1.admin_pb2 import ApiKey, Assistant, AuditEvent, Model, Organization
from nodexa.v1.admin_service_pb2_grpc import AdminServiceServicer

from service.errors import NodexaError
from service.ids import NewId
from service.rpc import admin_check as check
from service.rpc.admin_finding import Finding
from service.rpc.admin_models import Models
from service.rpc.audit import event_of
from service.rpc.caller import CALLER, REQUEST_ID, Authenticator
from service.rpc.gate import Context
from service.rpc.key_maker import KeyMaker
from service.rpc.pages import cut_page, page_size
from service.runner.assistant_tools import AssistantTools
from service.runner.catalog import Catalog
from service.runner.upkeep import Upkeep
from service.settings import Clock
from service.store.administration import Administration, Page
from service.store.audit import AuditLog

ASSISTANT_FIELDS = ("name", "model", "instructions", "instructions_mode", "defaults", "memory")
ORGANIZATION_FIELDS = ("name", "disabled", "limits")
KEY_FIELDS = ("name", "dialect", "limits")


class AdminServicer(AdminServiceServicer):
    """Organizations, assistants, API keys and models.

    Whatever changes something is noted in the audit log, in the same transaction.
    """

    def __init__(
        self,
        *,
        store: Administration,
        catalog: Catalog,
        authenticator: Authenticator,
        keys: KeyMaker,
        models: Models,
        upkeep: Upkeep,
        audit: AuditLog,
        tools: AssistantTools,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._find = Finding(store)
        self._catalog = catalog
        self._authenticator = authenticator
        self._keys = keys
        self._models = models
        self._upkeep = upkeep
        self._audit = audit
        self._tools = tools
        self._clock = clock
        self._new_id = new_id

    async def CreateOrganization(
        self, request: pb.CreateOrganizationRequest, context: Context
    ) -> pb.CreateOrganizationResponse:
        check.check_name(request.name, "name")
        organization = Organization(id=self._new_id("org"), name=request.name)
        event = self._event("organization.create", organization.id, after=organization)
        await self._store.noting(event).add_organization(organization, now=self._clock())
        key, secret = self._keys.mint(organization.id, "first", [ApiKey.SCOPE_FULL_ACCESS])
        await self._keys.noting(self._event("api_key.create", key.id, after=key)).keep(organization.id, key, secret)
        made = await self._find.organization(organization.id)
        return pb.CreateOrganizationResponse(organization=made, api_key=key, secret=secret)

    async def GetOrganization(self, request: pb.GetOrganizationRequest, context: Context) -> Organization:
        return await self._find.visible_organization(request.id or CALLER.get().org_id)

    async def ListOrganizations(
        self, request: pb.ListOrganizationsRequest, context: Context
    ) -> pb.ListOrganizationsResponse:
        size = page_size(request.page_size)
        page, token = cut_page(await self._store.organizations(Page(size + 1, request.page_token)), size)
        return pb.ListOrganizationsResponse(organizations=page, next_page_token=token)

    async def UpdateOrganization(self, request: pb.UpdateOrganizationRequest, context: Context) -> Organization:
        check.check_mask(request.update_mask, ORGANIZATION_FIELDS)
        before = await self._find.organization(request.organization.id)
        organization = check.masked(request.update_mask, request.organization, before)
        check.check_name(organization.name, "organization.name")
        check.check_limits(organization.limits, "organization.limits")
        if organization.disabled and organization.id == CALLER.get().org_id:
            raise NodexaError(
                "invalid_request", "Your own organization can't be disabled.", param="organization.disabled"
            )
        event = self._event("organization.update", organization.id, before=before, after=organization)
        await self._store.noting(event).update_organization(organization, now=self._clock())
        self._authenticator.forget()
        return organization

    async def CreateAssistant(self, request: pb.CreateAssistantRequest, context: Context) -> Assistant:
        org_id = CALLER.get().org_id
        assistant = request.assistant
        if assistant.id:
            raise NodexaError("invalid_request", "The platform gives the id.", param="assistant.id")
        await self._check_assistant(assistant)
        assistant.id = self._new_id("asst")
        event = self._event("assistant.create", assistant.id, after=assistant)
        await self._store.noting(event).add_assistant(assistant, org_id=org_id, now=self._clock())
        return await self._find.assistant(assistant.id)

    async def GetAssistant(self, request: pb.GetAssistantRequest, context: Context) -> Assistant:
        return await self._find.assistant(request.id)

    async def ListAssistants(self, request: pb.ListAssistantsRequest, context: Context) -> pb.ListAssistantsResponse:
        size = page_size(request.page_size)
        page = Page(size + 1, request.page_token)
        found, token = cut_page(await self._store.assistants(CALLER.get().org_id, page), size)
        return pb.ListAssistantsResponse(assistants=found, next_page_token=token)

    async def UpdateAssistant(self, request: pb.UpdateAssistantRequest, context: Context) -> Assistant:
        check.check_mask(request.update_mask, ASSISTANT_FIELDS)
        before = await self._find.assistant(request.assistant.id)
        assistant = check.masked(request.update_mask, request.assistant, before)
        await self._check_assistant(assistant)
        event = self._event("assistant.update", assistant.id, before=before, after=assistant)
        await self._store.noting(event).update_assistant(assistant, now=self._clock())
        self._catalog.forget()
        return await self._find.assistant(assistant.id)

    async def DeleteAssistant(self, request: pb.DeleteAssistantRequest, context: Context) -> Empty:
        assistant = await self._find.assistant(request.id)
        event = self._event("assistant.delete", assistant.id)
        await self._store.noting(event).delete_assistant(assistant.id, now=self._clock())
        self._catalog.forget()
        return Empty()

    async def ListAssistantTools(
        self, request: pb.ListAssistantToolsRequest, context: Context
    ) -> pb.ListAssistantToolsResponse:
        assistant = await self._find.assistant(request.assistant_id, param="assistant_id")
        return await self._tools.all(assistant, CALLER.get(), request.user_tokens)

    async def TryTool(self, request: pb.TryToolRequest, context: Context) -> pb.TryToolResponse:
        assistant = await self._find.assistant(request.assistant_id, param="assistant_id")
        event = self._event("tool.test", assistant.id, after=pb.TryToolRequest(tool=request.tool))
        return await self._tools.call(assistant, CALLER.get(), request, self._store.noting(event).note)

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> pb.CreateApiKeyResponse:
        check.check_name(request.name, "name")
        check.check_scopes(request.scopes)
        check.check_dialect(request.dialect)
        org_id = CALLER.get().org_id
        key, secret = self._keys.mint(org_id, request.name, list(request.scopes), request.dialect)
        await self._keys.noting(self._event("api_key.create", key.id, after=key)).keep(org_id, key, secret)
        return pb.CreateApiKeyResponse(api_key=key, secret=secret)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:
        size = page_size(request.page_size)
        page = Page(size + 1, request.page_token)
        found, token = cut_page(await self._store.keys(CALLER.get().org_id, page), size)
        return pb.ListApiKeysResponse(api_keys=found, next_page_token=token)

    async def UpdateApiKey(self, request: pb.UpdateApiKeyRequest, context: Context) -> ApiKey:
        check.check_mask(request.update_mask, KEY_FIELDS)
        before = await self._find.key(request.api_key.id)
        key = check.masked(request.update_mask, request.api_key, before)
        check.check_name(key.name, "api_key.name")
        check.check_dialect(key.dialect, "api_key.dialect")
        check.check_limits(key.limits, "api_key.limits")
        await self._store.noting(self._event("api_key.update", key.id, before=before, after=key)).update_key(key)
        self._authenticator.forget()
        return await self._find.key(key.id)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> ApiKey:
        key = await self._find.key(request.id)
        if not key.HasField("revoke_time"):
            await self._store.noting(self._event("api_key.revoke", key.id)).revoke_key(key.id, now=self._clock())
            self._authenticator.forget()
        return await self._find.key(request.id)

    async def CreateModel(self, request: pb.CreateModelRequest, context: Context) -> Model:
        check.check_model(request.model)
        event = self._event("model.create", request.model.name, after=request.model)
        return await self._models.noting(event).add(request.model)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=await self._models.all())

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> Empty:
        await self._models.noting(self._event("model.delete", request.name)).delete(request.name)
        return Empty()

    async def Prune(self, request: pb.PruneRequest, context: Context) -> pb.PruneResponse:
        done = await self._upkeep.prune()
        pruned = pb.PruneResponse(responses=done.responses, logs=done.logs)
        await self._store.noting(self._event("prune", "", after=pruned)).note()
        return pruned

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, context: Context) -> pb.ListAuditEventsResponse:
        size = page_size(request.page_size)
        caller = CALLER.get()
        org_id = "" if caller.operator else caller.org_id
        if request.organization_id:
            org_id = (await self._find.visible_organization(request.organization_id)).id
        page, token = cut_page(await self._audit.page(org_id, before=request.page_token, limit=size + 1), size)
        return pb.ListAuditEventsResponse(audit_events=page, next_page_token=token)

    def _event(
        self, act: str, target_id: str, *, before: Message | None = None, after: Message | None = None
    ) -> AuditEvent:
        return event_of(
            act,
            target_id,
            CALLER.get(),
            request_id=REQUEST_ID.get(),
            before=before,
            after=after,
            id=self._new_id("audit"),
            now=self._clock(),
        )

    async def _check_assistant(self, assistant: Assistant) -> None:
        # In a thread: it may hold schemas of megabytes, and nobody else waits for them.
        await asyncio.to_thread(check.check_assistant, assistant)
        if all(model.name != assistant.model for model in await self._catalog.configs()):
            message = f"There is no model {assistant.model!r}; ListModels names them."
            raise NodexaError("model_not_found", message, param="assistant.model")
        await self._tools.check(assistant, CALLER.get().org_id, path="assistant.defaults.tools")
