"""A model server: a request's body goes in, batches of chunks come out; retries and deadlines included."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from service.errors import NodexaError
from service.model.asked import Asked
from service.model.chat_errors import garbled, log_words, refused
from service.model.chat_reply import CHAT, Reader, Readers
from service.model.chunk import Chunk
from service.model.deadlines import Deadlines
from service.model.http_client import Address, HttpClient, default_tls
from service.model.http_connection import Connection
from service.model.http_errors import ConnectFailedError, ConnectionLostError, HttpError
from service.model.http_failures import lost
from service.model.model import Take
from service.model.pouring import Pouring

log = logging.getLogger(__name__)

RETRIES = 2
RETRY_STATUSES = frozenset({502, 503, 504})
FIRST_BACKOFF = 0.2
MAX_ERROR_BYTES = 64 * 1024
MAX_SHORT_BYTES = 64 * 1024
STREAMS: Mapping[bytes, bool] = {b"text/event-stream": True, b"application/json": False}


class Upstream:
    """One model server; `readers` are for its kind, chat-completions unless another is said.

    `name` is the model that callers know. `api_key` is asked at each request; it raises NodexaError where there is none
    and returns "" where none is needed. Failures before the first chunk are tried again where that can help: no
    connection, a connection that broke before an answer, 502, 503, 504.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        api_key: Callable[[], str],
        deadlines: Deadlines,
        readers: Readers = CHAT,
        tls_context: Callable[[], ssl.SSLContext] = default_tls,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._api_key = api_key
        self._deadlines = deadlines
        self._readers = readers
        self._sleep = sleep
        self._chance = chance
        self._now = now
        # For streams and for answers that come whole, with the key that is in it.
        self._heads: dict[bool, tuple[str, bytes]] = {}
        self._http = HttpClient(address, connect_timeout=deadlines.connect, tls_context=tls_context)

    async def stream(self, body: bytes, *, streaming: bool) -> AsyncGenerator[list[Chunk], None]:
        """Posts `body` and yields what each read brings; `streaming` is what the body asks for. Raises NodexaError."""
        until = asyncio.get_running_loop().time() + self._deadlines.total
        connection = await self._ask(body, streaming=streaming, until=until)
        give_back = self._http.release
        try:
            reader = self._reader(connection, streaming=streaming)
            chunks: list[Chunk] = []
            while not reader.done and (pieces := await self._reading(connection, reader)):
                chunks = reader.feed(pieces[0]) if len(pieces) == 1 else reader.feed_all(pieces)
                # What comes with the end goes with it.
                if chunks and not reader.done:
                    yield chunks
                    chunks = []
            try:
                last = reader.end()
            except NodexaError:
                if chunks:
                    yield chunks
                raise
            give_back = self._http.release_soon
            yield [*chunks, *last]
        except HttpError as failure:
            raise lost(failure, model=self._name) from None
        finally:
            give_back(connection)

    def ask(self, body: bytes, then: Callable[[], None]) -> Asked | None:
        """Posts `body`, which asks for a whole answer, where that takes no waiting; None where it does.

        `then` is called once: when the answer is whole, or it's seen that it has to be waited for.
        """
        deadlines = self._deadlines
        head = self._head(streaming=False)
        connection = self._http.ask(body, head, idle_timeout=deadlines.reply, total=deadlines.total)
        if connection is None:
            return None
        connection.watch(then)
        go_on = partial(self._write, body, streaming=False, until=connection.until, asked=connection)
        return Asked(self._http, connection, partial(self._readers.whole, self._name), go_on)

    async def write(self, body: bytes, take: Take, *, streaming: bool) -> None:
        """As `stream`, but has `take` called with what each read brings; raises what that raises, too."""
        until = asyncio.get_running_loop().time() + self._deadlines.total
        await self._write(body, take, streaming=streaming, until=until)

    async def _write(
        self, body: bytes, take: Take, *, streaming: bool, until: float, asked: Connection | None = None
    ) -> None:
        connection = await self._ask(body, streaming=streaming, until=until, asked=asked)
        give_back = self._http.release
        try:
            pouring = Pouring(self._reader(connection, streaming=streaming), take)
            while not pouring.reader.done and await self._pour(connection, pouring):
                if pouring.wait is not None:
                    await pouring.wait()
            last = await pouring.last()
            give_back = self._http.release_soon
            if (wait := take(last)) is not None:
                await wait()
        except HttpError as failure:
            raise lost(failure, model=self._name) from None
        finally:
            give_back(connection)

    async def whole(self, body: bytes, *, most: int = MAX_SHORT_BYTES) -> bytes:
        """Posts `body` and returns the answer's, of `most` bytes at most. Raises NodexaError."""
        until = asyncio.get_running_loop().time() + self._deadlines.total
        connection = await self._ask(body, streaming=False, until=until)
        text = b""
        try:
            while data := await connection.read():
                text += data
                if len(text) > most:
                    raise garbled(self._name, "more than was asked for")
        except HttpError as failure:
            raise lost(failure, model=self._name) from None
        finally:
            self._http.release(connection)
        return text

    def close(self) -> None:
        """Closes every connection; what is under way fails."""
        self._http.close()

    async def _ask(self, body: bytes, *, streaming: bool, until: float, asked: Connection | None = None) -> Connection:
        """Returns the connection with the head of a successful answer; it was `asked` there already, if anywhere."""
        head = self._head(streaming=streaming)
        for attempt in range(RETRIES + 1):
            try:
                return await self._ask_once(body, head, streaming=streaming, until=until, asked=asked)
            except _UnavailableError as unavailable:
                asked = None
                if attempt == RETRIES:
                    raise unavailable.error from None
                await self._sleep(FIRST_BACKOFF * 2**attempt * (0.5 + self._chance()))
        raise AssertionError("unreachable")

    async def _ask_once(
        self, body: bytes, head: bytes, *, streaming: bool, until: float, asked: Connection | None
    ) -> Connection:
        idle = self._deadlines.idle if streaming else self._deadlines.reply
        try:
            connection = await self._http.post(body, head, idle_timeout=idle, until=until, asked=asked)
        except (ConnectFailedError, ConnectionLostError) as failure:
            raise _UnavailableError(lost(failure, model=self._name)) from None
        except HttpError as failure:
            raise lost(failure, model=self._name) from None
        if connection.status == 200:
            return connection
        try:
            text = await self._error_body(connection)
        finally:
            self._http.release(connection)
        log.warning("model %s: its server answered %d %s", self._name, connection.status, log_words(text))
        error = refused(connection.status, connection.headers, text, model=self._name, now=self._now())
        raise _UnavailableError(error) if connection.status in RETRY_STATUSES else error

    def _head(self, *, streaming: bool) -> bytes:
        key = self._api_key()
        kept = self._heads.get(streaming)
        if kept is None or kept[0] != key:
            headers = {
                "accept": "text/event-stream" if streaming else "application/json",
                "content-type": "application/json",
                "user-agent": "nodexa",
                **({"authorization": f"Bearer {key}"} if key else {}),
            }
            kept = self._heads[streaming] = key, self._http.head(headers)
        return kept[1]

    def _reader(self, connection: Connection, *, streaming: bool) -> Reader:
        """Goes by what the server sends; some ignore `stream` one way or the other."""
        kind = connection.headers.get(b"content-type", b"")
        streams = STREAMS.get(kind)
        if streams is None:
            streams = STREAMS.get(kind.partition(b";")[0].strip().lower(), streaming)
        return (self._readers.stream if streams else self._readers.whole)(self._name)

    def _reading(self, connection: Connection, reader: Reader) -> Awaitable[list[bytes]]:
        return self._read_to_end(connection) if reader.closing else connection.pieces()

    async def _read_to_end(self, connection: Connection) -> list[bytes]:
        try:
            async with asyncio.timeout(self._deadlines.closing):
                return await connection.pieces()
        except (TimeoutError, HttpError):
            return []

    async def _pour(self, connection: Connection, pouring: Pouring) -> bool:
        """Lets the answer come until there is something to wait for; whether there may be more of it."""
        if pouring.reader.closing:
            try:
                async with asyncio.timeout(self._deadlines.closing):
                    return await connection.pour(pouring.hear)
            except (TimeoutError, HttpError):
                return False
        return await connection.pour(pouring.hear)

    async def _error_body(self, connection: Connection) -> bytes:
        """Returns the start of an error's body; what can't be read of it is not worth a second error."""
        body = b""
        try:
            async with asyncio.timeout(self._deadlines.closing):
                while len(body) < MAX_ERROR_BYTES and (data := await connection.read()):
                    body += data
        except (TimeoutError, HttpError):
            pass
        return body[:MAX_ERROR_BYTES]


class _UnavailableError(Exception):
    """A failure that may be gone at the next try."""

    def __init__(self, error: NodexaError) -> None:
        super().__init__(error.code)
        self.error = error
