"""R13: SIGTERM with many open streams: nothing new, a truthful end or a way on for every stream, and exit 0 in time."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.faults.http import Line, Told, ask, line, request
from tests.service.cli.served import Served, nodexa

pytestmark = pytest.mark.timeout(900 if SOAK else 180)

STREAMS: Final = count(200, soak=1000)
EXIT_SECONDS: Final = 30.0
SOON_SECONDS: Final = 2.0
TRY_SECONDS: Final = 0.25
TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
LONG: Final = Reply(words(" ".join(str(number) for number in range(100_000))), pause=0.5)


def assistant_of(served: Served, folder: Path, upstream: ChatServer) -> str:
    """The id of a new assistant on the fake model server."""
    data = ("--data", str(served.data), "--json")
    added = nodexa("models", "add", "fake", "--kind", "openai_chat", "--base-url", upstream.url, *data, cwd=folder)
    assert added.code == 0, added.err
    made = nodexa("assistants", "create", "--name", "echo", "--model", "fake", *data, cwd=folder)
    return str(made.json["id"])


def port_of(served: Served) -> int:
    return int(served.quickstart["NODEXA_BASE_URL"].rpartition(":")[2])


class Stream:
    """A client with an open stream; `told` is all that it heard, once that is over."""

    def __init__(self, port: int, key: str, body: dict[str, Any]) -> None:
        self.told: Told | None = None
        self.speaks = asyncio.Event()
        self.task = asyncio.create_task(self._read(port, request("POST", "/v1/responses", key, body)))

    async def _read(self, port: int, wanted: bytes) -> None:
        async with line(port) as one:
            one.writer.write(wanted)
            await one.until(b'"type":"response.output_text.delta"')
            self.speaks.set()
            self.told = await self._rest(one)

    async def _rest(self, one: Line) -> Told:
        async with asyncio.timeout(EXIT_SECONDS):
            return await one.rest()

    @property
    def events(self) -> list[dict[str, Any]]:
        assert self.told
        return self.told.events

    @property
    def ended(self) -> bool:
        return self.events[-1]["type"] in TERMINAL


async def refused_at_once(port: int, key: str, body: dict[str, Any]) -> None:
    """Fails unless new work is soon refused: by no connection, or by an answer that says why.

    What is sent before the signal has come through is taken on, and not answered: the next one is tried then.
    """
    async with asyncio.timeout(SOON_SECONDS):
        while True:
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    answer = await ask(port, request("POST", "/v1/responses", key, body))
            except ConnectionError:
                return
            except TimeoutError:
                continue
            if answer.status == 0:
                return
            if answer.status == 503:
                assert answer.json["error"]["code"] == "server_draining"
                return


async def the_rest(port: int, key: str, stream: Stream) -> list[dict[str, Any]]:
    """What a client gets that comes back behind the last event of the log that it saw."""
    seen = [event for event in stream.events if event["type"] != "error"]
    response_id, last = seen[0]["response"]["id"], seen[-1]["sequence_number"]
    path = f"/v1/responses/{response_id}?stream=true&starting_after={last}"
    answer = await ask(port, request("GET", path, key))
    assert answer.status == 200
    return [*seen, *answer.events]


async def test_every_open_stream_is_told_or_can_go_on(tmp_path: Path) -> None:
    async with ChatServer() as upstream:
        served = await asyncio.to_thread(Served(tmp_path / "var").ready)
        try:
            assistant_id = await asyncio.to_thread(assistant_of, served, tmp_path, upstream)
            port, key = port_of(served), served.quickstart["NODEXA_API_KEY"]
            upstream.replies.extend([LONG] * STREAMS)
            body = {"model": assistant_id, "input": "Hello", "stream": True}
            streams = [Stream(port, key, {**body, "background": number % 2 == 0}) for number in range(STREAMS)]
            async with asyncio.timeout(EXIT_SECONDS):
                await asyncio.gather(*(stream.speaks.wait() for stream in streams))

            begun = asyncio.get_running_loop().time()
            served.process.send_signal(signal.SIGTERM)
            await refused_at_once(port, key, {**body, "stream": False})
            code = await asyncio.to_thread(served.process.wait, EXIT_SECONDS)
            seconds = asyncio.get_running_loop().time() - begun
            await asyncio.gather(*(stream.task for stream in streams))
        finally:
            await asyncio.to_thread(served.stop)
        assert (code, seconds < EXIT_SECONDS) == (0, True)
        assert wrong_with(tmp_path / "var") == []

        again = await asyncio.to_thread(Served(tmp_path / "var", http=port).ready)
        try:
            for stream in streams:
                assert stream.ended or stream.events[-1]["error"]["code"] == "server_draining"
                events = stream.events if stream.ended else await the_rest(port, key, stream)
                assert [event["sequence_number"] for event in events] == list(range(len(events)))
                assert [event["type"] in TERMINAL for event in events] == [*[False] * (len(events) - 1), True]
        finally:
            await asyncio.to_thread(again.stop)
    measured("R13", streams=STREAMS, told=sum(stream.ended for stream in streams), seconds=seconds)
