"""Who calls: the key in the metadata becomes a Caller, or an error. There is no default caller."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Final

from service.errors import NodexaError
from service.keys import Keyring
from service.runner.at_hand import AtHand
from service.runner.caller import Caller
from service.store.administration import Administration

MOST_AT_HAND: Final = 100_000
MAX_USER_ID: Final = 256

_CREDENTIALS: Final = ("x-api-key", "authorization")
_USERS: Final = frozenset({"x-user-id", "x-user-id-bin"})
_BEARER: Final = "Bearer "

Metadata = Sequence[tuple[str, str | bytes]]
"""The metadata of a call, in the order in which it came; a name may stand in it twice."""

CALLER: Final[ContextVar[Caller]] = ContextVar("caller")
"""The caller of the RPC that runs now; set by the gate before a servicer is reached."""

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id")
"""What the call is known by, to who sent it and to the operator; set by the gate, too."""


class Authenticator:
    """Resolves keys. A row is kept at hand for a second at most, or until an administrator changes something."""

    def __init__(self, keyring: Keyring, store: Administration) -> None:
        self._keyring = keyring
        self._store = store
        self._owners: AtHand[bytes, Caller] = AtHand(most=MOST_AT_HAND)
        self._pepper = os.urandom(32)

    def at_hand(self, metadata: Metadata) -> Caller | None:
        """The caller, if he called a moment ago, and says no more than his key, and that once."""
        named = dict(metadata)
        if len(named) != len(metadata) or not _USERS.isdisjoint(named):
            return None
        bearer, key = named.get("authorization"), named.get("x-api-key")
        if key is None and isinstance(bearer, str) and bearer.startswith(_BEARER):
            key = bearer[len(_BEARER) :]
        elif bearer is not None:
            return None
        return self._owners.find(self._mark(key)) if isinstance(key, str) else None

    async def caller(self, metadata: Metadata) -> Caller:
        """The caller. Raises NodexaError `missing_api_key`, `invalid_api_key` or `invalid_user_id`."""
        owner = await self._owner(_secret(metadata))
        user_id = _user_id(metadata)
        return replace(owner, user_id=user_id) if user_id else owner

    def forget(self) -> None:
        """Looks every key up anew."""
        self._owners.forget()

    def _mark(self, secret: str) -> bytes:
        # Not the digest that is stored: this one takes a fifth of the time, and nobody else has its key.
        return hashlib.blake2b(secret.encode(), digest_size=32, key=self._pepper).digest()

    async def _owner(self, secret: str) -> Caller:
        owner = await self._owners.get(self._mark(secret), lambda: self._look_up(secret))
        if owner is None:
            raise _invalid("The API key is not valid: it is mistyped, revoked, or its organization is disabled.")
        return owner

    async def _look_up(self, secret: str) -> Caller | None:
        owner = await self._store.owner_of(self._keyring.digest(secret)) if self._keyring.is_genuine(secret) else None
        if owner is None or not owner.works:
            return None
        return Caller(
            org_id=owner.org_id,
            key_id=owner.key_id,
            scopes=owner.scopes,
            operator=owner.operator,
            dialect=owner.dialect,
            key_limits=owner.key_limits,
            org_limits=owner.org_limits,
        )


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
    given = {_text(value) for name, value in metadata if name in _USERS}
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
