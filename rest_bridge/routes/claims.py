"""The endpoints of claims, which answer at two addresses."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from nodexa.v1 import user_service_pb2 as pb

from rest_bridge.errors import RequestError
from rest_bridge.routes.call import Answer, Call, answer
from rest_bridge.wire import json
from rest_bridge.wire.claim import parse_claims, render_claims

BULK: Final = "bulk"
"""An address of its own, and a claim may be called so."""
_NAMES: Final = ((".value_json", ".claimValue"), (".key", ".claimKey"))


async def put(call: Call) -> Answer:
    """POST /v1/user-claims/bulk."""
    settings = call.bridge.settings
    body = await call.json()
    ignored: list[str] = []
    rpc = call.bridge.core.users.SetClaims(
        parse_claims(json.parse_object(body), ignored), metadata=call.metadata(), timeout=settings.unary_seconds
    )
    try:
        done = await call.ask(rpc)
    except RequestError as refusal:
        for name, word in _NAMES:
            refusal.param = refusal.param.replace(name, word)
        raise
    shown: dict[str, Any] = {"count": done.count} | ({"nodexa": {"ignored": ignored}} if ignored else {})
    return dataclasses.replace(answer(shown), status=201)


async def list_claims(call: Call) -> Answer:
    """GET /v1/user-claims."""
    rpc = call.bridge.core.users.ListClaims(
        pb.ListClaimsRequest(), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer(render_claims((await call.ask(rpc)).claims))


async def delete(call: Call) -> Answer:
    """DELETE /v1/user-claims/{claim_key}."""
    rpc = call.bridge.core.users.DeleteClaim(
        pb.DeleteClaimRequest(key=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    await call.ask(rpc)
    return answer({"claimKey": call.target, "deleted": True})


async def delete_bulk(call: Call) -> Answer:
    """DELETE /v1/user-claims/bulk: the claim of that name."""
    return await delete(dataclasses.replace(call, target=BULK))


async def delete_all(call: Call) -> Answer:
    """DELETE /v1/user-claims."""
    rpc = call.bridge.core.users.DeleteClaims(
        pb.DeleteClaimsRequest(), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer({"count": (await call.ask(rpc)).count})
