"""A core that can't start says why on one line and leaves everything as it was."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from nodexa.v1.admin_service_pb2 import GetOrganizationRequest

from service.store.opening import FIXED_WAL_RESET_BUG
from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, core_process
from tests.service.runner.ladder import climb


async def refused(core: CoreProcess) -> str:
    """What a core says that does not start."""
    assert await core.ended() == 1
    assert [line for line in core.log if line["level"] == "error"] == core.log[-1:]
    assert "exception" not in core.log[-1]
    return str(core.log[-1]["message"])


async def test_a_second_core_disturbs_nothing_of_the_first(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        upstream.replies.append(Reply(words("one two three four five")))
        upstream.gate.clear()
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            call = core.responses.StreamResponse(asking(assistant_id, "Count"), metadata=core.metadata)
            batches = aiter(call)
            events = list((await anext(batches)).events)

            async with core_process(data, grpc_address=core.address) as second:
                assert "is in use by another core" in await refused(second)
            async with core_process(data) as third:
                assert "is in use by another core" in await refused(third)
            async with core_process(tmp_path / "other", grpc_address=core.address) as fourth:
                assert f"{core.address} can't be listened on: it is in use" in await refused(fourth)

            upstream.gate.set()
            async for batch in batches:
                events += batch.events
            assert climb(events).terminal == "completed"
            assert await core.terminate() == 0


BROKEN = {
    "a damaged key": ("master.key", "short", "must hold exactly 32 bytes"),
    "a file that is no TOML": ("nodexa.toml", "models = [", "is not TOML"),
}


@pytest.mark.parametrize(("name", "content", "said"), BROKEN.values(), ids=BROKEN)
async def test_what_the_operator_must_mend_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)

    async with core_process(tmp_path) as core:
        message = await refused(core)

    assert said in message
    assert str(tmp_path / name) in message


async def test_an_open_address_needs_to_be_meant(tmp_path: Path) -> None:
    async with core_process(tmp_path / "var", grpc_address="0.0.0.0:0") as core:
        assert "is open to the network" in await refused(core)
    async with core_process(tmp_path / "var", "--insecure", grpc_address="0.0.0.0:0") as core:
        await core.listening()
        assert await core.terminate() == 0


async def test_a_file_where_the_directory_should_be_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")

    async with core_process(tmp_path / "var") as core:
        assert str(tmp_path / "var") in await refused(core)


async def test_a_unix_socket_is_listened_on_again_after_a_crash(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/core.sock"
    for _ in range(2):
        async with core_process(tmp_path / "var", grpc_address=address) as core:
            await core.listening()
            async with asyncio.timeout(10):
                assert (await core.admin.GetOrganization(GetOrganizationRequest(), metadata=core.metadata)).operator
            await core.kill()


@pytest.mark.skipif(sqlite3.sqlite_version_info >= FIXED_WAL_RESET_BUG, reason="Python's own SQLite may be shared here")
async def test_an_sqlite_that_loses_writes_of_two_is_not_shared(tmp_path: Path) -> None:
    program = ("tests.faults.plain_core",)
    async with core_process(tmp_path / "var", "--shared", program=program) as core:
        assert "need SQLite 3.51.3 or newer" in await refused(core)
    async with answering_core(tmp_path / "var", program=program) as alone:
        assert f"SQLite {sqlite3.sqlite_version} (one core only" in alone.messages()
