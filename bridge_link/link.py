"""One end of the socket between a bridge and its core: parts out, parts in, and whether the other end lives."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar, cast

from bridge_link.parts import FORM, FRAME, HELLO, OPEN, PING, PONG, Say

SUFFIX: Final = ".hop"
"""What the path of this socket has more than that of the core's gRPC socket."""
LONGEST_PATH: Final = 103
"""Bytes of a socket's path that every system takes."""
SLACK: Final = 64 * 1024
"""What may stand beside the largest message in its part."""
QUIET_SECONDS: Final = 10.0
"""Between two looks at whether anything came. After the second silence the other end is asked, after four given up."""
TOGETHER: Final = 16
"""So many parts don't wait for more."""
_CHANCES: Final = 3
# A frame and its data, each.
_FULL: Final = 2 * TOGETHER
_framed: Final = FRAME.pack

log = logging.getLogger(__name__)


def socket_beside(address: str) -> str:
    """The path of this socket where the gRPC address is `unix:PATH`; empty for any other, and where it is too long."""
    path = address.removeprefix("unix:") + SUFFIX
    return path if address.startswith("unix:") and len(os.fsencode(path)) <= LONGEST_PATH else ""


class Joined(Protocol):
    """Who takes what comes."""

    def take(self, call: int, kind: int, data: bytes) -> None:
        """Takes a part, at once. Raises ValueError for one that can't be understood, which ends the link."""

    def lose(self) -> None:
        """The other end is gone: nothing comes any more, and nothing that is said gets there."""


J = TypeVar("J", bound=Joined)


class Link(asyncio.Protocol, Generic[J]):
    """Both ends are alike. What comes goes to `joined`, which `join` gives for a way to say something.

    `greeted` says whether the other end was understood, as soon as that is known; `over` is set when the link has
    ended. A part of more than `most` bytes, and whatever can't be understood, ends it with a line in the log.
    """

    def __init__(self, join: Callable[[Say], J], *, most: int, quiet: float = QUIET_SECONDS) -> None:
        self.joined = join(self.send)
        self._loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[bool] = self._loop.create_future()
        self.over = asyncio.Event()
        self._most = most
        self._quiet = quiet
        self._understood = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._silences = 0
        self._said: list[bytes] = []
        self._rest = bytearray()
        self._awaited = 0

    def send(self, call: int, kind: int, data: bytes) -> None:
        """Says something; a link that is over says nothing.

        What begins a call goes at once, and with it what was said before: the other end works on it while this one
        goes on. All else waits for what more is said in this turn of the loop, up to `TOGETHER`.
        """
        if self._transport is None:
            return
        said = self._said
        said += (_framed(len(data), call, kind), data)
        parts = len(said)
        if kind == OPEN or parts >= _FULL:
            self._write()
        elif parts == 2:
            # The transport would write each part by itself: a call of the system here, and one more on the other side.
            self._loop.call_soon(self._write)

    def close(self) -> None:
        """Ends the link behind what was said."""
        if self._transport is not None:
            self._write()
            self._transport.close()

    def abort(self) -> None:
        """Ends the link at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says which form is spoken here."""
        self._transport = cast(asyncio.Transport, transport)
        self._timer = self._loop.call_later(self._quiet, self._listen_closely)
        self.send(FORM, HELLO, b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, from whichever side it came."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self.greeted.done():
            self.greeted.set_result(False)
        self.joined.lose()
        self.over.set()

    def data_received(self, data: bytes) -> None:
        """Takes the parts that are whole, and keeps the beginning of one that isn't."""
        self._silences = 0
        if self._rest:
            self._rest += data
            if len(self._rest) < self._awaited:
                return
            data = bytes(self._rest)
            self._rest.clear()
        try:
            at = self._take_from(data)
        except ValueError as error:
            why = error if self._understood else "the other end is of another version; start it anew"
            log.warning("the connection between bridge and core is closed: %s", why)
            # Whoever is of another version has to hear that from this end, too.
            (self.abort if self._understood else self.close)()
            return
        if at < len(data):
            self._rest += data[at:]

    def _write(self) -> None:
        said, self._said = self._said, []
        if said and self._transport is not None:
            self._transport.write(b"".join(said))

    def _take_from(self, data: bytes) -> int:
        """Where the first part begins that isn't whole yet."""
        at, end, head = 0, len(data), FRAME.size
        while end - at >= head:
            size, call, kind = FRAME.unpack_from(data, at)
            if size > self._most:
                raise ValueError(f"a part has {size} bytes, more than {self._most}")
            after = at + head + size
            if after > end:
                self._awaited = after - at
                return at
            part = data[at + head : after]
            if kind >= OPEN and self._understood:
                self.joined.take(call, kind, part)
            else:
                self._heed(call, kind)
            at = after
        self._awaited = head
        return at

    def _heed(self, call: int, kind: int) -> None:
        if kind == HELLO and call == FORM and not self.greeted.done():
            self._understood = True
            self.greeted.set_result(True)
        elif not self._understood:
            raise ValueError("there is no greeting")
        elif kind == PING:
            self.send(0, PONG, b"")

    def _listen_closely(self) -> None:
        if self._silences >= _CHANCES:
            log.warning("the connection between bridge and core is closed: the other end doesn't answer")
            self.abort()
            return
        if self._silences:
            self.send(0, PING, b"")
        self._silences += 1
        self._timer = self._loop.call_later(self._quiet, self._listen_closely)
