"""What a log says, passed on by a call as soon as it is shown: no task stands between a log and who reads it."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from service.runner.log import MESSAGE_BYTES, EventLog, messages
from service.store.records import Segment

Take = Callable[[bytes], bool]
"""Takes a message, at once; whether there is room for another one now."""


class Flow:
    """The events of a log after a number, as serialized batches: `head` stands before the first.

    Begun once, or pulled once. `told` says whether anything was passed on.
    """

    __slots__ = ("_abreast", "_after", "_end", "_head", "_held", "_log", "_position", "_ready", "_take", "told")

    def __init__(self, log: EventLog, after: int, head: bytes = b"") -> None:
        self.told = False
        self._log = log
        self._after = after
        self._head = head
        self._position = bisect_right(log.segments, after, key=lambda segment: segment.last)
        self._ready: Iterator[bytes] | None = None
        self._held = False
        # All that the log has was passed on, and more may be.
        self._abreast = False
        self._take: Take | None = None
        self._end: Callable[[], None] | None = None

    def begin(self, take: Take, end: Callable[[], None]) -> None:
        """Passes on what there is, and whatever comes as it comes, whole batches together where there are several.

        Where `take` has no room, nothing follows before `go_on`. `end` is called behind the last message, once.
        """
        self._take, self._end = take, end
        self._log.join(self)
        self.hear()

    def go_on(self) -> None:
        """Says that there is room again."""
        if self._held:
            self._held = False
            self.hear()

    def leave(self) -> None:
        """Passes on nothing more."""
        self._take = self._end = None
        self._abreast = False
        self._log.leave(self)

    def hear_more(self, segment: Segment) -> None:
        """For the log: there is one more segment of it."""
        take = self._take
        if take is None or not self._abreast or len(segment.data) > MESSAGE_BYTES:
            self.hear()
            return
        self._position += 1
        if not take(segment.data):
            self._held, self._abreast = True, False

    def hear(self) -> None:
        """For the log: there is more of it, or it is closed."""
        take = self._take
        if take is None or self._held:
            return
        self._abreast = False
        if not self._pass_all(self._log.segments, take):
            return
        # Who asked for what comes behind a number has to look at each until there is something of it.
        self._abreast = self.told
        if self._log.closed and self._end is not None:
            end, self._end = self._end, None
            end()

    def _pass_all(self, segments: Sequence[Segment], take: Take) -> bool:
        """Whether all that there is was passed on, and more may be."""
        # What is taken may end the call, and so this.
        while self._take is not None:
            for message in self._ready or ():
                if not self._pass(message, take):
                    return False
            self._ready = None
            ready = segments[self._position :]
            if not ready:
                return self._take is not None
            self._position += len(ready)
            self._ready = iter(messages(ready, self._after))
        return False

    def _pass(self, message: bytes, take: Take) -> bool:
        """Whether the next one may follow."""
        if not self.told:
            message, self.told = self._head + message, True
        self._held = not take(message)
        return not self._held

    async def pulled(self) -> AsyncGenerator[bytes, None]:
        """The same for those who ask for each message."""
        loop = asyncio.get_running_loop()
        came: deque[bytes] = deque()
        news = loop.create_future()

        def take(message: bytes) -> bool:
            came.append(message)
            wake()
            return False

        def wake() -> None:
            if not news.done():
                news.set_result(None)

        self.begin(take, wake)
        try:
            while True:
                await news
                if not came:
                    return
                yield came.popleft()
                news = loop.create_future()
                self.go_on()
        finally:
            self.leave()
