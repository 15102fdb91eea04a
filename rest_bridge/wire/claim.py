"""The bodies of the claims' endpoints, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nodexa.v1.user_pb2 import Claim
from nodexa.v1.user_service_pb2 import SetClaimsRequest

from rest_bridge.wire import json, shape
from rest_bridge.wire.time import milliseconds

_READ = ("claimKey", "claimValue")


def parse_claims(body: Mapping[str, Any], ignored: list[str]) -> SetClaimsRequest:
    """Claims to set. Adds to `ignored` the paths of what is without effect.

    Raises errors.RequestError that names the field at fault.
    """
    shape.note_unread(body, ("claims",), "", ignored)
    found = body.get("claims")
    if found is None:
        raise shape.wrong("claims", "is required: a list of claims", code="missing_required_field")
    if not isinstance(found, list):
        raise shape.wrong("claims", "must be a list of claims", code="invalid_request")
    return SetClaimsRequest(claims=[_claim(member, f"claims[{n}]", ignored) for n, member in enumerate(found)])


def _claim(value: object, path: str, ignored: list[str]) -> Claim:
    if not isinstance(value, dict):
        raise shape.wrong(path, "must be an object", code="invalid_request")
    for name in _READ:
        # A value may be null: that is something to know, too.
        if name not in value:
            raise shape.wrong(f"{path}.{name}", "is required", code="missing_required_field")
    if not isinstance(value["claimKey"], str):
        raise shape.wrong(f"{path}.claimKey", "must be a text", code="invalid_claim_key")
    shape.note_unread(value, _READ, path, ignored)
    return Claim(key=value["claimKey"], value_json=json.dump(value["claimValue"]).decode())


def render_claims(claims: Sequence[Claim]) -> dict[str, Any]:
    """The object of the wire."""
    return {"claims": [_shown(claim) for claim in claims]}


def _shown(claim: Claim) -> dict[str, Any]:
    return {
        "claimKey": claim.key,
        "claimValue": json.parse_stored(claim.value_json),
        "createdAt": milliseconds(claim.create_time),
        "updatedAt": milliseconds(claim.update_time),
    }
