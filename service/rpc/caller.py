"""Who calls: the key in the metadata becomes a Caller, or an error. There is no default caller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

from service.errors import NodexaError
from service.keys import Keyring
from service.runner.caller import Caller
from service.store.administration import Administration, KeyOwner

SECONDS_AT_HAND: Final = 1.0
MOST_AT_HAND: Final = 100_000
MAX_USER_ID: Final = 256

CALLER: Final[ContextVar[Caller]] = ContextVar("caller")
"""The caller of the RPC that runs now; set by the gate before a servicer is reached."""


class Authenticator:
    """Resolves keys. A row is kept at hand for a second at most, or until an administrator changes something."""

    def __init__(self, keyring: Keyring, store: Administration) -> None:
        self._keyring = keyring
        self._store = store
        self._at_hand: dict[bytes, tuple[float, KeyOwner]] = {}

    async def caller(self, metadata: Mapping[str, str | bytes], *, request_id: str) -> Caller:
        """The caller. Raises NodexaError `missing_api_key`, `invalid_api_key` or `invalid_user_id`."""
        secret = _secret(metadata)
        owner = await self._owner(secret)
        return Caller(
            org_id=owner.org_id,
            key_id=owner.key_id,
            scopes=owner.scopes,
            operator=owner.operator,
            user_id=_user_id(metadata),
            request_id=request_id,
        )

    def forget(self) -> None:
        """Looks every key up anew."""
        self._at_hand.clear()

    async def _owner(self, secret: str) -> KeyOwner:
        digest = self._keyring.digest(secret)
        found = self._at_hand.get(digest)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        owner = await self._store.owner_of(digest) if self._keyring.is_genuine(secret) else None
        if owner is None or not owner.works:
            self._at_hand.pop(digest, None)
            raise _invalid("The API key is not valid: it is mistyped, revoked, or its organization is disabled.")
        if len(self._at_hand) >= MOST_AT_HAND:
            self._at_hand.clear()
        self._at_hand[digest] = (time.monotonic() + SECONDS_AT_HAND, owner)
        return owner


def _secret(metadata: Mapping[str, str | bytes]) -> str:
    authorization, api_key = metadata.get("authorization"), metadata.get("x-api-key")
    secrets = set()
    if authorization is not None:
        scheme, _, token = str(authorization).partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _invalid("The Authorization header must be: Bearer nxk_…")
        secrets.add(token.strip())
    if api_key is not None:
        secrets.add(str(api_key).strip())
    if not secrets:
        raise NodexaError("missing_api_key", "Send an API key: Authorization: Bearer nxk_…, or x-api-key: nxk_…")
    if len(secrets) > 1:
        raise _invalid("Authorization and x-api-key hold two different keys; send one.")
    return secrets.pop()


def _user_id(metadata: Mapping[str, str | bytes]) -> str:
    given = metadata.get("x-user-id-bin", metadata.get("x-user-id"))
    if given is None:
        return ""
    try:
        user_id = given.decode() if isinstance(given, bytes) else given
    except UnicodeDecodeError:
        user_id = ""
    if not user_id or len(user_id) > MAX_USER_ID or not user_id.isprintable():
        raise NodexaError(
            "invalid_user_id", f"x-user-id has 1 to {MAX_USER_ID} printable characters.", param="x-user-id"
        )
    return user_id


def _invalid(message: str) -> NodexaError:
    return NodexaError("invalid_api_key", message)
