"""R4: a core that is killed while tools are called. What may be repeated is, under the same key; nothing else ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import GetResponseRequest
from nodexa.v1.tool_pb2 import ToolSet

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply
from tests.fakes.tool_kind import fake_tool
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, watched, wrong_with
from tests.service.requests import said
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(120)

LEASE: Final = "1"


@asynccontextmanager
async def tool_core(folder: Path) -> AsyncIterator[CoreProcess]:
    """A core whose tools note their calls in `folder / "calls"`."""
    notes = str(folder / "calls")
    async with answering_core(folder / "var", "--lease", LEASE, program=("tests.faults.tool_core", notes)) as core:
        yield core


async def called(folder: Path, times: int) -> list[tuple[str, str]]:
    """The calls so far, as soon as there are so many: the tool and the key of each."""
    notes = folder / "calls"
    async with asyncio.timeout(30):
        while True:
            lines = notes.read_text().splitlines() if notes.exists() else []
            if len(lines) >= times:
                return [(name, key) for name, _, key in (line.partition(" ") for line in lines)]
            # Another process writes the file, and no event tells of that.
            await asyncio.sleep(0.02)


async def told_of_an_end(stream: AsyncIterator[EventBatch]) -> None:
    """Returns when a call is over for whoever reads the stream."""
    async with asyncio.timeout(30):
        async for batch in stream:
            if any(event.output_item_done.item.opaque.type == "mcp_call" for event in batch.events):
                return


async def killed_while_calling(
    folder: Path, names: Sequence[str], *, background: bool, seen: int
) -> tuple[Response, list[tuple[str, str]], list[str]]:
    """What became of a response whose model calls these tools, when its core is killed after `seen` calls.

    The response, all calls, and what the model was told last.
    """
    settings = ResponseSettings(background=background, tools=ToolSet(tools=[fake_tool()]))
    async with ChatServer() as upstream:
        upstream.replies.append(Reply(calls=[(name, {}) for name in names]))
        async with tool_core(folder) as core:
            assistant_id = await assistant_on(core, upstream.url)
            call = core.responses.StreamResponse(asking(assistant_id, "Go", settings=settings), metadata=core.metadata)
            batches = aiter(call)
            response_id = (await anext(batches)).events[0].created.response.id
            await called(folder, seen)
            if "look" in names:
                await told_of_an_end(batches)
            await core.kill()
            call.cancel()
        assert wrong_with(folder / "var") == []
        async with tool_core(folder) as core:
            climb((await watched(core, response_id)).events)
            response = await core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=core.metadata)
            assert await core.terminate() == 0
        told = [message["content"] for message in upstream.requests[-1].body["messages"] if message["role"] == "tool"]
    return response, await called(folder, 0), told


async def test_a_safe_call_is_repeated_under_its_key_and_the_response_goes_on(tmp_path: Path) -> None:
    response, calls, told = await killed_while_calling(tmp_path, ["look", "hang_safe"], background=True, seen=2)

    assert response.status == Response.STATUS_COMPLETED
    assert sorted(name for name, _ in calls) == ["hang_safe", "hang_safe", "look"]
    assert len({key for name, key in calls if name == "hang_safe"}) == 1
    assert sorted(told) == ["hang_safe is done", "look is done"]
    assert [item.opaque.type for item in response.output] == ["mcp_list_tools", "mcp_call", "mcp_call", ""]
    assert said(response)


async def test_a_call_that_shows_no_item_is_repeated_too(tmp_path: Path) -> None:
    response, calls, told = await killed_while_calling(tmp_path, ["hang_quiet"], background=True, seen=1)

    assert response.status == Response.STATUS_COMPLETED
    assert [name for name, _ in calls] == ["hang_quiet", "hang_quiet"]
    assert told == ["hang_quiet is done"]


@pytest.mark.parametrize("background", [True, False])
async def test_an_unsafe_call_is_never_made_twice(tmp_path: Path, *, background: bool) -> None:
    response, calls, _ = await killed_while_calling(tmp_path, ["hang_unsafe"], background=background, seen=1)

    assert (response.status, response.error.code) == (Response.STATUS_FAILED, "tool_outcome_unknown")
    assert "hang_unsafe" in response.error.message
    assert len(calls) == 1


async def test_a_response_in_the_foreground_is_not_gone_on_with(tmp_path: Path) -> None:
    response, calls, _ = await killed_while_calling(tmp_path, ["hang_safe"], background=False, seen=1)

    assert (response.status, response.error.code) == (Response.STATUS_FAILED, "server_error")
    assert len(calls) == 1
