"""Claims: what an application says about its users, so that assistants know it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NoReturn

from nodexa.v1.user_pb2 import Claim

from service.errors import NodexaError
from service.runner.caller import Caller
from service.settings import Clock
from service.store.claims import ClaimRow, ClaimStore

MOST_AT_ONCE: Final = 50
MAX_KEY: Final = 255
MAX_VALUE: Final = 64 * 1024
"""Bytes of JSON text."""


class Claims:
    """The claims of every caller's user. Each method raises NodexaError `invalid_user_id` for a caller without one."""

    def __init__(self, store: ClaimStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def put(self, claims: Sequence[Claim], caller: Caller) -> int:
        """Sets claims, all or none; how many were written. Raises NodexaError for one that can't be kept."""
        user_id = expect_user(caller)
        check_claims(claims)
        now = self._clock()
        rows = {claim.key: ClaimRow(claim.key, claim.value_json, now, now) for claim in claims}
        if rows:
            await self._store.put(caller.org_id, user_id, rows.values())
        return len(rows)

    async def all(self, caller: Caller) -> Sequence[Claim]:
        """The user's claims by key."""
        return [_shown(row) for row in await self._store.all(caller.org_id, expect_user(caller))]

    async def delete(self, key: str, caller: Caller) -> None:
        """Deletes one. Raises NodexaError `claim_not_found`."""
        if not await self._store.delete(caller.org_id, expect_user(caller), key):
            raise NodexaError("claim_not_found", f"The user has no claim {key!r}.", param="key")

    async def delete_all(self, caller: Caller) -> int:
        """Deletes all; how many there were."""
        return await self._store.delete(caller.org_id, expect_user(caller))


def expect_user(caller: Caller) -> str:
    """The user that a caller speaks for. Raises NodexaError `invalid_user_id` where there is none."""
    if not caller.user_id:
        message = "This is about one end user: say which one in the header x-user-id."
        raise NodexaError("invalid_user_id", message, param="x-user-id")
    return caller.user_id


def check_claims(claims: Sequence[Claim]) -> None:
    """Raises NodexaError `too_many_claims`, `invalid_claim_key`, `claim_too_large`, or `invalid_request` for a value
    that is not JSON. Pure.
    """
    if len(claims) > MOST_AT_ONCE:
        message = f"At most {MOST_AT_ONCE} claims can be set at once, and these are {len(claims)}: send them in parts."
        raise NodexaError("too_many_claims", message, param="claims")
    for place, claim in enumerate(claims):
        path = f"claims[{place}]"
        if not 0 < len(claim.key) <= MAX_KEY:
            message = f"The key of a claim has 1 to {MAX_KEY} characters."
            raise NodexaError("invalid_claim_key", message, param=f"{path}.key")
        if len(claim.value_json.encode()) > MAX_VALUE:
            message = f"The value of a claim has at most {MAX_VALUE // 1024} KB as JSON."
            raise NodexaError("claim_too_large", message, param=f"{path}.value_json")
        _check_json(claim.value_json, f"{path}.value_json")


def _check_json(text: str, param: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NodexaError("invalid_request", "The value of a claim is JSON text.", param=param) from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _shown(row: ClaimRow) -> Claim:
    claim = Claim(key=row.key, value_json=row.value)
    claim.create_time.FromMilliseconds(row.created_at)
    claim.update_time.FromMilliseconds(row.updated_at)
    return claim
