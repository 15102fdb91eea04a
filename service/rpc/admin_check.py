"""What an administrator may set. Pure; every refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import urlsplit

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from nodexa.v1.admin_pb2 import ApiKey, Assistant, Limits, Model

from service.errors import NodexaError
from service.runner.settings_check import check_settings
from service.runner.settings_merge import DEFAULTABLE

T = TypeVar("T", bound=Message)

MAX_NAME: Final = 128
MAX_INSTRUCTIONS: Final = 256 * 1024
MAX_LIMIT: Final = 1_000_000_000
_MODEL_NAME: Final = re.compile(r"[a-zA-Z0-9._:/-]{1,64}")
_AT_HOME: Final[Mapping[int, str]] = MappingProxyType(
    {
        Model.KIND_OPENAI_CHAT: "",
        Model.KIND_OPENAI_RESPONSES: "",
        Model.KIND_ANTHROPIC: "Anthropic",
        Model.KIND_GEMINI: "Google",
    }
)
"""The kinds with a server, and who runs the one that is asked where no base_url is given; empty where one is needed."""
LEAST_SECONDS: Final = 0.1
MOST_SECONDS: Final = 86_400
_SECONDS: Final = ("idle_seconds", "total_seconds")
_TIMED: Final = frozenset({Model.KIND_OPENAI_CHAT, Model.KIND_OPENAI_RESPONSES})
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_name(name: str, param: str) -> None:
    """Raises NodexaError unless `name` has 1 to 128 printable characters."""
    if not name:
        raise NodexaError("missing_required_field", "A name is needed.", param=param)
    if len(name) > MAX_NAME or not name.isprintable():
        raise _invalid(f"A name has 1 to {MAX_NAME} printable characters.", param)


def check_assistant(assistant: Assistant) -> None:
    """Raises NodexaError for an assistant that couldn't answer. Whether its model exists is checked elsewhere."""
    check_name(assistant.name, "assistant.name")
    if not assistant.model:
        raise NodexaError("missing_required_field", "Say which model writes.", param="assistant.model")
    if len(assistant.instructions.encode()) > MAX_INSTRUCTIONS:
        raise _invalid(f"Instructions have at most {MAX_INSTRUCTIONS // 1024} kB.", "assistant.instructions")
    for descriptor, _ in assistant.defaults.ListFields():
        if descriptor.name not in DEFAULTABLE:
            raise _invalid("An assistant can't preset this.", f"assistant.defaults.{descriptor.name}")
    check_settings(assistant.defaults)


def check_scopes(scopes: Sequence[ApiKey.Scope.ValueType]) -> None:
    """Raises NodexaError unless there is at least one scope, each known and named once."""
    if not scopes:
        raise NodexaError("missing_required_field", "A key needs at least one scope.", param="scopes")
    if len(set(scopes)) != len(scopes) or not set(scopes) <= set(ApiKey.Scope.values()[1:]):
        raise _invalid("The scopes are full_access, assistant and user, each at most once.", "scopes")


def check_dialect(dialect: ApiKey.Dialect.ValueType, param: str = "dialect") -> None:
    """Raises NodexaError for a dialect that this version doesn't know."""
    if dialect not in ApiKey.Dialect.values():
        raise _invalid("The dialect is openai or nodexa.", param)


def check_limits(limits: Limits, param: str) -> None:
    """Raises NodexaError for a limit that is none, or beyond reckoning."""
    for field, limit in limits.ListFields():
        if not 1 <= limit <= MAX_LIMIT:
            raise _invalid(
                f"{field.name} is between 1 and {MAX_LIMIT}; without a limit it is unset.", f"{param}.{field.name}"
            )


def check_model(model: Model) -> None:
    """Raises NodexaError for a model that couldn't be reached."""
    if not _MODEL_NAME.fullmatch(model.name):
        raise _invalid("A model's name has 1 to 64 characters of a-z A-Z 0-9 . _ : / -.", "model.name")
    if model.from_file or model.problem:
        raise _invalid("from_file and problem are output only.", "model")
    if model.kind == Model.KIND_EMBEDDED:
        if model.HasField("idle_seconds") or model.HasField("total_seconds"):
            raise _invalid("Only models behind a server have idle_seconds and total_seconds.", "model")
        if model.base_url or model.upstream_model or model.api_key_env:
            raise _invalid("An embedded model has no server: leave base_url, upstream_model, api_key_env out.", "model")
    elif model.kind in _AT_HOME:
        _check_server(model)
    else:
        raise _invalid("The kinds are embedded, openai_chat, openai_responses, anthropic and gemini.", "model.kind")


def check_mask(mask: FieldMask, allowed: Iterable[str]) -> None:
    """Raises NodexaError unless the mask names something, and only fields that can be changed."""
    allowed = set(allowed)
    if not mask.paths:
        raise NodexaError("missing_required_field", "Say what to change.", param="update_mask")
    for path in mask.paths:
        if path.partition(".")[0] not in allowed:
            raise _invalid(f"{path!r} can't be changed; these can: {', '.join(sorted(allowed))}.", "update_mask")


def masked(mask: FieldMask, source: T, target: T) -> T:
    """A copy of `target` with the fields that `mask` names taken over from `source`, unset ones too.

    Raises NodexaError for a field that doesn't exist.
    """
    whole = type(target)()
    whole.CopyFrom(target)
    # FieldMask.MergeMessage leaves a field as it is when the message around it is unset in the source.
    for path in mask.paths:
        *outer, name = path.split(".")
        given: Message = source
        changed: Message = whole
        for step in outer:
            field = given.DESCRIPTOR.fields_by_name.get(step)
            if field is None or field.is_repeated or field.message_type is None:
                raise _no_field(path)
            given, changed = getattr(given, step), getattr(changed, step)
        if name not in given.DESCRIPTOR.fields_by_name:
            raise _no_field(path)
        _take_over(name, given, changed)
    return whole


def _take_over(name: str, source: Message, target: Message) -> None:
    field = source.DESCRIPTOR.fields_by_name[name]
    target.ClearField(name)
    if field.is_repeated or (field.message_type is not None and source.HasField(name)):
        getattr(target, name).MergeFrom(getattr(source, name))
    elif field.message_type is None and (not field.has_presence or source.HasField(name)):
        setattr(target, name, getattr(source, name))


def _no_field(path: str) -> NodexaError:
    return _invalid(f"{path!r} is not a field that can be changed.", "update_mask")


def _check_server(model: Model) -> None:
    if model.base_url or not _AT_HOME[model.kind]:
        _check_address(model.base_url)
    elif not model.api_key_env:
        raise _invalid(f"{_AT_HOME[model.kind]} wants a key: name its variable in api_key_env.", "model.api_key_env")
    if model.api_key_env and not _VARIABLE.fullmatch(model.api_key_env):
        raise _invalid("api_key_env is the name of an environment variable, not the key itself.", "model.api_key_env")
    for field in _SECONDS:
        if model.HasField(field) and not LEAST_SECONDS <= getattr(model, field) <= MOST_SECONDS:
            raise _invalid(f"{field} is from {LEAST_SECONDS} to {MOST_SECONDS:,} seconds.", f"model.{field}")
    if model.HasField("total_seconds") and model.kind not in _TIMED:
        raise _invalid("Only models of the kinds openai_chat and openai_responses have it.", "model.total_seconds")
    if model.gguf:
        raise _invalid("gguf is for embedded models.", "model.gguf")


def _check_address(base_url: str) -> None:
    try:
        url = urlsplit(base_url)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
        url = urlsplit("")
    if not usable:
        raise _invalid("base_url must be an http or https URL, /v1 included.", "model.base_url")
    if url.username or url.password or url.query or url.fragment:
        raise _invalid(
            "base_url holds no credentials, query or fragment; a key is named by api_key_env.", "model.base_url"
        )


def _invalid(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)
