"""Conversation items → the `input` of a Responses request, whole; pure.

Everything is sent, for the server keeps nothing. Left out are the thinking of others, which no server can read, and
references to items that stand there anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from nodexa.v1.item_pb2 import ContentPart, FunctionCallOutput, InputFile, InputImage, Item, Message, OutputText

from service.model.responses_reasoning import find

Json = dict[str, Any]

ROLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        Message.ROLE_USER: "user",
        Message.ROLE_ASSISTANT: "assistant",
        Message.ROLE_SYSTEM: "system",
        Message.ROLE_DEVELOPER: "developer",
    }
)


def input_items(items: Iterable[Item], *, server: str) -> list[Any]:
    """Returns the items for orjson, oldest first; `server` is the base URL of the one that is asked."""
    shown = (_item(item, place, server) for place, item in enumerate(items))
    return [item for item in shown if item is not None]


def _item(item: Item, place: int, server: str) -> Any:
    kind = item.WhichOneof("kind")
    if kind == "message":
        return _message(item, place)
    if kind == "reasoning":
        return _reasoning(item, server)
    render = RENDERERS.get(str(kind))
    return render(item) if render else None


def _message(item: Item, place: int) -> Json:
    message = item.message
    shown: Json = {"type": "message", "role": ROLES.get(message.role, "user")}
    if message.role != Message.ROLE_ASSISTANT:
        return shown | {"content": _parts(message.content)}
    # Some servers read an assistant's parts only in a message that looks like an output; OpenAI looks at its prefix.
    shown["id"] = item.id if item.id.startswith("msg_") else f"msg_{place}"
    shown["status"] = "incomplete" if item.status == Item.STATUS_INCOMPLETE else "completed"
    if message.HasField("phase"):
        shown["phase"] = message.phase
    return shown | {"content": [_said(part) for part in message.content]}


def _reasoning(item: Item, server: str) -> Json | None:
    kept = find(item.reasoning.encrypted_content, server=server)
    content = [{"type": "reasoning_text", "text": part.reasoning_text.text} for part in item.reasoning.content]
    if kept is None or not (kept.encrypted_content or content):
        return None
    summary = [{"type": "summary_text", "text": part.summary_text.text} for part in item.reasoning.summary]
    shown: Json = {"type": "reasoning", "id": kept.id, "summary": summary}
    if content:
        shown["content"] = content
    return shown | {"encrypted_content": kept.encrypted_content} if kept.encrypted_content else shown


def _function_call(item: Item) -> Json:
    call = item.function_call
    return _named("function_call", call) | {"call_id": call.call_id, "arguments": call.arguments or "{}"}


def _custom_call(item: Item) -> Json:
    call = item.custom_tool_call
    return _named("custom_tool_call", call) | {"call_id": call.call_id, "input": call.input}


def _named(kind: str, call: Any) -> Json:
    named = {"type": kind, "name": call.name}
    return named | {"namespace": call.namespace} if call.namespace else named


def _output(kind: str, output: FunctionCallOutput) -> Json:
    said = _parts(output.parts.parts) if output.HasField("parts") else output.text
    return {"type": kind, "call_id": output.call_id, "output": said}


def _parts(parts: Iterable[ContentPart]) -> list[Any]:
    """What others than the assistant say."""
    return [PARTS[str(part.WhichOneof("kind"))](part) for part in parts]


def _said(part: ContentPart) -> Any:
    """What the assistant says: text is an output's, whichever way it was sent in."""
    if part.HasField("opaque"):
        return orjson.Fragment(part.opaque.json)
    if part.HasField("refusal"):
        return {"type": "refusal", "refusal": part.refusal.refusal}
    if part.HasField("input_text"):
        return _output_text(OutputText(text=part.input_text.text))
    return _output_text(part.output_text) if part.HasField("output_text") else PARTS[str(part.WhichOneof("kind"))](part)


def _output_text(said: OutputText) -> Json:
    annotations = [orjson.Fragment(text) for text in said.annotations_json if _is_object(text)]
    return {"type": "output_text", "text": said.text, "annotations": annotations}


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except ValueError:
        return False


def _text(text: str) -> Json:
    return {"type": "input_text", "text": text}


def _image(image: InputImage) -> Json:
    given = {"file_id": image.file_id} if image.file_id else {"image_url": image.image_url}
    return {"type": "input_image", **given, "detail": image.detail or "auto"}


def _file(file: InputFile) -> Json:
    # An id that is left here is one of the server's own files.
    names = ("file_id", "file_data", "file_url", "filename")
    given = {name: getattr(file, name) for name in names}
    return {"type": "input_file"} | {name: value for name, value in given.items() if value}


RENDERERS: Final[Mapping[str, Callable[[Item], Any]]] = MappingProxyType(
    {
        "function_call": _function_call,
        "function_call_output": lambda item: _output("function_call_output", item.function_call_output),
        "custom_tool_call": _custom_call,
        "custom_tool_call_output": lambda item: _output("custom_tool_call_output", item.custom_tool_call_output),
        "opaque": lambda item: orjson.Fragment(item.opaque.json),
    }
)
"""How each kind of item is sent that needs nothing but itself; kinds that are in no table are left out."""

PARTS: Final[Mapping[str, Callable[[ContentPart], Any]]] = MappingProxyType(
    {
        "input_text": lambda part: _text(part.input_text.text),
        "output_text": lambda part: _text(part.output_text.text),
        "refusal": lambda part: _text(part.refusal.refusal),
        "reasoning_text": lambda part: _text(part.reasoning_text.text),
        "summary_text": lambda part: _text(part.summary_text.text),
        "input_image": lambda part: _image(part.input_image),
        "input_file": lambda part: _file(part.input_file),
        "opaque": lambda part: orjson.Fragment(part.opaque.json),
    }
)
"""How each kind of part is sent in what others than the assistant say: all text is input there."""
