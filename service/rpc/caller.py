"""Who calls: the key in the metadata becomes a Caller, or an error. There is no default caller."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

from service.errors import NodexaError
from service.keys import Keyring
from service.runner.at_hand import AtHand
from service.runner.caller import Caller
from service.store.administration import Administration, KeyOwner

MOST_AT_HAND: Final = 100_000
MAX_USER_ID: Final = 256

_CREDENTIALS: Final = ("x-api-key", "authorization")

Metadata = Sequence[tuple[str, str | bytes]]
"""The metadata of a call, in the order in which it came; a name may stand in it twice."""

CALLER: Final[ContextVar[Caller]] = ContextVar("caller")
"""The caller of the RPC that runs now; set by the gate before a servicer is reached."""


class Authenticator:
    """Resolves keys. A row is kept at hand for a second at most, or until an administrator changes something."""

    def __init__(self, keyring: Keyring, store: Administration) -> None:
        self._keyring = keyring
        self._store = store
        self._owners: AtHand[bytes, KeyOwner] = AtHand(most=MOST_AT_HAND)
        self._pepper = os.urandom(32)

    async def caller(self, metadata: Metadata, *, request_id: str) -> Caller:
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
            dialect=owner.dialect,
            key_limits=owner.key_limits,
            org_limits=owner.org_limits,
        )

    def forget(self) -> None:
        """Looks every key up anew."""
        self._owners.forget()

    async def _owner(self, secret: str) -> KeyOwner:
        # Not the digest that is stored: this one takes a fifth of the time, and nobody else has its key.
        mark = hashlib.blake2b(secret.encode(), digest_size=32, key=self._pepper).digest()
        owner = self._owners.find(mark) or await self._owners.get(mark, lambda: self._look_up(secret))
        if owner is None:
            raise _invalid("The API key is not valid: it is mistyped, revoked, or its organization is disabled.")
        return owner

    async def _look_up(self, secret: str) -> KeyOwner | None:
        owner = await self._store.owner_of(self._keyring.digest(secret)) if self._keyring.is_genuine(secret) else None
        return owner if owner is not None and owner.works else None


def _secret(metadata: Metadata) -> str:
    found = [
        str(value).strip() if name == "x-api-key" else _bearer(str(value))
        for name, value in metadata
        if name in _CREDENTIALS
    ]
    if len(found) == 1:  # As nearly always.
        return found[0]
    secrets = set(found)
    if not secrets:
        raise NodexaError("missing_api_key", "Send an API key: Authorization: Bearer nxk_…, or x-api-key: nxk_…")
    if len(secrets) > 1:
        raise _invalid("The call carries two different keys; send one, as Authorization or as x-api-key.")
    return secrets.pop()


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _invalid("The Authorization header must be: Bearer nxk_…")
    return token.strip()


def _user_id(metadata: Metadata) -> str:
    given = {_text(value) for name, value in metadata if name in ("x-user-id", "x-user-id-bin")}
    if not given:
        return ""
    user_id = given.pop()
    if given or not user_id or len(user_id) > MAX_USER_ID or not user_id.isprintable():
        raise NodexaError(
            "invalid_user_id", f"x-user-id is one value of 1 to {MAX_USER_ID} printable characters.", param="x-user-id"
        )
    return user_id


def _text(value: str | bytes) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return ""


def _invalid(message: str) -> NodexaError:
    return NodexaError("invalid_api_key", message)
