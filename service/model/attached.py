"""Files that were uploaded and stand in content by their ids: found, and put in for the model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from nodexa.v1.item_pb2 import ContentPart, Item

Reference = tuple[str, str]
"""The kind of a part, and the id of the file that it stands for."""
Attached = Mapping[Reference, ContentPart]
"""What a model reads in the place of each reference."""
NOTHING: Final[Attached] = MappingProxyType({})
KINDS: Final = ("input_file", "input_image")


def reference_in(part: ContentPart) -> Reference | None:
    """The uploaded file that a part stands for; None where it isn't one."""
    kind = part.WhichOneof("kind")
    if kind not in KINDS:
        return None
    file_id: str = getattr(part, kind).file_id
    return (kind, file_id) if file_id else None


def references(item: Item) -> Iterator[Reference]:
    """The uploaded files that an item speaks of."""
    for part in _parts(item):
        if found := reference_in(part):
            yield found


def has_references(item: Item) -> bool:
    """Whether an item speaks of an uploaded file. Asked of every item, so it makes nothing."""
    for part in _parts(item)[:]:
        if not part.HasField("input_text"):  # By far the most have.
            kind = part.WhichOneof("kind")
            if kind in KINDS and getattr(part, kind).file_id:
                return True
    return False


def with_attached(items: Iterable[Item], attached: Attached) -> list[Item]:
    """The items with what the references in them stand for; those that have none are the same objects."""
    return [_filled(item, attached) if any(found in attached for found in references(item)) else item for item in items]


def _filled(item: Item, attached: Attached) -> Item:
    filled = Item()
    filled.CopyFrom(item)
    for part in _parts(filled):
        found = attached.get(reference_in(part) or ("", ""))
        if found is not None:
            detail = part.input_image.detail
            part.CopyFrom(found)
            if detail and part.HasField("input_image"):
                part.input_image.detail = detail
    return filled


def _parts(item: Item) -> Sequence[ContentPart]:
    if item.HasField("message"):
        return item.message.content
    for kind in ("function_call_output", "custom_tool_call_output"):
        if item.HasField(kind):
            return getattr(item, kind).parts.parts  # type: ignore[no-any-return]
    return ()
