"""Uploaded files that a request names by their ids: what the model reads in their place."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from nodexa.v1.item_pb2 import ContentPart, InputFile, InputImage, InputText, Item

from service.errors import NodexaError
from service.ids import FILE_ID
from service.model.attached import Attached, Reference, reference_in, references
from service.model.model import Abilities
from service.runner.input_check import all_content
from service.store.files import FileRow

WHOLE_BYTES: Final = 32 * 1024 * 1024
"""What models get of whole files in one prompt."""
TEXT_CHARACTERS: Final = 2_000_000
"""What they get of text read out of files."""
PDF: Final = "application/pdf"
_IMAGES: Final[Mapping[bytes, str]] = MappingProxyType(
    {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
)


class Uploads(Protocol):
    """The files of every organization."""

    async def known(self, file_id: str, org_id: str) -> FileRow | None:
        """A file, None where the organization has none of that id."""

    async def data(self, file: FileRow) -> bytes:
        """All of its bytes."""

    async def text(self, file: FileRow) -> str:
        """The text in it. Raises NodexaError `invalid_request` where there is none."""


class Attachments:
    """Looks files up for prompts."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def of(self, asked: Sequence[Item], items: Sequence[Item], org_id: str, *, abilities: Abilities) -> Attached:
        """What stands for the files in a prompt of these items, of which those that are `asked` are new.

        Raises NodexaError for a new file that the model can't be given. One that isn't there any more, of the past, is
        told as such; ids that are not ours are left to models that have files of their own.
        """
        found = _Found(self._uploads, org_id, abilities)
        for index, item in enumerate(asked):
            for path, part in all_content(item, f"input[{index}]"):
                if reference := reference_in(part):
                    await found.add(reference, f"{path}.file_id")
        for reference in dict.fromkeys(each for item in items for each in references(item)):
            await found.add(reference, "")
        return found.parts


class _Found:
    """What was found so far, and how much that is."""

    def __init__(self, uploads: Uploads, org_id: str, abilities: Abilities) -> None:
        self.parts: dict[Reference, ContentPart] = {}
        self._uploads = uploads
        self._org_id = org_id
        self._abilities = abilities
        self._bytes = WHOLE_BYTES
        self._characters = TEXT_CHARACTERS

    async def add(self, reference: Reference, param: str) -> None:
        """Looks a file up, unless it was. Without `param`, what can't be had is told to the model."""
        if reference in self.parts:
            return
        kind, file_id = reference
        file = await self._uploads.known(file_id, self._org_id)
        if file is None and self._abilities.hosted and not is_ours(file_id):
            return
        try:
            if file is None:
                raise NodexaError("file_not_found", f"No file {file_id!r}.", param=param)
            read = self._image if kind == "input_image" else self._file
            self.parts[reference] = await read(file, param)
        except NodexaError as error:
            if param:
                raise NodexaError(error.code, error.message, param=param) from None
            self.parts[reference] = _text("[A file that was given here is not there any more.]")

    async def _image(self, file: FileRow, param: str) -> ContentPart:
        data = await self._data(file)
        kind = next((kind for mark, kind in _IMAGES.items() if data.startswith(mark)), "")
        if not kind:
            message = f"The file {file.filename!r} is no image: upload a PNG, JPEG, GIF or WebP."
            raise NodexaError("invalid_request", message, param=param)
        return ContentPart(input_image=InputImage(image_url=_url(kind, data)))

    async def _file(self, file: FileRow, param: str) -> ContentPart:
        kind = mimetypes.guess_type(file.filename)[0] or "application/octet-stream"
        if self._abilities.hosted or (self._abilities.files and kind == PDF):
            url = _url(kind, await self._data(file))
            return ContentPart(input_file=InputFile(file_data=url, filename=file.filename))
        text = await self._uploads.text(file)
        self._characters -= len(text)
        if self._characters < 0:
            advice = "Put it into a vector store and let the assistant search it: file_search."
            message = f"The files have more than {TEXT_CHARACTERS:,} characters of text. {advice}"
            raise NodexaError("request_too_large", message, param=param)
        return _text(f"File {file.filename}:\n{text}")

    async def _data(self, file: FileRow) -> bytes:
        self._bytes -= file.size
        if self._bytes < 0:
            raise NodexaError("request_too_large", f"The files have more than {WHOLE_BYTES // 1024**2} MB together.")
        return await self._uploads.data(file)


def is_ours(file_id: str) -> bool:
    """Whether an id has the form of ours."""
    return FILE_ID.fullmatch(file_id) is not None


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _text(text: str) -> ContentPart:
    return ContentPart(input_text=InputText(text=text))
