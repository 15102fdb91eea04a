"""A bridge outlives its core: SSE and WebSocket clients stay connected while that is killed, and get the rest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import connect

from service.bootstrap import QUICKSTART, read_quickstart
from service.settings import EMBEDDED_MODEL, FILE_NAME
from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import SECONDS, assistant_on, wrong_with
from tests.faults.counts import measured
from tests.faults.http import ask, events_in, line, request
from tests.faults.restarted import restarted
from tests.faults.whole import bridge_process
from tests.service.cli.served import Served

TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
LONG: Final = Reply(words(" ".join(str(number) for number in range(100_000))), pause=0.01)
SILENT: Final = Reply(words("never said"), fault="stall")
DELTA: Final = b'"type":"response.output_text.delta"'
PAUSE_SECONDS: Final = 0.01
"""Between two tries: asking without one would take the processor from the core that starts."""
Event = dict[str, Any]


async def over_sse(port: int, key: str, body: Event, begun: asyncio.Semaphore, mark: bytes) -> list[Event]:
    """All that a client hears on one connection; `begun` is released once it has heard `mark`."""
    async with line(port) as one:
        one.writer.write(request("POST", "/v1/responses", key, {**body, "stream": True}))
        await one.until(mark)
        begun.release()
        told = await one.rest()
    assert told.body.endswith(b"data: [DONE]\n\n")
    return events_in(told.body)


async def over_websocket(port: int, key: str, body: Event, begun: asyncio.Semaphore, mark: bytes) -> list[Event]:
    """The same over a WebSocket, which must be usable afterwards."""
    events: list[Event] = []
    headers = {"authorization": f"Bearer {key}"}
    async with connect(f"ws://127.0.0.1:{port}/v1/responses", additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps({"type": "response.create", **body}))
        heard = b""
        while not events or events[-1]["type"] not in TERMINAL:
            message = await socket.recv(decode=False)
            if mark not in heard and mark in (heard := heard + message):
                begun.release()
            events.append(json.loads(message))
        await socket.send(json.dumps({"type": "response.resume", "response_id": events[0]["response"]["id"]}))
        again: list[Event] = []
        async with asyncio.timeout(SECONDS):
            while not again or again[-1]["type"] not in TERMINAL:
                again.append(json.loads(await socket.recv()))
    assert again == events
    return events


@pytest.mark.parametrize("background", [True, False])
async def test_open_clients_stay_and_get_the_rest_or_the_truthful_end(tmp_path: Path, *, background: bool) -> None:
    data, address = tmp_path / "var", f"unix:{tmp_path}/core.sock"
    async with (
        ChatServer() as upstream,
        restarted(data, address) as core,
        bridge_process(address) as bridge,
        asyncio.timeout(2 * SECONDS),
    ):
        key = read_quickstart(data / QUICKSTART)["NODEXA_API_KEY"]
        body = {"model": await assistant_on(core.core, upstream.url), "input": "Hello there", "background": background}
        # What said nothing yet can begin anew; what said something can't.
        upstream.replies.extend([SILENT if background else LONG] * 4)
        mark = b'"type":"response.created"' if background else DELTA
        begun = asyncio.Semaphore(0)
        clients = [
            asyncio.create_task(client(bridge.port, key, body, begun, mark))
            for client in (over_sse, over_websocket)
            for _ in range(2)
        ]
        await upstream.until_asked(len(clients))
        for _ in clients:
            await begun.acquire()
        await core.kill()
        told = await asyncio.gather(*clients)

        for events in told:
            final = events[-1]["response"]
            if background:
                assert (final["status"], final["output_text"]) == ("completed", "Hello there")
            else:
                assert (final["status"], final["error"]["code"]) == ("failed", "server_error")
                assert final["output"][0]["content"][0]["text"].startswith("0")
            replay = await ask(bridge.port, request("GET", f"/v1/responses/{final['id']}?stream=true", key))
            assert replay.events == events
    assert wrong_with(data) == []


async def test_after_a_kill_of_its_core_the_whole_answers_again(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir(mode=0o700)
    async with ChatServer() as upstream:
        model = f'[models."{EMBEDDED_MODEL}"]\nkind = "openai_chat"\nbase_url = "{upstream.url}"\n'
        (data / FILE_NAME).write_text(model)
        served = await asyncio.to_thread(Served(data).ready)
        try:
            told = served.quickstart
            port, key = int(told["NODEXA_BASE_URL"].rpartition(":")[2]), told["NODEXA_API_KEY"]
            wanted = request("POST", "/v1/responses", key, {"model": told["NODEXA_ASSISTANT_ID"], "input": "Hello"})
            assert (await ask(port, wanted)).json["status"] == "completed"
            begun = asyncio.get_running_loop().time()
            os.kill(served.children()["service"], signal.SIGKILL)
            async with asyncio.timeout(SECONDS):
                while (answer := await ask(port, wanted)).status != 200:  # noqa: ASYNC110 - nothing else tells
                    await asyncio.sleep(PAUSE_SECONDS)
            measured("the whole answers again", seconds=round(asyncio.get_running_loop().time() - begun, 2))
            assert answer.json["status"] == "completed"
        finally:
            await asyncio.to_thread(served.stop)
