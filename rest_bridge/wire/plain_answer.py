"""The answer that nearly all are, as JSON at once: a completed response that is one message with one text. Pure."""

from __future__ import annotations

from typing import Final

import orjson
from nodexa.v1.item_pb2 import Item, Message
from nodexa.v1.response_pb2 import Response

_COMPLETED: Final = Response.STATUS_COMPLETED
_WHOLE: Final = Item.STATUS_COMPLETED
_ASSISTANT: Final = Message.ROLE_ASSISTANT
_HEAD: Final = (
    b'{"id":%b,"object":"response","created_at":%d,"completed_at":%d,"status":"completed","error":null,'
    b'"incomplete_details":null,"model":%b,"previous_response_id":%b,"conversation":%b,'
    b'"output":[{"id":%b,"type":"message","status":"completed","role":"assistant",'
    b'"content":[{"type":"output_text","text":%b,"annotations":[],"logprobs":[]}]}],"output_text":%b,'
    b'"usage":{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d},'
    b'"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'
)


def dump_plain(response: Response) -> bytes | None:
    """The object up to its settings, with no brace behind, as wire.response would say it. None for any other response.

    Each question to a message costs as much as a few lines of Python: a dictionary of it all takes twice the time.
    """
    said = _one_message(response)
    if said is None or len(parts := said.message.content) != 1 or not (part := parts[0]).HasField("output_text"):
        return None
    told = part.output_text
    if told.annotations_json or told.logprobs:
        return None
    dumps = orjson.dumps
    text, usage = dumps(told.text), response.usage
    conversation = response.conversation_id
    return _HEAD % (
        dumps(response.id),
        response.create_time.seconds,
        response.complete_time.seconds,
        dumps(response.assistant_id),
        dumps(response.previous_response_id or None),
        dumps({"id": conversation}) if conversation else b"null",
        dumps(said.id),
        text,
        text,
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
    )


def _one_message(response: Response) -> Item | None:
    """The message of the assistant that is all there is to tell, besides what every response has."""
    has = response.HasField
    if response.status != _COMPLETED or response.truncated_items or has("error") or has("incomplete_details"):
        return None
    if not (has("complete_time") and has("usage")) or len(output := response.output) != 1:
        return None
    item = output[0]
    if item.status != _WHOLE or not item.HasField("message"):
        return None
    message = item.message
    return None if message.role != _ASSISTANT or message.HasField("phase") else item
