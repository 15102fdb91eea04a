"""What a request may put in: items that are whole, and that the model can read. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from nodexa.v1.item_pb2 import ContentPart, InputFile, Item, Message, Opaque

from service.errors import NodexaError
from service.ids import ASSISTANT_ID, NewId
from service.model.model import Abilities
from service.model.past_calls import is_the_platforms
from service.runner.calls import call_of, output_of
from service.runner.sealed import is_trigger

MAX_USER_TOKENS: Final = 8 * 1024
_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+=[^;,]+)*;base64,.")
_WORDS: Final = frozenset({"input_text", "output_text", "refusal"})
_ROLES: Final = frozenset(Message.Role.values()[1:])
_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "item_reference": "item",
    "compaction": "cmp",
    "opaque": "item",
}


def check_assistant_id(assistant_id: str) -> None:
    """Raises NodexaError `missing_required_field` or `invalid_model`."""
    if not assistant_id:
        raise NodexaError("missing_required_field", "Name the assistant to answer: asst_…", param="model")
    if not ASSISTANT_ID.fullmatch(assistant_id):
        message = "The model must be an assistant's id, asst_ and a UUID; `nodexa assistants list` shows them."
        raise NodexaError("invalid_model", message, param="model")


def check_items(items: Sequence[Item], name: str = "input") -> None:
    """Raises NodexaError for the first item that isn't whole, or `missing_required_field` where there is none."""
    if not items:
        raise NodexaError("missing_required_field", "Give at least one item.", param=name)
    ids: set[str] = set()
    for index, item in enumerate(items):
        _check_item(item, f"{name}[{index}]")
        if item.id and item.id in ids:
            raise NodexaError("invalid_request", "Two items have the same id.", param=f"{name}[{index}].id")
        ids.add(item.id)


def only_words(items: Sequence[Item]) -> bool:
    """Whether there are items, and all are whole messages of nothing but text: no check can find anything in them."""
    ids: set[str] = set()
    for item in items:
        if not item.HasField("message") or item.HasField("run"):
            return False
        message = item.message
        parts = message.content[:]
        if not parts or message.role not in _ROLES:
            return False
        for part in parts:
            if not part.HasField("input_text") and part.WhichOneof("kind") not in _WORDS:
                return False
        if item_id := item.id:
            if item_id in ids:
                return False
            ids.add(item_id)
    return bool(items)


def check_user_tokens(tokens: Mapping[str, str]) -> None:
    """Raises NodexaError `invalid_user_tokens`, which tells nothing of what was sent."""
    if not tokens:
        return
    size = sum(len(provider.encode()) + len(token.encode()) for provider, token in tokens.items())
    if size > MAX_USER_TOKENS or not all(tokens.keys()) or not all(tokens.values()):
        message = (
            f"User tokens are a provider and its token each, none empty, together {MAX_USER_TOKENS} bytes at most."
        )
        raise NodexaError("invalid_user_tokens", message, param="x-user-tokens")


def with_ids(items: Iterable[Item], new_id: NewId) -> list[Item]:
    """The items, each with an id; those that have one keep it."""
    named = list(items)
    for item in named:
        if not item.id:
            item.id = new_id(_PREFIXES[item.WhichOneof("kind") or ""])
    return named


def check_readable(items: Sequence[Item], *, abilities: Abilities, model: str, name: str = "input") -> Iterator[str]:
    """The paths of items that the model isn't shown. Raises NodexaError for content that it can't read."""
    for index, item in enumerate(items):
        if item.HasField("opaque") and not (abilities.hosted or is_trigger(item) or is_the_platforms(item)):
            yield f"{name}[{index}]"
        for path, part in all_content(item, f"{name}[{index}]"):
            # Models read no reasoning but their own; what is in it is theirs.
            if item.HasField("reasoning"):
                continue
            if part.HasField("opaque") and not abilities.hosted:
                raise _unreadable(f"Content of type {part.opaque.type!r}", model, path)
            if part.HasField("input_image") and not abilities.images:
                raise _unreadable("An image", model, path)
            # Of an uploaded file it is given what it can read.
            if part.HasField("input_file") and not (abilities.files or part.input_file.file_id):
                raise _unreadable("A file", model, path)
            if part.input_file.file_url and not abilities.file_urls:
                raise _unreadable("A file that only its URL is given of", model, f"{path}.file_url")


def all_content(item: Item, path: str) -> Iterator[tuple[str, ContentPart]]:
    """All content of the item, each part with its path."""
    fields: Mapping[str, Sequence[ContentPart]] = {}
    if item.HasField("message"):
        fields = {"content": item.message.content}
    elif item.HasField("reasoning"):
        fields = {"content": item.reasoning.content, "summary": item.reasoning.summary}
    elif output := output_of(item):
        fields = {"output": output.parts.parts}
    for name, parts in fields.items():
        for place, part in enumerate(parts):
            yield f"{path}.{name}[{place}]", part


def _check_item(item: Item, path: str) -> None:
    kind = item.WhichOneof("kind")
    if kind is None:
        raise NodexaError("invalid_input_type", "An input item needs a kind.", param=path)
    if kind == "message" and item.message.role not in _ROLES:
        raise NodexaError(
            "invalid_input_type", "A message's role is user, assistant, system or developer.", param=f"{path}.role"
        )
    if item.HasField("opaque"):
        _check_opaque(item.opaque, path)
    for place, part in all_content(item, path):
        _check_part(part, place)
    if kind == "message" and not item.message.content:
        raise NodexaError("missing_required_field", "A message needs content.", param=f"{path}.content")
    if kind == "item_reference" and not item.id:
        raise NodexaError("missing_required_field", "A reference needs the id of an item.", param=f"{path}.id")
    _check_call(item, path)


def _check_call(item: Item, path: str) -> None:
    call, output = call_of(item), output_of(item)
    about = call or output
    if about is not None and not about.call_id:
        raise NodexaError("missing_call_id", "Say which call this is: call_id.", param=f"{path}.call_id")
    if call is not None and not call.name:
        raise NodexaError("missing_required_field", "A call needs the name of its tool.", param=f"{path}.name")
    if output is not None and output.WhichOneof("output") is None:
        raise NodexaError("missing_required_field", "The output of the call is missing.", param=f"{path}.output")


def _check_part(part: ContentPart, path: str) -> None:
    if part.WhichOneof("kind") is None:
        raise NodexaError("invalid_input_type", "A content part needs a kind.", param=path)
    if part.HasField("opaque"):
        _check_opaque(part.opaque, path)
    if part.input_image.image_url and part.input_image.file_id:
        raise NodexaError("invalid_request", "An image is either image_url or file_id.", param=path)
    if part.HasField("input_file"):
        _check_file(part.input_file, path)


def _check_file(file: InputFile, path: str) -> None:
    if [bool(file.file_id), bool(file.file_data), bool(file.file_url)].count(True) != 1:
        raise NodexaError("invalid_request", "A file is one of file_id, file_data and file_url.", param=path)
    if file.file_data and not _DATA_URL.match(file.file_data):
        raise NodexaError(
            "invalid_request",
            "The data of a file is a data: URL in base64: data:application/pdf;base64,…",
            param=f"{path}.file_data",
        )
    if file.file_url and not file.file_url.startswith("https://"):
        raise NodexaError("invalid_request", "The URL of a file begins with https://.", param=f"{path}.file_url")


def _check_opaque(opaque: Opaque, path: str) -> None:
    """It is given back as it came, so it must be what it says."""
    try:
        value = json.loads(opaque.json)
    except (ValueError, RecursionError):
        value = None
    if not opaque.type or not isinstance(value, dict) or value.get("type") != opaque.type:
        raise NodexaError("invalid_input_type", "An opaque thing is a JSON object with its type word.", param=path)


def _unreadable(what: str, model: str, path: str) -> NodexaError:
    return NodexaError("input_not_supported_for_model", f"{what} can't be read by the model {model!r}.", param=path)
