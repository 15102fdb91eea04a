"""An answer on its way from a model server's connection to who takes it: its bytes come by a call, and so do chunks."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors import NodexaError
from service.model.chat_reply import Reader
from service.model.chunk import Chunk
from service.model.model import Take, Wait


class Pouring:
    """Reads with `reader` for `take`. `wait` is what to wait for before more is heard, None for nothing."""

    __slots__ = ("_held", "_take", "reader", "wait")

    def __init__(self, reader: Reader, take: Take) -> None:
        self.reader = reader
        self.wait: Wait | None = None
        self._take = take
        self._held: list[Chunk] = []

    def hear(self, pieces: Sequence[bytes]) -> bool:
        """Takes what came of the body; whether more may follow by a call at any time. Raises as Reader and Take."""
        reader = self.reader
        chunks = reader.feed(pieces[0]) if len(pieces) == 1 else reader.feed_all(pieces)
        self.wait = None
        if reader.done:
            # What comes with the end goes with it.
            self._held = chunks
            return False
        if chunks:
            self.wait = self._take(chunks)
        # The wait for the end is a short one.
        return self.wait is None and not reader.closing

    async def last(self) -> list[Chunk]:
        """What is left at the end. Raises as Reader, once what came before is taken."""
        held, self._held = self._held, []
        try:
            return held + self.reader.end()
        except NodexaError:
            if held and (wait := self._take(held)) is not None:
                await wait()
            raise
