"""Response → the JSON object of the wire, with the union of the fields that OpenAI and Open Responses ask for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.response_pb2 import Response, ResponseError, ResponseSettings, Usage

from rest_bridge.errors import error_object
from rest_bridge.wire import choice, item, json, text, tool
from rest_bridge.wire.dialect import Dialect
from rest_bridge.wire.plain_answer import dump_plain

STATUS_WORDS: Final[Mapping[Response.Status.ValueType, str]] = MappingProxyType(
    {
        Response.STATUS_QUEUED: "queued",
        Response.STATUS_IN_PROGRESS: "in_progress",
        Response.STATUS_COMPLETED: "completed",
        Response.STATUS_REQUIRES_ACTION: "requires_action",
        Response.STATUS_FAILED: "failed",
        Response.STATUS_INCOMPLETE: "incomplete",
        Response.STATUS_CANCELLED: "cancelled",
    }
)

_SHORT: Final = 2048
"""Bytes of settings of which many are kept."""
_LONG: Final = 64 * 1024
"""Bytes of settings that are worth keeping at all: those with tools, which agents send again and again."""


def render_settings(settings: ResponseSettings) -> Mapping[str, Any]:
    """The part of the object that says what the response ran with; the same in all its snapshots. Not to be changed."""
    data = settings.SerializeToString()
    # An assistant's requests mostly ask for the same: what is short is rendered once for all of them.
    if len(data) > _LONG:
        return _render_settings(settings)
    return _render_short(data) if len(data) <= _SHORT else _render_long(data)


def _render_known(data: bytes) -> Mapping[str, Any]:
    return _render_settings(ResponseSettings.FromString(data))


_render_short = functools.lru_cache(maxsize=256)(_render_known)
_render_long = functools.lru_cache(maxsize=8)(_render_known)


def _render_settings(settings: ResponseSettings) -> Mapping[str, Any]:
    return {
        "instructions": settings.instructions if settings.HasField("instructions") else None,
        "max_output_tokens": settings.max_output_tokens if settings.HasField("max_output_tokens") else None,
        "max_tool_calls": settings.max_tool_calls if settings.HasField("max_tool_calls") else None,
        "parallel_tool_calls": settings.parallel_tool_calls if settings.HasField("parallel_tool_calls") else True,
        "prompt_cache_key": settings.prompt_cache_key if settings.HasField("prompt_cache_key") else None,
        "reasoning": text.render_reasoning(settings.reasoning),
        "safety_identifier": settings.safety_identifier if settings.HasField("safety_identifier") else None,
        "service_tier": settings.service_tier or "default",
        "store": settings.store if settings.HasField("store") else True,
        "background": settings.background,
        # The standard has numbers here, never null: 1 stands for the model's own default.
        "temperature": settings.temperature if settings.HasField("temperature") else 1.0,
        "top_p": settings.top_p if settings.HasField("top_p") else 1.0,
        "top_logprobs": settings.top_logprobs,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "text": text.render_text(settings.text),
        "tool_choice": choice.render_choice(settings.tool_choice),
        "tools": tool.render_tools(settings.tools),
        "truncation": text.render_truncation(settings.truncation),
        "metadata": dict(settings.metadata),
        "user": settings.user if settings.HasField("user") else None,
        "nodexa": {"ignored": list(dict.fromkeys(settings.ignored))},
    }


def render_response(
    response: Response,
    settings: Mapping[str, Any],
    *,
    hides_requires_action: bool = False,
    dialect: Dialect = Dialect.OPENAI,
) -> dict[str, Any]:
    """The whole object. `settings` come from render_settings."""
    head = _render_head(response, hides_requires_action=hides_requires_action, dialect=dialect)
    return {**head, **settings, **_of_our_own(response, settings, dialect)}


def dump_response(
    response: Response, *, hides_requires_action: bool = False, dialect: Dialect = Dialect.OPENAI
) -> bytes:
    """The whole object as JSON, of a response with its settings: what render_response says of it."""
    settings = response.settings
    return dump_snapshot(
        response,
        settings,
        dump_settings(settings),
        hides_requires_action=hides_requires_action,
        dialect=dialect,
    )


def dump_snapshot(
    response: Response,
    settings: ResponseSettings,
    dumped: bytes,
    *,
    hides_requires_action: bool = False,
    dialect: Dialect = Dialect.OPENAI,
) -> bytes:
    """The same of a response whose settings stand elsewhere; `dumped` is what dump_settings says of them."""
    if (plain := dump_plain(response)) is not None:
        return json.one_line(plain) + dumped
    head = _render_head(response, hides_requires_action=hides_requires_action, dialect=dialect)
    # What the dialect doesn't know isn't in the output, and told apart.
    if not response.truncated_items and len(head["output"]) == len(response.output):
        return json.dump(head)[:-1] + dumped
    shown = render_settings(settings)
    return json.dump({**head, **shown, **_of_our_own(response, shown, dialect)})


def dump_settings(settings: ResponseSettings) -> bytes:
    """What stands in a response's JSON behind all else: nothing of it is in the head, too."""
    data = settings.SerializeToString()
    if len(data) > _LONG:
        return _dumped(_render_settings(settings))
    return _dump_short(data) if len(data) <= _SHORT else _dump_long(data)


def _dump_known(data: bytes) -> bytes:
    return _dumped(_render_known(data))


def _dumped(settings: Mapping[str, Any]) -> bytes:
    return b"," + json.dump(dict(settings))[1:]


_dump_short = functools.lru_cache(maxsize=256)(_dump_known)
_dump_long = functools.lru_cache(maxsize=8)(_dump_known)


def _render_head(response: Response, *, hides_requires_action: bool, dialect: Dialect) -> dict[str, Any]:
    status = STATUS_WORDS.get(response.status, "in_progress")
    if hides_requires_action and status == "requires_action":
        status = "completed"
    output = item.render_items(response.output, dialect)
    return {
        "id": response.id,
        "object": "response",
        "created_at": response.create_time.seconds,
        "completed_at": response.complete_time.seconds if response.HasField("complete_time") else None,
        "status": status,
        "error": _render_error(response.error) if response.HasField("error") else None,
        "incomplete_details": (
            {"reason": response.incomplete_details.reason} if response.HasField("incomplete_details") else None
        ),
        "model": response.assistant_id,
        "previous_response_id": response.previous_response_id or None,
        "conversation": {"id": response.conversation_id} if response.conversation_id else None,
        "output": output,
        "output_text": item.said_in(output),
        "usage": render_usage(response.usage) if response.HasField("usage") else None,
    }


def _of_our_own(response: Response, settings: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    told: dict[str, Any] = {"truncated_items": response.truncated_items} if response.truncated_items else {}
    if hidden := [each for each in response.output if not item.knows_item(dialect, each)]:
        told["oauth_required"] = [item.render_item(each) for each in hidden]
    return {"nodexa": {**settings.get("nodexa", {}), **told}} if told else {}


def _render_error(error: ResponseError) -> dict[str, Any]:
    return error_object(error.code, error.message, error.param)


def render_usage(usage: Usage) -> dict[str, Any]:
    """The tokens as on the wire."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
