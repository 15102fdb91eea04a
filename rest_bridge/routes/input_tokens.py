"""The endpoint that counts a prompt without asking the model for an answer."""

from __future__ import annotations

from nodexa.v1.response_service_pb2 import CountInputTokensRequest

from rest_bridge.errors import RequestError
from rest_bridge.headers import user_tokens
from rest_bridge.routes.call import Answer, Call, answer
from rest_bridge.wire import json
from rest_bridge.wire.request import parse_create


async def count(call: Call) -> Answer:
    """POST /v1/responses/input_tokens. The body is that of POST /v1/responses, without `stream`."""
    metadata = call.metadata()
    tokens = user_tokens(call.headers)
    settings = call.bridge.settings
    body = await call.json()
    reading = parse_create(json.parse_object(body), user_tokens=tokens, ignored=[])
    if reading.stream:
        raise RequestError("invalid_request", "A count can't be streamed: leave out stream.", param="stream")
    request = CountInputTokensRequest(
        assistant_id=reading.request.assistant_id,
        input=reading.request.input,
        previous_response_id=reading.request.previous_response_id,
        settings=reading.request.settings,
        conversation_id=reading.request.conversation_id,
        user_tokens=tokens,
    )
    # As long as for an answer: an embedded model that isn't loaded yet has to be.
    rpc = call.bridge.core.responses.CountInputTokens(request, metadata=metadata, timeout=settings.create_seconds)
    found = await call.ask(rpc)
    ignored = {"ignored": list(found.ignored)}
    return answer({"object": "response.input_tokens", "input_tokens": found.input_tokens, "nodexa": ignored})
