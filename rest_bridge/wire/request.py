"""The body of POST /v1/responses → CreateResponseRequest. One table says what becomes of every field."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CreateResponseRequest

from rest_bridge.wire import choice, context, field, item, shape, text, tool


class Treatment(enum.Enum):
    """What becomes of a field; nothing is ignored in silence."""

    ENFORCED = "the platform does it"
    FORWARDED = "the model does it; one that can't has it listed in nodexa.ignored"
    NOTED = "accepted without effect, and listed in nodexa.ignored"
    REFUSED = "400 unsupported_parameter: ignoring it would change the meaning"


@dataclasses.dataclass(slots=True)
class Reading:
    """A request while it is read. `settings` is the part of `request` of that name."""

    request: CreateResponseRequest
    settings: ResponseSettings
    ignored: list[str]
    stream: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """What becomes of one field. `read` puts a value that is not null where it belongs.

    `instead` tells the sender of a refused field what to do. `satisfied` are values of a noted field that ask for what
    happens anyway.
    """

    treatment: Treatment
    read: Callable[[Reading, Any], None] | None = None
    instead: str = ""
    satisfied: Collection[Any] = ()


def parse_create(body: Mapping[str, Any], *, user_tokens: Mapping[str, str], ignored: list[str]) -> Reading:
    """Reads a request body. `ignored` are paths of what is known to be without effect before; more are added.

    Raises errors.RequestError that names the field at fault.
    """
    for name, what in _REQUIRED.items():
        if body.get(name) is None:
            raise shape.wrong(name, f"is required: {what}", code="missing_required_field")
    request = CreateResponseRequest()
    if user_tokens:
        request.user_tokens.update(user_tokens)
    request.settings.SetInParent()
    reading = Reading(request, request.settings, ignored)
    for name, value in body.items():
        if value is not None:
            _read(name, value, reading)
    if reading.ignored:
        request.settings.ignored.extend(reading.ignored)
    return reading


def _read(name: str, value: Any, reading: Reading) -> None:
    known = FIELDS.get(name, _UNKNOWN)
    if known.read is not None and known.treatment is not _NOTED:  # As nearly always.
        known.read(reading, value)
        return
    if known.treatment is Treatment.REFUSED:
        raise shape.wrong(name, f"is not supported: {known.instead}", code="unsupported_parameter")
    if known.treatment is Treatment.NOTED and value not in known.satisfied:
        reading.ignored.append(name)
    if known.read is not None:
        known.read(reading, value)


def _setting(name: str, read: Callable[[str, Any], Any]) -> Callable[[Reading, Any], None]:
    """A reader that puts `read(name, value)` into the setting of that name."""

    def put(reading: Reading, value: Any) -> None:
        setattr(reading.settings, name, read(name, value))

    return put


def _model(reading: Reading, value: Any) -> None:
    reading.request.assistant_id = field.text("model", value, code="invalid_model")


def _input(reading: Reading, value: Any) -> None:
    if isinstance(value, str):
        item.say(reading.request.input.add(), value)
    else:
        reading.request.input.extend(item.parse_input(value, reading.ignored))


def _previous(reading: Reading, value: Any) -> None:
    reading.request.previous_response_id = field.text("previous_response_id", value)


def _conversation(reading: Reading, value: Any) -> None:
    named = {"id": value} if isinstance(value, str) else value
    if not isinstance(named, dict) or not isinstance(named.get("id"), str) or not named["id"]:
        raise shape.wrong("conversation", "must be a conversation's id, or an object with it", code="invalid_request")
    shape.note_unread(named, ("id",), "conversation", reading.ignored)
    reading.request.conversation_id = named["id"]


def _stream(reading: Reading, value: Any) -> None:
    reading.stream = field.boolean("stream", value)


def _stream_options(reading: Reading, value: Any) -> None:
    options = field.members("stream_options", value)
    # Without padding is how events are sent anyway.
    read = ("include_obfuscation",) if options.get("include_obfuscation") is False else ()
    shape.note_unread(options, read, "stream_options", reading.ignored)


def _tools(reading: Reading, value: Any) -> None:
    reading.settings.tools.CopyFrom(tool.parse_tools(value, reading.ignored))


def _tool_choice(reading: Reading, value: Any) -> None:
    reading.settings.tool_choice.CopyFrom(choice.parse_choice(value, reading.ignored))


def _text(reading: Reading, value: Any) -> None:
    reading.settings.text.CopyFrom(text.parse_text(value, reading.ignored))


def _reasoning(reading: Reading, value: Any) -> None:
    reading.settings.reasoning.CopyFrom(text.parse_reasoning(value, reading.ignored))


def _metadata(reading: Reading, value: Any) -> None:
    for key, note in field.notes("metadata", value).items():
        reading.settings.metadata[key] = note


def _include(reading: Reading, value: Any) -> None:
    reading.settings.include.extend(field.texts("include", value))


def _truncation(reading: Reading, value: Any) -> None:
    reading.settings.truncation = text.parse_truncation(value)


def _context_management(reading: Reading, value: Any) -> None:
    threshold = context.parse_context_management(value, reading.ignored)
    if threshold is not None:
        reading.settings.compact_threshold = threshold


def _stop(reading: Reading, value: Any) -> None:
    reading.settings.stop.extend([value] if isinstance(value, str) else field.texts("stop", value))


def _enforced(read: Callable[[Reading, Any], None]) -> Field:
    return Field(Treatment.ENFORCED, read)


def _forwarded(read: Callable[[Reading, Any], None]) -> Field:
    return Field(Treatment.FORWARDED, read)


def _noted(*satisfied: Any, read: Callable[[Reading, Any], None] | None = None) -> Field:
    return Field(Treatment.NOTED, read, satisfied=satisfied)


def _refused(instead: str) -> Field:
    return Field(Treatment.REFUSED, instead=instead)


# To ask the class for its member takes a while.
_NOTED: Final = Treatment.NOTED
_UNKNOWN: Final = _noted()
_REQUIRED: Final[Mapping[str, str]] = MappingProxyType(
    {"model": "an assistant's id, asst_ and a UUID", "input": "a text or a list of items"}
)

FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {
        "model": _enforced(_model),
        "input": _enforced(_input),
        "previous_response_id": _enforced(_previous),
        "conversation": _enforced(_conversation),
        "instructions": _enforced(_setting("instructions", field.text)),
        "stream": _enforced(_stream),
        "store": _enforced(_setting("store", field.boolean)),
        "background": _enforced(_setting("background", field.boolean)),
        "tools": _enforced(_tools),
        "tool_choice": _enforced(_tool_choice),
        "metadata": _enforced(_metadata),
        "include": _enforced(_include),
        "parallel_tool_calls": _forwarded(_setting("parallel_tool_calls", field.boolean)),
        "temperature": _forwarded(_setting("temperature", field.number)),
        "top_p": _forwarded(_setting("top_p", field.number)),
        "max_output_tokens": _forwarded(_setting("max_output_tokens", field.int32)),
        "top_logprobs": _forwarded(_setting("top_logprobs", field.int32)),
        "text": _forwarded(_text),
        "reasoning": _forwarded(_reasoning),
        # Two of ours, known from chat completions.
        "stop": _forwarded(_stop),
        "seed": _forwarded(_setting("seed", field.integer)),
        "user": _forwarded(_setting("user", field.text)),
        "safety_identifier": _forwarded(_setting("safety_identifier", field.text)),
        "prompt_cache_key": _forwarded(_setting("prompt_cache_key", field.text)),
        "service_tier": _forwarded(_setting("service_tier", field.text)),
        "stream_options": _enforced(_stream_options),
        "truncation": _enforced(_truncation),
        "max_tool_calls": _enforced(_setting("max_tool_calls", field.int32)),
        "context_management": _enforced(_context_management),
        "moderation": _noted(),
        "image": _noted(),
        "access_programs": _noted(),
        "background_options": _noted(),
        "prompt_cache_options": _noted(),
        "prompt_cache_retention": _noted(),
        "prompt": _refused("put the prompt into the assistant or into instructions"),
    }
)
"""Every parameter of the OpenAI SDK's `responses.create`, and ours. Fields that are not here are noted."""
