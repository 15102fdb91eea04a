"""Whose key it is: both headers alike, and nothing but a genuine, living key gets in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import ApiKey, Organization
from nodexa.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    CreateOrganizationRequest,
    GetOrganizationRequest,
    RevokeApiKeyRequest,
    UpdateOrganizationRequest,
)

from service.keys import Keyring
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.service.refusals import Refusal, refusal
from tests.service.requests import asking, create

Metadata = list[tuple[str, str]]
FULL = [ApiKey.SCOPE_FULL_ACCESS]


async def get_in(core: CoreUnderTest, metadata: Metadata) -> str:
    return (await core.admin.GetOrganization(GetOrganizationRequest(), metadata=metadata)).id


async def turned_away(core: CoreUnderTest, metadata: Metadata) -> Refusal:
    return await refusal(core.admin.GetOrganization(GetOrganizationRequest(), metadata=metadata))


async def another_key(core: CoreUnderTest) -> CreateApiKeyResponse:
    request = CreateApiKeyRequest(name="another", scopes=FULL)
    return await core.admin.CreateApiKey(request, metadata=core.metadata())


def tampered(key: str) -> str:
    """One character of the sealed part changed, and the checksum made to fit."""
    body = key.rpartition("_")[0]
    body = body[:10] + ("A" if body[10] != "A" else "B") + body[11:]
    return f"{body}_{base64.b32encode(hashlib.sha256(body.encode()).digest()).decode().lower()[:6]}"


ACCEPTED: dict[str, Callable[[str], Metadata]] = {
    "x-api-key": lambda key: [("x-api-key", key)],
    "bearer": lambda key: [("authorization", f"Bearer {key}")],
    "bearer in small letters": lambda key: [("authorization", f"bearer {key}")],
    "spaces around it": lambda key: [("authorization", f"Bearer   {key} ")],
    "the same in both": lambda key: [("authorization", f"Bearer {key}"), ("x-api-key", key)],
    "the same twice": lambda key: [("x-api-key", key), ("x-api-key", key)],
}


@pytest.mark.parametrize("headers", ACCEPTED.values(), ids=ACCEPTED)
async def test_both_headers_are_equal(core: CoreUnderTest, headers: Callable[[str], Metadata]) -> None:
    assert await get_in(core, headers(core.key)) == await get_in(core, core.metadata())


async def test_no_key_is_said_to_be_missing(core: CoreUnderTest) -> None:
    answer = await turned_away(core, [("x-user-id", "alice")])

    assert (answer.status, answer.reason, answer.domain) == ("UNAUTHENTICATED", "missing_api_key", "nodexa")


STRANGE: dict[str, Callable[[str], Metadata]] = {
    "an empty bearer": lambda key: [("authorization", "Bearer ")],
    "no word behind bearer": lambda key: [("authorization", "Bearer")],
    "another scheme": lambda key: [("authorization", f"Basic {key}")],
    "no scheme": lambda key: [("authorization", key)],
    "an empty key": lambda key: [("x-api-key", "")],
    "a wrong prefix": lambda key: [("x-api-key", f"sk-{key[4:]}")],
    "only the prefix": lambda key: [("x-api-key", "nxk_")],
    "no checksum": lambda key: [("x-api-key", key.rpartition("_")[0])],
    "a bad checksum": lambda key: [("x-api-key", key[:-1] + ("a" if key[-1] != "a" else "b"))],
    "one character changed": lambda key: [("x-api-key", tampered(key))],
    "not base64": lambda key: [("x-api-key", "nxk_!!!_aaaaaa")],
    "far too long": lambda key: [("x-api-key", "nxk_" + "A" * 4000)],
    "of another installation": lambda key: [
        ("x-api-key", Keyring(b"s" * 32, b"p" * 32).mint(key_id="key_1", org_id="org_1", issued_at=0))
    ],
    "a good one beside garbage": lambda key: [("x-api-key", key), ("authorization", "Bearer nxk_other")],
    "a good one beside another scheme": lambda key: [("x-api-key", key), ("authorization", "Basic YTpi")],
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("headers", STRANGE.values(), ids=STRANGE)
async def test_whatever_is_no_key_of_ours_is_invalid(shared: CoreUnderTest, headers: Callable[[str], Metadata]) -> None:
    answer = await turned_away(shared, headers(shared.key))

    assert (answer.status, answer.reason) == ("UNAUTHENTICATED", "invalid_api_key")
    assert shared.key not in answer.message


@pytest.mark.parametrize("second", ["x-api-key", "authorization"])
async def test_two_different_keys_in_one_call_are_refused(core: CoreUnderTest, second: str) -> None:
    other = (await another_key(core)).secret
    value = f"Bearer {other}" if second == "authorization" else other

    answer = await turned_away(core, [("x-api-key", core.key), (second, value)])

    assert answer.reason == "invalid_api_key"
    assert "two different keys" in answer.message


async def test_a_revoked_key_stops_working_at_once_and_looks_like_one_that_never_was(core: CoreUnderTest) -> None:
    made = await another_key(core)
    assert await get_in(core, [("x-api-key", made.secret)])

    await core.admin.RevokeApiKey(RevokeApiKeyRequest(id=made.api_key.id), metadata=core.metadata())

    request_id = ("x-request-id", "same")
    revoked = await turned_away(core, [("x-api-key", made.secret), request_id])
    assert revoked == await turned_away(core, [("x-api-key", "nxk_never_aaaaaa"), request_id])
    assert revoked.reason == "invalid_api_key"


async def test_a_disabled_organization_s_keys_rest_until_it_is_enabled(core: CoreUnderTest) -> None:
    made = await core.admin.CreateOrganization(CreateOrganizationRequest(name="Other"), metadata=core.metadata())
    theirs = [("x-api-key", made.secret)]
    assert await get_in(core, theirs) == made.organization.id

    async def switch(*, disabled: bool) -> None:
        organization = Organization(id=made.organization.id, disabled=disabled)
        request = UpdateOrganizationRequest(organization=organization, update_mask=FieldMask(paths=["disabled"]))
        await core.admin.UpdateOrganization(request, metadata=core.metadata())

    await switch(disabled=True)
    assert (await turned_away(core, theirs)).reason == "invalid_api_key"
    await switch(disabled=False)
    assert await get_in(core, theirs) == made.organization.id


async def test_a_stream_is_refused_like_everything_else(core: CoreUnderTest) -> None:
    answer = await refusal(core.responses.StreamResponse(asking(core), metadata=[("x-api-key", "nxk_no_aaaaaa")]))

    assert answer.reason == "invalid_api_key"
    assert not core.model.prompts


NO_USERS: dict[str, list[tuple[str, str | bytes]]] = {
    "empty": [("x-user-id", "")],
    "too long": [("x-user-id", "u" * 257)],
    "a control character": [("x-user-id-bin", b"se\ncret")],
    "a null": [("x-user-id-bin", b"se\x00cret")],
    "not UTF-8": [("x-user-id-bin", b"\xff\xfe")],
    "two of them": [("x-user-id", "alice"), ("x-user-id", "bob")],
}


@pytest.mark.parametrize("headers", NO_USERS.values(), ids=NO_USERS)
async def test_a_user_id_that_is_none_is_refused_and_not_echoed(
    core: CoreUnderTest, headers: list[tuple[str, str | bytes]]
) -> None:
    answer = await refusal(core.admin.GetOrganization(GetOrganizationRequest(), metadata=[*core.metadata(), *headers]))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", "invalid_user_id", "x-user-id")
    assert not any(word in answer.message for word in ("uuu", "cret", "alice", "bob"))


@pytest.mark.parametrize("user_id", ["a", "u" * 256, "alice@example.com", "with a space"])
async def test_a_user_id_may_be_anything_printable(core: CoreUnderTest, user_id: str) -> None:
    core.model.add(says("Hi"))
    await create(core, user_id=user_id)


async def test_nobody_can_read_a_key_on_disk(core: CoreUnderTest) -> None:
    made = await another_key(core)
    core.model.add(says("Hi"))
    await create(core, user_tokens={"provider": "canary-token"})

    secrets = {core.key, made.secret, core.key[4:40], made.secret[4:40], "canary-token"}

    files = [path for path in core.data.iterdir() if path.name.startswith("nodexa.db")]
    content = b"".join(path.read_bytes() for path in files)
    assert len(files) >= 2
    assert made.api_key.id.encode() in content
    assert not [secret for secret in secrets if secret.encode() in content]


def test_a_keyring_shows_nothing_of_itself() -> None:
    assert repr(Keyring(b"seal", b"pepper")) == "Keyring(…)"


async def test_the_hint_is_the_end_of_the_secret(core: CoreUnderTest) -> None:
    made = await another_key(core)

    assert made.secret.startswith("nxk_")
    assert made.secret.endswith(made.api_key.hint)
    assert len(made.api_key.hint) == 4
