"""A running response's log: appended here, on disk before anyone sees it, read by cursors that never hold it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent

from service.runner.runs import behind, last_number, singly
from service.store.records import Segment
from service.store.written import Written

MESSAGE_BYTES: Final = 8 * 1024
"""A reader that lags gets what it missed in messages of about this size: each is several times as large in the bridge,
which holds two or three for a client that doesn't read."""
EVENT_BYTES: Final = 64
"""What an event counts besides its own bytes, of which it may have few: as much as all say about their places."""
EVENT_TAG: Final = EventBatch.EVENTS_FIELD_NUMBER << 3 | 2
"""How an event begins in a serialized batch."""


def segment_of(batch: EventBatch) -> Segment:
    """The batch as it is stored and sent: serialized once."""
    events = batch.events
    first = events[0]
    last = first if len(events) == 1 else events[-1]
    return Segment(first.sequence_number, last_number(last), batch.SerializeToString())


def joined(first: Segment, then: Segment) -> Segment:
    """Both in one: concatenated batches are the batch of both."""
    return Segment(first.first, then.last, first.data + then.data)


def events_of(segments: Iterable[Segment]) -> Iterator[ResponseEvent]:
    """The events of the segments, in order, each by itself."""
    for segment in segments:
        yield from singly(EventBatch.FromString(segment.data).events)


def messages(segments: Sequence[Segment], after: int) -> Iterable[bytes]:
    """The events after number `after` as serialized batches; concatenated batches are the batch of both."""
    if len(segments) == 1 and segments[0].first > after and len(segments[0].data) <= MESSAGE_BYTES:
        # A reader that keeps up, as nearly all do.
        return (segments[0].data,)
    return _gathered(segments, after)


def pieces(data: bytes) -> Iterator[bytes]:
    """A serialized batch as several of about the size of a message, cut between events without reading them."""
    start = at = 0
    # A field each: the tag, the length in sevens of bits, the event.
    while len(data) - start > 2 * MESSAGE_BYTES and at < len(data) and data[at] == EVENT_TAG:
        length, shift, byte = 0, 0, 128
        while byte >= 128:
            at += 1
            byte = data[at]
            length |= (byte & 127) << shift
            shift += 7
        at += 1 + length
        if at - start >= MESSAGE_BYTES:
            yield data[start:at]
            start = at
    if start < len(data):
        yield data[start:]


class Reader(Protocol):
    """Who reads a log, from a place of its own."""

    def hear(self) -> None:
        """Hears that there is more, or that the log is closed, at once."""

    def hear_more(self, segment: Segment) -> None:
        """Hears of one more segment of a log that goes on, at once."""


class EventLog:
    """The log of one running response. One writer; any number of readers. `closed`: nothing comes any more; `complete`:
    that is because all has come.
    """

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.closed = False
        self.complete = False
        self._readers: list[Reader] = []
        self._at_end: list[Callable[[], None]] = []

    async def append(self, segment: Segment, written: Written[None] | None, *, last: bool = False) -> None:
        """Shows `segment` to the readers once `written` says that it is on disk (None: it needn't be).

        A cancellation is held back until then, so that what is on disk and what is shown never differ.
        """
        if written is None:
            self.show(segment, last=last)
            return
        written.then(partial(self.show, segment, last=last))
        cancelled: asyncio.CancelledError | None = None
        while not written.done:
            try:
                await written.over()
            except asyncio.CancelledError as error:
                cancelled = error
        written.result()
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                # It knows this frame, and must not be known by it: all of the run would wait for the garbage collector.
                cancelled = None

    def join(self, reader: Reader) -> None:
        """Tells the reader from now on of what comes."""
        self._readers.append(reader)

    def leave(self, reader: Reader) -> None:
        """Tells it nothing more."""
        if reader in self._readers:
            self._readers.remove(reader)

    def when_closed(self, call: Callable[[], None]) -> None:
        """Calls once the last segment is in, at once where it is."""
        if self.closed:
            call()
        else:
            self._at_end.append(call)

    def ended(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Done when the last segment is in. For one who waits, in this loop: asking which one runs is a system call."""
        ended = loop.create_future()
        # Who waits may leave before that.
        self.when_closed(lambda: None if ended.done() else ended.set_result(None))
        return ended

    async def wait_closed(self) -> None:
        """Returns when the last segment is in."""
        if not self.closed:
            await self.ended(asyncio.get_running_loop())

    def abandon(self) -> None:
        """Lets the readers go without an end: the log goes on elsewhere."""
        self.closed = True
        self._wake()

    def show(self, segment: Segment, *, last: bool = False) -> None:
        """Tells the readers of a segment that is on disk."""
        self.segments.append(segment)
        if last:
            self.closed = self.complete = True
            self._wake()
            return
        # Who hears of it may leave.
        for reader in self._readers[:]:
            reader.hear_more(segment)

    def _wake(self) -> None:
        for reader in self._readers[:]:
            reader.hear()
        if self.closed:
            self._readers.clear()
            for call in self._at_end:
                call()
            self._at_end.clear()


def _gathered(segments: Sequence[Segment], after: int) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for segment in segments:
        if segment.last <= after:
            continue
        data = segment.data if segment.first > after else _cut(segment.data, after)
        size += EVENT_BYTES * (segment.last - segment.first)
        for piece in pieces(data):
            gathered.append(piece)
            size += len(piece)
            if size >= MESSAGE_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _cut(data: bytes, after: int) -> bytes:
    batch = EventBatch.FromString(data)
    return EventBatch(events=behind(batch.events, after)).SerializeToString()
