"""Who calls: the key in the metadata becomes a Caller, or an error. There is no default caller."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

from service.errors import NodexaError
from service.keys import Keyring
from service.runner.caller import Caller
from service.store.administration import Administration, KeyOwner

SECONDS_AT_HAND: Final = 0.9
ONE_ASKS: Final = 0.1
"""Seconds for which all others still take what is at hand, while the first asks anew: a second in all."""
MOST_AT_HAND: Final = 100_000
MAX_USER_ID: Final = 256

Metadata = Sequence[tuple[str, str | bytes]]
"""The metadata of a call, in the order in which it came; a name may stand in it twice."""

CALLER: Final[ContextVar[Caller]] = ContextVar("caller")
"""The caller of the RPC that runs now; set by the gate before a servicer is reached."""


class Authenticator:
    """Resolves keys. A row is kept at hand for a second at most, or until an administrator changes something."""

    def __init__(self, keyring: Keyring, store: Administration) -> None:
        self._keyring = keyring
        self._store = store
        self._at_hand: dict[bytes, tuple[float, KeyOwner]] = {}
        self._asked: set[bytes] = set()
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
        self._at_hand.clear()

    async def _owner(self, secret: str) -> KeyOwner:
        # Not the digest that is stored: this one takes a fifth of the time, and nobody else has its key.
        mark = hashlib.blake2b(secret.encode(), digest_size=32, key=self._pepper).digest()
        found = self._at_hand.get(mark)
        now = time.monotonic()
        if found is not None and found[0] + (ONE_ASKS if mark in self._asked else 0) > now:
            return found[1]
        # Counted from the question: what is revoked while the answer is on its way must not live longer for it.
        self._asked.add(mark)
        try:
            genuine = self._keyring.is_genuine(secret)
            owner = await self._store.owner_of(self._keyring.digest(secret)) if genuine else None
        finally:
            self._asked.discard(mark)
        if owner is None or not owner.works:
            self._at_hand.pop(mark, None)
            raise _invalid("The API key is not valid: it is mistyped, revoked, or its organization is disabled.")
        if len(self._at_hand) >= MOST_AT_HAND:
            self._at_hand.clear()
        self._at_hand[mark] = (now + SECONDS_AT_HAND, owner)
        return owner


def _secret(metadata: Metadata) -> str:
    secrets = {str(value).strip() for name, value in metadata if name == "x-api-key"}
    secrets |= {_bearer(str(value)) for name, value in metadata if name == "authorization"}
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
