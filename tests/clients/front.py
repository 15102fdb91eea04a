"""A door in front of a bridge that lets everything through and keeps a copy of what the clients were told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from typing import Any, Self
from urllib.parse import urlsplit

import httptools

from tests.contract.told import check_event, check_refusal
from tests.sdk.wire_check import Exchange, check_exchanges

TEXT, CONTINUED = 1, 0


class Front:
    """Listens on a port of its own. Between `forget` and `check` is what one test's clients were told."""

    def __init__(self, base_url: str) -> None:
        target = urlsplit(base_url)
        self._target = (target.hostname, target.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.exchanges: list[Exchange] = []
        self.messages: list[dict[str, Any]] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._carry, "127.0.0.1", 0), self._loop)
        self.url = f"http://127.0.0.1:{server.result().sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def forget(self) -> None:
        """Begins a test."""
        self.exchanges.clear()
        self.messages.clear()

    def check(self) -> None:
        """Judges all that was told since then, over HTTP and WebSockets."""
        check_exchanges(self.exchanges)
        for message in self.messages:
            if message["type"] == "error" and "status" in message:
                check_refusal(message)
            else:
                check_event(message)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._target
        from_bridge, to_bridge = await asyncio.open_connection(host, port)
        asked, told = _Asked(), _Told(self)
        told.asked = asked.requests
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, to_bridge, asked.hear))
                both.create_task(_pump(from_bridge, writer, told.hear))
        except* (ConnectionError, _BrokenOffError):
            pass
        finally:
            told.end()
            for each in (to_bridge, writer):
                each.close()


class _BrokenOffError(Exception):
    """One side is gone, so the other has nobody to talk to."""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Any) -> None:
    while data := await reader.read(65536):
        hear(data)
        writer.write(data)
        await writer.drain()
    raise _BrokenOffError


class _Asked:
    """What a client asks on one connection."""

    def __init__(self) -> None:
        self.requests: deque[tuple[str, str]] = deque()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    def hear(self, data: bytes) -> None:
        if self._parser is not None:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                self._parser = None

    def on_url(self, url: bytes) -> None:
        assert self._parser is not None
        self.requests.append((self._parser.get_method().decode(), url.decode()))


class _Told:
    """What a client is told on one connection: answers, and after an upgrade messages."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self.asked: deque[tuple[str, str]] = deque()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._exchange: Exchange | None = None
        self._frames = b""
        self._message = b""

    def hear(self, data: bytes) -> None:
        if self._parser is None:
            self._frames += data
            self._read_frames()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = None
            self.hear(data[upgrade.args[0] :])

    def end(self) -> None:
        """Keeps what came of an answer that its client left."""
        if self._exchange is not None and self._exchange.status != 101:
            self._front.exchanges.append(self._exchange)
            self._exchange = None

    def on_message_begin(self) -> None:
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        method, url = self.asked.popleft()
        self._exchange = Exchange(method, url, self._parser.get_status_code(), self._headers)

    def on_body(self, body: bytes) -> None:
        assert self._exchange is not None
        self._exchange.body += body

    def on_message_complete(self) -> None:
        self.end()

    def _read_frames(self) -> None:
        while (frame := _frame(self._frames)) is not None:
            kind, final, payload, self._frames = frame
            if kind in (TEXT, CONTINUED):
                self._message += payload
                if final:
                    self._front.messages.append(json.loads(self._message))
                    self._message = b""


def _frame(data: bytes) -> tuple[int, bool, bytes, bytes] | None:
    """The first frame of a server, its payload, and what follows; None while it is not whole."""
    if len(data) < 2:
        return None
    size, start = data[1] & 0x7F, 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        size, start = int.from_bytes(data[2 : 2 + wide]), 2 + wide
    if len(data) < start + size:
        return None
    return data[0] & 0x0F, bool(data[0] & 0x80), data[start : start + size], data[start + size :]
