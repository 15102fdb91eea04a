"""Files as prompts have them: whole, or the text in them, which is read by a child process and kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from service.errors import NodexaError
from service.knowledge.extraction import extract
from service.knowledge.formats import UnreadableError
from service.settings import Clock
from service.store.files import FileRow, FileStore

KEPT_CHARACTERS: Final = 8_000_000
AT_ONCE: Final = 2
"""Files that are read at a time."""
SECONDS: Final = 60
"""What reading one may take: somebody waits."""
_WORDS: Final = 4096


class Uploads:
    """The files of every organization, for `service.runner.attachments`."""

    def __init__(self, store: FileStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._kept = 0
        self._room = asyncio.Semaphore(AT_ONCE)

    async def known(self, file_id: str, org_id: str) -> FileRow | None:
        """A file, None where the organization has none of that id."""
        return await self._store.get(org_id, file_id, now=self._clock())

    async def data(self, file: FileRow) -> bytes:
        """All of its bytes."""
        return b"".join([piece async for piece in self._pieces(file)])

    async def text(self, file: FileRow) -> str:
        """The text in it. Raises NodexaError `invalid_request` where there is none."""
        if file.id in self._texts:
            self._texts.move_to_end(file.id)
            return self._texts[file.id]
        async with self._room:
            text = await self._read(file)
        # Files never change, so what was read once stays true as long as there is such a file.
        if file.id not in self._texts and len(text) <= KEPT_CHARACTERS:
            self._texts[file.id] = text
            self._kept += len(text)
            while self._kept > KEPT_CHARACTERS:
                self._kept -= len(self._texts.popitem(last=False)[1])
        return text

    async def _read(self, file: FileRow) -> str:
        found = extract(file.filename, self._pieces(file), most=_WORDS, overlap=0, seconds=SECONDS)
        try:
            async with aclosing(found):
                return "\n".join([text async for text in found])
        except UnreadableError as error:
            message = f"The file {file.filename!r} can't be read: {error.message}"
            raise NodexaError("invalid_request", message) from None

    async def _pieces(self, file: FileRow) -> AsyncIterator[bytes]:
        start = 0
        while start < file.size:
            piece = await self._store.piece(file.id, start)
            if not piece:
                return
            yield piece
            start += len(piece)
