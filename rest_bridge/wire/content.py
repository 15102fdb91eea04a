"""Content parts both ways. The oneof's member name is the `type` word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import (
    ContentPart,
    InputFile,
    InputImage,
    InputText,
    Opaque,
    OutputText,
    ReasoningText,
    Refusal,
    SummaryText,
    TokenLogprob,
)

from rest_bridge.wire import json, shape

FILES: Final = ("file_id", "file_data", "file_url")
"""What may stand for a file, one at a time."""


def parse_parts(value: object, path: str, ignored: list[str]) -> list[ContentPart]:
    """The parts of a JSON array. Raises errors.RequestError(invalid_input_type) that names the part at fault."""
    if not isinstance(value, list):
        raise shape.wrong(path, "must be a list of content parts")
    return [_parse_part(part, f"{path}[{index}]", ignored) for index, part in enumerate(value)]


def render_parts(parts: Iterable[ContentPart]) -> list[dict[str, Any]]:
    """The parts as on the wire."""
    return [render_part(part) for part in parts]


def render_part(part: ContentPart) -> dict[str, Any]:
    """One part as on the wire."""
    kind = str(part.WhichOneof("kind"))
    return RENDERERS[kind](getattr(part, kind))


def render_opaque(opaque: Opaque) -> dict[str, Any]:
    """The object as it came; its type word alone where its text is no JSON object."""
    value = json.parse_stored(opaque.json)
    return value if isinstance(value, dict) else {"type": opaque.type}


def render_logprobs(logprobs: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Log probabilities of tokens, each with its likeliest neighbors."""
    return [
        {**_render_logprob(logprob), "top_logprobs": [_render_logprob(top) for top in logprob.top_logprobs]}
        for logprob in logprobs
    ]


def _render_logprob(logprob: TokenLogprob) -> dict[str, Any]:
    return {"token": logprob.token, "bytes": list(logprob.token_bytes), "logprob": logprob.logprob}


def _parse_part(value: object, path: str, ignored: list[str]) -> ContentPart:
    part = shape.tagged(value, path)
    parse = PARSERS.get(part["type"])
    if parse is None:
        return ContentPart(opaque=Opaque(type=part["type"], json=json.dump(part).decode()))
    return parse(part, path, ignored)


def _input_text(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", "text"), path, ignored)
    return ContentPart(input_text=InputText(text=shape.text(part, "text", path)))


def _input_image(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", "image_url", "file_id", "detail"), path, ignored)
    given = {name: shape.optional_text(part, name, path) or "" for name in ("image_url", "file_id", "detail")}
    if not (part.get("image_url") is not None or given["file_id"]) or (given["image_url"] and given["file_id"]):
        raise shape.wrong(f"{path}.image_url", "is required: an https: or data: URL; or file_id, an uploaded image")
    return ContentPart(input_image=InputImage(**given))


def _input_file(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", *FILES, "filename"), path, ignored)
    given = {name: shape.optional_text(part, name, path) or "" for name in (*FILES, "filename")}
    if [bool(given[name]) for name in FILES].count(True) != 1:
        raise shape.wrong(path, "needs its file: give one of file_id, file_data (a data: URL) and file_url")
    return ContentPart(input_file=InputFile(**given))


def _output_text(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", "text", "annotations", "logprobs"), path, ignored)
    annotations = shape.objects(part, "annotations", path)
    return ContentPart(
        output_text=OutputText(
            text=shape.text(part, "text", path),
            annotations_json=[json.dump(annotation).decode() for annotation in annotations],
            logprobs=_parse_logprobs(shape.objects(part, "logprobs", path), f"{path}.logprobs"),
        )
    )


def _refusal(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", "refusal"), path, ignored)
    return ContentPart(refusal=Refusal(refusal=shape.text(part, "refusal", path)))


def _reasoning_text(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", "text"), path, ignored)
    return ContentPart(reasoning_text=ReasoningText(text=shape.text(part, "text", path)))


def _summary_text(part: Mapping[str, Any], path: str, ignored: list[str]) -> ContentPart:
    shape.note_unread(part, ("type", "text"), path, ignored)
    return ContentPart(summary_text=SummaryText(text=shape.text(part, "text", path)))


def _render_output_text(part: OutputText) -> dict[str, Any]:
    annotations, logprobs = part.annotations_json, part.logprobs
    return {
        "type": "output_text",
        "text": part.text,
        # To go through what is empty, as nearly always, takes longer than to ask whether it is.
        "annotations": [json.parse_stored(annotation) for annotation in annotations] if annotations else [],
        "logprobs": render_logprobs(logprobs) if logprobs else [],
    }


def _render_file(part: InputFile) -> dict[str, Any]:
    given = {name: getattr(part, name) for name in (*FILES, "filename")}
    return {"type": "input_file", **{name: value for name, value in given.items() if value}}


def _parse_logprobs(values: Sequence[Mapping[str, Any]], path: str) -> list[TokenLogprob]:
    return [
        TokenLogprob(
            token=shape.text(value, "token", f"{path}[{index}]"),
            logprob=shape.number(value, "logprob", f"{path}[{index}]"),
            token_bytes=_token_bytes(value.get("bytes"), f"{path}[{index}].bytes"),
            top_logprobs=_parse_logprobs(
                shape.objects(value, "top_logprobs", f"{path}[{index}]"), f"{path}[{index}].top_logprobs"
            ),
        )
        for index, value in enumerate(values)
    ]


def _token_bytes(value: object, path: str) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in value):
        raise shape.wrong(path, "must be a list of numbers from 0 to 255")
    return bytes(value)


PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str, list[str]], ContentPart]]] = MappingProxyType(
    {
        "input_text": _input_text,
        "input_image": _input_image,
        "input_file": _input_file,
        "output_text": _output_text,
        "refusal": _refusal,
        "reasoning_text": _reasoning_text,
        "summary_text": _summary_text,
    }
)
"""How each kind of part is read; any other type word makes it opaque."""

RENDERERS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        "input_text": lambda part: {"type": "input_text", "text": part.text},
        "input_image": lambda part: {
            "type": "input_image",
            **({"file_id": part.file_id} if part.file_id else {"image_url": part.image_url}),
            "detail": part.detail or "auto",
        },
        "input_file": _render_file,
        "output_text": _render_output_text,
        "refusal": lambda part: {"type": "refusal", "refusal": part.refusal},
        "reasoning_text": lambda part: {"type": "reasoning_text", "text": part.text},
        "summary_text": lambda part: {"type": "summary_text", "text": part.text},
        "opaque": render_opaque,
    }
)
"""How each kind of part is shown."""
