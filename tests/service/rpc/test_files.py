"""Files are kept as they came, whole or in pieces, and go when their time is over."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1 import file_service_pb2 as pb
from nodexa.v1.admin_service_pb2 import PruneRequest
from nodexa.v1.file_pb2 import File

from service.store.archive import problems
from tests.conftest import CoreUnderTest
from tests.service.files import files, knowledge_in_days, upload
from tests.service.refusals import refusal

NOTHING = "file_00000000-0000-7000-8000-000000000000"


async def content(core: CoreUnderTest, file_id: str) -> bytes:
    messages = files(core).ReadFile(pb.ReadFileRequest(id=file_id), metadata=core.metadata())
    return b"".join([message.data async for message in messages])


async def write(core: CoreUnderTest, upload_id: str, offset: int, data: bytes) -> pb.WriteFileDataResponse:
    request = pb.WriteFileDataRequest(upload_id=upload_id, offset=offset, data=data)
    return await files(core).WriteFileData(request, metadata=core.metadata())


async def listed(core: CoreUnderTest, **asked: Any) -> list[str]:
    answer = await files(core).ListFiles(pb.ListFilesRequest(**asked), metadata=core.metadata())
    return [file.filename for file in answer.files]


async def test_a_file_is_given_back_as_it_came(core: CoreUnderTest) -> None:
    name = await upload(core, bytes(range(256)), filename="bytes.bin")
    shown = await files(core).GetFile(pb.GetFileRequest(id=name), metadata=core.metadata())

    assert (shown.filename, shown.size_bytes, shown.purpose) == ("bytes.bin", 256, File.PURPOSE_ASSISTANTS)
    assert not shown.HasField("expire_time")
    assert await content(core, name) == bytes(range(256))
    assert await content(core, await upload(core, b"")) == b""


async def test_a_file_is_written_in_pieces_and_a_piece_may_come_twice(core: CoreUnderTest) -> None:
    begun = await write(core, "", 0, b"a" * 1000)
    again = [await write(core, begun.upload_id, 1000, b"b" * 500) for _ in range(2)]
    assert [told.size_bytes for told in (begun, *again)] == [1000, 1500, 1500]
    assert await listed(core) == []

    request = pb.CreateFileRequest(
        filename="big", purpose=File.PURPOSE_USER_DATA, expires_after_seconds=3600, upload_id=begun.upload_id
    )
    made = await files(core).CreateFile(request, metadata=core.metadata())

    assert (made.size_bytes, made.expire_time.seconds - made.create_time.seconds) == (1500, 3600)
    assert await content(core, made.id) == b"a" * 1000 + b"b" * 500
    assert (await refusal(files(core).CreateFile(request, metadata=core.metadata()))).reason == "file_not_found"


async def test_files_are_listed_page_by_page_and_by_purpose(core: CoreUnderTest) -> None:
    names = [await upload(core, filename=f"{letter}.txt") for letter in "abc"]

    assert await listed(core) == ["c.txt", "b.txt", "a.txt"]
    assert await listed(core, oldest_first=True, page_size=2) == ["a.txt", "b.txt"]
    assert await listed(core, oldest_first=True, page_token=names[1]) == ["c.txt"]
    assert await listed(core, purpose=File.PURPOSE_VISION) == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("change", "reason", "param"),
    [
        ({"filename": ""}, "missing_required_field", "filename"),
        ({"filename": "a\nb"}, "invalid_request", "filename"),
        ({"filename": "a" * 256}, "invalid_request", "filename"),
        ({"purpose": 0}, "invalid_request", "purpose"),
        ({"purpose": 99}, "invalid_request", "purpose"),
        ({"expires_after_seconds": 3599}, "invalid_request", "expires_after_seconds"),
        ({"expires_after_seconds": 2_592_001}, "invalid_request", "expires_after_seconds"),
        ({"data": bytes(4 * 1024 * 1024 + 1)}, "request_too_large", "data"),
        ({"upload_id": NOTHING}, "file_not_found", "upload_id"),
    ],
)
async def test_a_file_that_can_t_be_is_refused(
    shared: CoreUnderTest, change: dict[str, Any], reason: str, param: str
) -> None:
    request = pb.CreateFileRequest(**{"filename": "a", "purpose": File.PURPOSE_ASSISTANTS, **change})
    answer = await refusal(files(shared).CreateFile(request, metadata=shared.metadata()))
    assert (answer.reason, answer.param) == (reason, param)


async def test_a_piece_that_doesn_t_fit_is_refused(core: CoreUnderTest) -> None:
    begun = await write(core, "", 0, b"abc")
    for upload_id, offset, data, param in (
        (begun.upload_id, 4, b"d", "offset"),
        (begun.upload_id, -1, b"d", "offset"),
        (begun.upload_id, 3, b"", "data"),
        (begun.upload_id, 512 * 1024 * 1024, b"d", "data"),
        ("", 3, b"d", "offset"),
        (NOTHING, 0, b"d", "upload_id"),
    ):
        assert (await refusal(write(core, upload_id, offset, data))).param == param


async def test_what_its_time_is_over_for_goes_with_all_its_bytes(core: CoreUnderTest) -> None:
    kept = await upload(core, "kept")
    gone = await upload(core, "gone", expires_after_seconds=3600)
    await write(core, "", 0, b"never finished")
    later = knowledge_in_days(core, 2)

    await later.prune()

    assert await listed(core) == ["a.txt"]
    assert (await refusal(content(core, gone))).reason == "file_not_found"
    assert await content(core, kept) == b"kept"
    left = await core.core.database.read(lambda db: db.conn.execute("select count(*) from file_pieces").fetchone()[0])
    assert left == 1
    await core.admin.Prune(PruneRequest(), metadata=core.metadata())
    assert problems(core.data / "nodexa.db") == []
