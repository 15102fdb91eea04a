"""Files through the Python SDK, and uploads in every form, good and bad."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest

from rest_bridge.settings import Settings
from tests.documents import HANDBOOK
from tests.rest_bridge.conftest import BridgeUnderTest

EDGE = "b" * 30


@pytest.fixture
def bridge_settings() -> Settings:
    return Settings(drain_seconds=0.2, stop_seconds=5, max_upload_bytes=3 * 1024 * 1024, upload_seconds=5)


async def test_a_file_is_uploaded_listed_given_back_and_deleted(bridge: BridgeUnderTest) -> None:
    async with bridge.sdk() as client:
        made = await client.files.create(
            file=('Ünï "1".pdf', HANDBOOK),
            purpose="assistants",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert (made.filename, made.bytes, made.purpose) == ('Ünï "1".pdf', len(HANDBOOK), "assistants")
        assert (made.expires_at or 0) - made.created_at == 3600
        assert await client.files.retrieve(made.id) == made
        other = await client.files.create(file=b"Hi", purpose="user_data")
        assert [file.id async for file in client.files.list(limit=1, order="asc")] == [made.id, other.id]
        assert [file.id async for file in client.files.list(purpose="user_data")] == [other.id]
        given = await client.files.content(made.id)
        assert given.content == HANDBOOK
        assert given.response.headers["x-content-type-options"] == "nosniff"
        assert (await client.files.delete(made.id)).deleted
        for gone in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError) as refused:
                await gone(made.id)
            assert refused.value.code == "file_not_found"


async def test_a_large_file_goes_in_pieces_and_one_that_is_too_large_is_refused(bridge: BridgeUnderTest) -> None:
    data = bytes(range(256)) * 4096 * 2
    async with bridge.sdk() as client:
        made = await client.files.create(file=("large.bin", data), purpose="user_data")
        assert (await client.files.content(made.id)).content == data
        with pytest.raises(openai.APIStatusError) as refused:
            await client.files.create(file=("huge.bin", data + data), purpose="user_data")
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")


async def test_an_upload_without_a_length_is_measured_as_it_comes(bridge: BridgeUnderTest) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield form(("purpose", "assistants")).removesuffix(end()) + head("file", 'filename="a"')
        for _ in range(100):
            yield bytes(100_000)

    async with bridge.http() as http:
        answer = await http.post("/v1/files", content=endless(), headers=typed())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def typed(boundary: str = EDGE) -> dict[str, str]:
    return {"content-type": f"multipart/form-data; boundary={boundary}"}


def head(name: str, more: str = "") -> bytes:
    return f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"; {more}\r\n\r\n'.encode()


def end() -> bytes:
    return f"--{EDGE}--\r\n".encode()


def form(*fields: tuple[str, str], file: bytes | None = None) -> bytes:
    parts = [head(name) + value.encode() + b"\r\n" for name, value in fields]
    if file is not None:
        parts.insert(0, head("file", 'filename="a.txt"') + file + b"\r\n")
    return b"".join(parts) + end()


USED = ("purpose", "assistants")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_request", None),
        (b"no form", "invalid_request", None),
        (form(USED, file=b"Hi").removesuffix(end()), "invalid_request", None),
        (form(USED), "missing_required_field", "file"),
        (form(file=b"Hi"), "missing_required_field", "purpose"),
        (form(("purpose", "fine-tune"), file=b"Hi"), "invalid_request", "purpose"),
        (form(USED, file=b"Hi").replace(b'"a.txt"', b'""'), "missing_required_field", "filename"),
        (form(USED, ("expires_after[seconds]", "3600"), file=b""), "invalid_request", "expires_after[anchor]"),
        (
            form(USED, ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "x"), file=b""),
            "invalid_request",
            "expires_after[seconds]",
        ),
        (
            form(USED, ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "60"), file=b""),
            "invalid_request",
            "expires_after[seconds]",
        ),
        (form(*[(f"f{number}", "") for number in range(40)]), "invalid_request", None),
        (form(("purpose", "x" * 70_000)), "invalid_request", None),
        (form(USED, file=b"Hi").removesuffix(end()) + form(file=b"Again"), "invalid_request", "file"),
    ],
)
async def test_a_form_that_can_t_be_is_refused_in_words(
    bridge: BridgeUnderTest, body: bytes, code: str, param: str | None
) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/files", content=body, headers=typed())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain; boundary=x"])
async def test_what_is_no_form_is_refused(bridge: BridgeUnderTest, kind: str) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/files", content=b"{}", headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_fields_come_in_any_order_and_unknown_ones_are_noted(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        body = form(("made_up", "1"), USED, file=b"Hi")
        answer = await http.post("/v1/files", content=body, headers=typed())
    assert (answer.status_code, answer.json()["nodexa"]) == (200, {"ignored": ["made_up"]})


async def test_a_wrong_key_uploads_nothing(bridge: BridgeUnderTest) -> None:
    async with bridge.http(key="nxk_wrong") as http:
        data = {"purpose": "user_data"}
        answer = await http.post("/v1/files", data=data, files={"file": bytes(2 * 1024 * 1024)})
    assert answer.status_code == 401
