"""Content parts → the blocks of Anthropic's Messages API; pure.

Text without a visible character is left out: the API refuses it. So are parts of unknown kinds.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from nodexa.v1.item_pb2 import ContentPart, FunctionCallOutput, InputFile, InputImage

from service.errors import NodexaError

Block = dict[str, Any]

PDF: Final = "application/pdf"
IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
TEXTS: Final = frozenset({"application/json", "application/xml", "application/x-yaml", "application/javascript"})
UNSAID: Final = frozenset({"", "application/octet-stream"})


def blocks(parts: Iterable[ContentPart]) -> list[Block]:
    """Returns the parts as blocks. Raises NodexaError for an image or a file of a type that Anthropic doesn't take."""
    return [block for part in parts for block in _block(part)]


def text_blocks(parts: Iterable[ContentPart]) -> list[Block]:
    """Returns only what is text."""
    return [block for part in parts if part.WhichOneof("kind") in TEXT_FIELDS for block in _block(part)]


def text_block(text: str) -> list[Block]:
    """Returns the text as a block; none for text that can't be seen."""
    return [{"type": "text", "text": text}] if text.strip() else []


def result_content(output: FunctionCallOutput) -> list[Block]:
    """Returns a function's result."""
    return text_block(output.text) if output.WhichOneof("output") == "text" else blocks(output.parts.parts)


TEXT_FIELDS: Mapping[str | None, str] = {"input_text": "text", "output_text": "text", "refusal": "refusal"}


def _block(part: ContentPart) -> list[Block]:
    kind = part.WhichOneof("kind")
    if kind in TEXT_FIELDS:
        return text_block(getattr(getattr(part, str(kind)), TEXT_FIELDS[kind]))
    attached = ATTACHMENTS.get(str(kind))
    return [attached(getattr(part, str(kind)))] if attached else []


def _image(image: InputImage) -> Block:
    if not image.image_url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": image.image_url}}
    media_type, data = _data(image.image_url)
    if media_type not in IMAGES:
        raise _unreadable("An image", media_type, "JPEG, PNG, GIF and WebP")
    return _picture(media_type, data)


def _file(file: InputFile) -> Block:
    title = {"title": file.filename} if file.filename else {}
    if file.file_url:
        return {"type": "document", "source": {"type": "url", "url": file.file_url}, **title}
    media_type, data = _data(file.file_data)
    if media_type in UNSAID:
        media_type = mimetypes.guess_type(file.filename)[0] or media_type
    if media_type in IMAGES:
        return _picture(media_type, data)
    if media_type == PDF:
        return {"type": "document", "source": {"type": "base64", "media_type": PDF, "data": data}, **title}
    if media_type.startswith("text/") or media_type in TEXTS:
        source = {"type": "text", "media_type": "text/plain", "data": _decoded(media_type, data)}
        return {"type": "document", "source": source, **title}
    raise _unreadable("A file", media_type, "PDF, text and images")


ATTACHMENTS: Mapping[str, Callable[[Any], Block]] = {"input_image": _image, "input_file": _file}


def _picture(media_type: str, data: str) -> Block:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _data(url: str) -> tuple[str, str]:
    """Returns the media type and the base64 text of a `data:` URL."""
    head, _, data = url.removeprefix("data:").partition(",")
    media_type = head.partition(";")[0].strip().lower()
    return "image/jpeg" if media_type == "image/jpg" else media_type, data


def _decoded(media_type: str, data: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except ValueError:
        raise _unreadable("A file that isn't UTF-8", media_type, "text in UTF-8") from None


def _unreadable(what: str, media_type: str, known: str) -> NodexaError:
    kind = f" of the type {media_type[:64]!r}" if media_type else ""
    return NodexaError(
        "input_not_supported_for_model", f"{what}{kind} can't be read by the model, which takes {known}.", param="input"
    )
