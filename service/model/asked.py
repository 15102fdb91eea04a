"""A question that was put to a model server at once, on a connection that was free; nobody waits for its answer yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from service.errors import NodexaError
from service.model.chat_reply import Reader
from service.model.chunk import Chunk
from service.model.http_client import HttpClient
from service.model.http_connection import Connection
from service.model.model import Take


class Asked:
    """What comes on `connection` of `client` in answer to it, as `reader` reads a whole one.

    `go_on` waits for what has not come, and tells what is wrong with it.
    """

    __slots__ = ("_chunks", "_client", "_connection", "_failure", "_go_on", "_reader")

    def __init__(
        self,
        client: HttpClient,
        connection: Connection,
        reader: Callable[[], Reader],
        go_on: Callable[[Take], Awaitable[None]],
    ) -> None:
        self._client = client
        self._connection: Connection | None = connection
        self._reader = reader
        self._go_on = go_on
        self._chunks: Sequence[Chunk] = ()
        self._failure: NodexaError | None = None

    def look(self) -> Sequence[Chunk]:
        """All that was answered, where it is there and good; nothing where it has to be waited for: `write`."""
        connection = self._connection
        if connection is None or not connection.good:
            return self._chunks
        self._connection = None
        reader = self._reader()
        try:
            self._chunks = reader.feed_all(connection.taken()) + reader.end()
        except NodexaError as failure:
            self._failure = failure
        self._client.release(connection)
        return self._chunks

    async def write(self, take: Take) -> None:
        """Has `take` called with what was answered, once it's there; as WritesAtOnce."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.watch(None)
            await self._go_on(take)
            return
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if (wait := take(self._chunks)) is not None:
            await wait()

    def give_up(self) -> None:
        """Hangs up, where the answer is still to come; nobody is called any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.watch(None)
            self._client.release(connection)
