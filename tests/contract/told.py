"""What clients are told, judged by the two public documents and by the official SDK's own types.

One function for each thing that can be told; each fails with the place and the rule that was broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from openai.types import Model
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem, ConversationItemList
from openai.types.responses import (
    CompactedResponse,
    InputTokenCountResponse,
    Response,
    ResponseItemList,
    ResponseStreamEvent,
)
from pydantic import BaseModel, TypeAdapter

from tests.contract.document import DOCUMENTS, Document
from tests.contract.substitutions import OUR_MEMBERS, as_judged_by, knows_event

Json = dict[str, Any]


class ModelList(BaseModel):
    """A list of models: the SDK has a page for it that is bound to a client."""

    object: str
    data: list[Model]


class ResponseList(BaseModel):
    """A list of responses, which is ours: neither the SDK nor the documents have one."""

    object: str
    data: list[Response]
    has_more: bool
    first_id: str | None
    last_id: str | None


OBJECTS: Final[Mapping[str, tuple[object, Mapping[str, str]]]] = {
    "response": (Response, {"openai": "Response", "openresponses": "ResponseResource"}),
    "response.compaction": (CompactedResponse, {"openai": "CompactResource", "openresponses": "CompactResource"}),
    "response.input_tokens": (InputTokenCountResponse, {"openai": "TokenCountsResource"}),
    "list of items": (ResponseItemList, {"openai": "ResponseItemList"}),
    "list of responses": (ResponseList, {}),
    "list of models": (ModelList, {"openai": "ListModelsResponse"}),
    "model": (Model, {"openai": "Model"}),
    "conversation": (Conversation, {"openai": "ConversationResource"}),
    "conversation.deleted": (ConversationDeletedResource, {"openai": "DeletedConversationResource"}),
    "list of conversation items": (ConversationItemList, {"openai": "ConversationItemList"}),
    "conversation item": (ConversationItem, {"openai": "ConversationItem"}),
}
"""What an answer can be → the SDK's type, and the schema in each document that has one."""

_PATHS: Final = {
    r"/v1/responses": "list of responses",
    r"/v1/responses/[^/]+/input_items": "list of items",
    r"/v1/models": "list of models",
    r"/v1/conversations/[^/]+/items": "list of conversation items",
    r"/v1/conversations/[^/]+/items/[^/]+": "conversation item",
}
"""Where answers are that don't say by themselves what they are; everything else has a word of its own."""

_OF_THE_API: Final = ("/v1/responses", "/v1/models", "/v1/conversations")
_SDK_EVENTS: Final = {
    get_args(kind.model_fields["type"].annotation)[0]: TypeAdapter[Any](kind)
    for kind in get_args(get_args(ResponseStreamEvent)[0])
}
_SDK_OBJECTS: Final = {word: TypeAdapter[Any](kind) for word, (kind, _) in OBJECTS.items()}


def check_answer(url: str, status: int, content_type: str, body: bytes, *, ours: bool = False) -> None:
    """Judges an answer over HTTP; of a stream as many events as came whole. What isn't of the API is left alone.

    `ours`: it is in Nodexa's own dialect.
    """
    path = urlsplit(url).path
    if content_type == "text/event-stream":
        for frame in body.split(b"\n\n")[:-1]:
            data = frame.partition(b"\ndata: ")[2]
            if data:
                check_event(json.loads(data), ours=ours)
    elif body and content_type.startswith("application/json"):
        value = json.loads(body)
        if status >= 400:
            check_error(value)
        elif path.startswith(_OF_THE_API):
            check_object(value, path)


def check_event(event: Json, *, ours: bool = False) -> None:
    """Judges an event of a stream, as SSE and WebSockets have it. `ours`: the stream is in Nodexa's own dialect."""
    if ours and event["type"] == "response.status":
        assert set(event) == {"type", "sequence_number", "status"}
        assert re.fullmatch("[a-z_]+", event["status"])
        return
    if ours and event.get("item", {}).get("type") == "oauth_required":
        assert {"id", "type", "provider", "url"} <= set(event["item"])
        return
    if ours and event["type"] == "response.error":
        event = {**event, "type": "error"}
    word = event["type"]
    assert word in _SDK_EVENTS, f"the SDK has no event {word}"
    _SDK_EVENTS[word].validate_python(as_judged_by("sdk", event), strict=True)
    assert bool(event.get("error")) == (word == "error"), "an SDK raises for this"
    known = [document for document in DOCUMENTS.values() if knows_event(document.name, word)]
    for document in known:
        assert word in document.events, f"{document.name} has no event {word}"
        _check(document, document.events[word], event)
    _check_members(event, word, {document.name: document.events[word] for document in known})
    if "response" in event:
        _check_members(event["response"], "response", OBJECTS["response"][1])


def check_object(value: Json, path: str = "") -> None:
    """Judges the JSON of an answer; `path` is where it was asked for."""
    if value.get("object") == "response" and "deleted" in value:
        assert value == {"id": value["id"], "object": "response", "deleted": True}
        return
    word = _word(value, path)
    kind, schemas = OBJECTS[word]
    assert kind
    _SDK_OBJECTS[word].validate_python(as_judged_by("sdk", value), strict=True)
    for name, schema in schemas.items():
        _check(DOCUMENTS[name], schema, value)
    if word == "list of responses":
        for response in value["data"]:
            check_object(response)
    else:
        _check_members(value, word, schemas)


def check_error(body: Json) -> None:
    """Judges the body of a refusal."""
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    _check(DOCUMENTS["openai"], "Error", body["error"])
    _check(DOCUMENTS["openresponses"], "ErrorPayload", body["error"])


def check_refusal(event: Json) -> None:
    """Judges what a request is refused with on a WebSocket."""
    # `headers` say when to try again, where that is known.
    assert set(event) - {"headers"} == {"type", "status", "error"}
    check_error({"error": event["error"]})
    _check(DOCUMENTS["openresponses"], "WebSocketErrorEvent", event)


def _word(value: Json, path: str) -> str:
    word = value.get("object")
    if word not in (None, "list"):
        return str(word)
    return next(kind for pattern, kind in _PATHS.items() if re.fullmatch(pattern, path))


def _check(document: Document, schema: str, value: Json) -> None:
    wrong = list(document.problems(schema, as_judged_by(document.name, value)))
    assert not wrong, f"{document.name}, {schema}:\n" + "\n".join(wrong)


def _check_members(value: Json, word: str, schemas: Mapping[str, str]) -> None:
    known = {member for name, schema in schemas.items() for member in DOCUMENTS[name].members(schema)}
    more = set(value) - known - OUR_MEMBERS.get(word, frozenset()) if known else set()
    assert not more, f"members of {word} that nobody knows: {sorted(more)}"
