"""The settings `text`, `reasoning` and `truncation`, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.response_pb2 import (
    JsonObject,
    JsonSchema,
    PlainText,
    ReasoningSettings,
    ResponseSettings,
    TextFormat,
    TextSettings,
)

from rest_bridge.wire import field, json, shape

TRUNCATIONS: Final[Mapping[str, ResponseSettings.Truncation.ValueType]] = MappingProxyType(
    {"disabled": ResponseSettings.TRUNCATION_DISABLED, "auto": ResponseSettings.TRUNCATION_AUTO}
)


def parse_text(value: object, ignored: list[str]) -> TextSettings:
    """`text`: the form of the answer and how much it says. Raises errors.RequestError(invalid_request)."""
    given = field.members("text", value)
    shape.note_unread(given, ("format", "verbosity"), "text", ignored)
    settings = TextSettings()
    if given.get("format") is not None:
        settings.format.CopyFrom(_parse_format(field.members("text.format", given["format"]), ignored))
    if given.get("verbosity") is not None:
        settings.verbosity = field.text("text.verbosity", given["verbosity"])
    return settings


def parse_reasoning(value: object, ignored: list[str]) -> ReasoningSettings:
    """`reasoning`: how the model thinks. Raises errors.RequestError(invalid_request)."""
    given = field.members("reasoning", value)
    shape.note_unread(given, ("effort", "summary"), "reasoning", ignored)
    settings = ReasoningSettings()
    for name in ("effort", "summary"):
        if given.get(name) is not None:
            setattr(settings, name, field.text(f"reasoning.{name}", given[name]))
    return settings


def parse_truncation(value: object) -> ResponseSettings.Truncation.ValueType:
    """`truncation`. Raises errors.RequestError(invalid_request)."""
    if not isinstance(value, str) or value not in TRUNCATIONS:
        raise shape.wrong("truncation", f"must be one of {', '.join(TRUNCATIONS)}", code="invalid_request")
    return TRUNCATIONS[value]


def render_truncation(truncation: ResponseSettings.Truncation.ValueType) -> str:
    """`truncation` as on the wire."""
    return "auto" if truncation == ResponseSettings.TRUNCATION_AUTO else "disabled"


def render_text(settings: TextSettings) -> dict[str, Any]:
    """`text` as on the wire."""
    shown: dict[str, Any] = {"format": _render_format(settings.format)}
    return shown | {"verbosity": settings.verbosity} if settings.HasField("verbosity") else shown


def render_reasoning(settings: ReasoningSettings) -> dict[str, Any]:
    """`reasoning` as on the wire."""
    return {
        "effort": settings.effort if settings.HasField("effort") else None,
        "summary": settings.summary if settings.HasField("summary") else None,
    }


def _parse_format(given: dict[str, Any], ignored: list[str]) -> TextFormat:
    word = given.get("type")
    if word == "json_schema":
        return TextFormat(json_schema=_parse_schema(given, ignored))
    shape.note_unread(given, ("type",), "text.format", ignored)
    if word == "json_object":
        return TextFormat(json_object=JsonObject())
    if word == "text":
        return TextFormat(text=PlainText())
    raise shape.wrong("text.format.type", "must be text, json_object or json_schema", code="invalid_request")


def _parse_schema(given: dict[str, Any], ignored: list[str]) -> JsonSchema:
    shape.note_unread(given, ("type", "name", "schema", "strict", "description"), "text.format", ignored)
    form = JsonSchema(
        name=field.text("text.format.name", given.get("name")),
        schema_json=json.dump(field.members("text.format.schema", given.get("schema"))).decode(),
    )
    if given.get("strict") is not None:
        form.strict = field.boolean("text.format.strict", given["strict"])
    if given.get("description") is not None:
        form.description = field.text("text.format.description", given["description"])
    return form


def _render_format(form: TextFormat) -> dict[str, Any]:
    kind = form.WhichOneof("kind") or "text"
    if kind != "json_schema":
        return {"type": kind}
    schema = form.json_schema
    return {
        "type": kind,
        "name": schema.name,
        "description": schema.description if schema.HasField("description") else None,
        "schema": json.parse_stored(schema.schema_json),
        "strict": schema.strict if schema.HasField("strict") else None,
    }
