"""What a request to AdminService names, found for its caller; what is not there is refused, as is what is another's."""

from __future__ import annotations

from nodexa.v1.admin_pb2 import ApiKey, Assistant, Organization

from service.errors import NodexaError
from service.rpc.caller import CALLER
from service.store.administration import Administration


class Finding:
    """Everything here raises NodexaError for an id that the caller may not know, as for one that never was."""

    def __init__(self, store: Administration) -> None:
        self._store = store

    async def visible_organization(self, org_id: str) -> Organization:
        """The caller's own organization; an operator's caller may name any."""
        caller = CALLER.get()
        if org_id != caller.org_id and not caller.operator:
            raise unknown("organization", org_id)
        return await self.organization(org_id)

    async def organization(self, org_id: str) -> Organization:
        """Any organization, whoever asks."""
        organization = await self._store.organization(org_id)
        if organization is None:
            raise unknown("organization", org_id)
        return organization

    async def assistant(self, assistant_id: str, *, param: str = "id") -> Assistant:
        """One of the caller's organization."""
        assistant = await self._store.assistant(CALLER.get().org_id, assistant_id)
        if assistant is None:
            raise unknown("assistant", assistant_id, param=param)
        return assistant

    async def key(self, key_id: str) -> ApiKey:
        """One of the caller's organization."""
        key = await self._store.key(CALLER.get().org_id, key_id)
        if key is None:
            raise NodexaError("api_key_not_found", f"No API key {key_id!r}.", param="id")
        return key


def unknown(kind: str, name: str, *, param: str = "id") -> NodexaError:
    """What is said of a `kind` of thing that isn't there."""
    return NodexaError(f"{kind}_not_found", f"No {kind} {name!r}.", param=param)
