"""Keys that a test makes and takes away again."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import ApiKey, Assistant, Organization
from nodexa.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    CreateAssistantRequest,
    CreateOrganizationRequest,
    RevokeApiKeyRequest,
    UpdateOrganizationRequest,
)

from tests.conftest import CoreUnderTest


async def with_another_key(core: CoreUnderTest) -> tuple[CoreUnderTest, str]:
    """The core as the holder of a new key of the same organization sees it, and the key's id."""
    request = CreateApiKeyRequest(name="another", scopes=[ApiKey.SCOPE_FULL_ACCESS])
    made = await core.admin.CreateApiKey(request, metadata=core.metadata())
    return replace(core, quickstart={**core.quickstart, "NODEXA_API_KEY": made.secret}), made.api_key.id


async def revoke(core: CoreUnderTest, key_id: str) -> None:
    """Revokes a key of the core's first organization."""
    await core.admin.RevokeApiKey(RevokeApiKeyRequest(id=key_id), metadata=core.metadata())


async def as_another_organization(core: CoreUnderTest) -> tuple[CoreUnderTest, str]:
    """The core as a new organization with an assistant of its own sees it, and the organization's id."""
    made = await core.admin.CreateOrganization(CreateOrganizationRequest(name="Other"), metadata=core.metadata())
    seen = replace(core, quickstart={"NODEXA_API_KEY": made.secret})
    assistant = Assistant(name="Theirs", model="smollm2-135m")
    theirs = await core.admin.CreateAssistant(CreateAssistantRequest(assistant=assistant), metadata=seen.metadata())
    return replace(core, quickstart={**seen.quickstart, "NODEXA_ASSISTANT_ID": theirs.id}), made.organization.id


async def disable(core: CoreUnderTest, org_id: str) -> None:
    """Disables an organization."""
    organization = Organization(id=org_id, disabled=True)
    request = UpdateOrganizationRequest(organization=organization, update_mask=FieldMask(paths=["disabled"]))
    await core.admin.UpdateOrganization(request, metadata=core.metadata())


async def with_another_assistant(core: CoreUnderTest) -> CoreUnderTest:
    """The core with a new assistant in the place of the first."""
    assistant = Assistant(name="Second", model="smollm2-135m")
    made = await core.admin.CreateAssistant(CreateAssistantRequest(assistant=assistant), metadata=core.metadata())
    return replace(core, quickstart={**core.quickstart, "NODEXA_ASSISTANT_ID": made.id})
