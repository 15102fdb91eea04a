"""Content parts and the results of functions → the parts of a Gemini request, as the SDK takes them; pure."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import orjson
from nodexa.v1.item_pb2 import ContentPart, FunctionCall, FunctionCallOutput, InputFile, InputImage

from service.errors import NodexaError

Part = dict[str, Any]

_BYTES: Final = "application/octet-stream"


def parts_of(content: Iterable[ContentPart]) -> list[Part]:
    """Returns the parts in order; what is empty or of an unknown kind is left out, for the API refuses it."""
    return [part for piece in content for part in _part(piece)]


def text_of(content: Iterable[ContentPart]) -> str:
    """Returns the text of all parts that have one, a line break between them."""
    return "\n".join(part["text"] for part in parts_of(content) if "text" in part)


def call_part(call: FunctionCall) -> Part:
    """A call as the model once made it; its arguments must be an object there."""
    return {"function_call": {"id": call.call_id, "name": call.name, "args": _object(call.arguments)}}


def output_parts(output: FunctionCallOutput, *, name: str) -> list[Part]:
    """A function's result; images and files stand behind it, since few models take them inside."""
    if output.WhichOneof("output") == "text":
        text, media = output.text, []
    else:
        parts = parts_of(output.parts.parts)
        text = "\n".join(part["text"] for part in parts if "text" in part)
        media = [part for part in parts if "text" not in part]
    return [{"function_response": {"id": output.call_id, "name": name, "response": {"output": text}}}, *media]


def _part(piece: ContentPart) -> Iterator[Part]:
    kind = str(piece.WhichOneof("kind"))
    if read := _READERS.get(kind):
        yield from read(getattr(piece, kind))


def _text(text: str) -> Iterator[Part]:
    if text:
        yield {"text": text}


def _image(image: InputImage) -> Iterator[Part]:
    if image.image_url:
        yield _media(image.image_url, name="", what="The image")


def _file(file: InputFile) -> Iterator[Part]:
    if file.filename:
        yield {"text": f"File {file.filename}:"}
    yield _media(file.file_data or file.file_url, name=file.filename, what="The file")


_READERS: Final[Mapping[str, Callable[[Any], Iterator[Part]]]] = {
    "input_text": lambda part: _text(part.text),
    "output_text": lambda part: _text(part.text),
    "refusal": lambda part: _text(part.refusal),
    "input_image": _image,
    "input_file": _file,
}


def _media(url: str, *, name: str, what: str) -> Part:
    if url[:5].lower() == "data:":
        return {"inline_data": _inline(url, name=name, what=what)}
    if url[:8].lower() != "https://":
        raise _unreadable(f"{what} must be a data: or https: URL for a Gemini model.")
    kind = _guess(name) or _guess(urlsplit(url).path)
    return {"file_data": {"file_uri": url, **({"mime_type": kind} if kind else {})}}


def _inline(url: str, *, name: str, what: str) -> dict[str, Any]:
    head, comma, data = url[5:].partition(",")
    kind, *options = (word.strip() for word in head.split(";"))
    try:
        if not comma:
            raise ValueError("no data")
        content = base64.b64decode(data, validate=True) if "base64" in options else unquote_to_bytes(data)
    except (binascii.Error, ValueError):
        raise _unreadable(f"{what} is not a data: URL that can be read.") from None
    return {"mime_type": kind if kind not in ("", _BYTES) else _guess(name) or kind or "text/plain", "data": content}


def _guess(name: str) -> str:
    return mimetypes.guess_type(name)[0] or ""


def _object(arguments: str) -> dict[str, Any]:
    if not arguments:
        return {}
    try:
        value = orjson.loads(arguments)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _unreadable(message: str) -> NodexaError:
    return NodexaError("input_not_supported_for_model", message, param="input")
