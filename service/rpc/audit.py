"""What an administrator did, as an event for the log: who, what, and which fields changed, without secrets. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from google.protobuf.message import Message
from nodexa.v1.admin_pb2 import AuditEvent

from service.runner.caller import Caller

TOLD: Final = frozenset(
    {
        "api_key_env",
        "base_url",
        "claims",
        "conversations",
        "dialect",
        "disabled",
        "files",
        "gguf",
        "instructions_mode",
        "kind",
        "limits.concurrent_runs",
        "limits.requests_per_minute",
        "limits.tokens_per_minute",
        "logs",
        "memories",
        "memory",
        "model",
        "name",
        "no_images",
        "no_tools",
        "responses",
        "scopes",
        "tool",
        "upstream_model",
    }
)
"""The fields whose values stand in the log. Of all others, prompts and tools among them, only that they changed."""
_OUR_OWN: Final = frozenset({"id", "hint", "operator", "create_time", "update_time", "revoke_time", "from_file"})
"""What nobody sets."""


def event_of(
    act: str,
    target_id: str,
    caller: Caller,
    *,
    request_id: str,
    before: Message | None = None,
    after: Message | None = None,
    id: str,
    now: int,
) -> AuditEvent:
    """The event of an act of `caller`: `before` and `after` are what it was done to, None where there was nothing."""
    event = AuditEvent(
        id=id,
        organization_id=caller.org_id,
        api_key_id=caller.key_id,
        request_id=request_id,
        act=act,
        target_id=target_id,
        changes_json=json.dumps(changes(before, after), ensure_ascii=False),
    )
    event.create_time.FromMilliseconds(now)
    return event


def changes(before: Message | None, after: Message | None) -> dict[str, Any]:
    """The fields that differ, by their paths: `{"from", "to"}` where the value may be told, else `"changed"`."""
    old, new = _fields(before), _fields(after)
    return {
        path: {"from": old.get(path), "to": new.get(path)} if path in TOLD else "changed"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    }


def _fields(message: Message | None) -> dict[str, Any]:
    """The fields that are set, with those of a message within by `outer.inner`."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields() if message is not None else ():
        if field.name in _OUR_OWN:
            continue
        if field.is_repeated:
            found[field.name] = [_plain(field, each) for each in value]
        elif field.message_type is not None:
            # What is there and empty, as a set of no tools, means something too.
            inner = _fields(value) or {"": True}
            found |= {f"{field.name}.{name}".rstrip("."): each for name, each in inner.items()}
        else:
            found[field.name] = _plain(field, value)
    return found


def _plain(field: Any, value: Any) -> Any:
    if field.enum_type is None:
        return value
    names = field.enum_type.values_by_number
    return names[value].name.removeprefix(names[0].name.removesuffix("UNSPECIFIED")).lower()
