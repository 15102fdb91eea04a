"""The answers that nearly all are, written at once, say what they say written member by member."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from nodexa.v1.item_pb2 import Item, Message, TokenLogprob
from nodexa.v1.response_pb2 import IncompleteDetails, Response, ResponseError, ResponseSettings

from rest_bridge.wire import json
from rest_bridge.wire.plain_answer import dump_plain
from rest_bridge.wire.response import dump_response, render_response, render_settings

TEXTS = ["Hello", "", '"', "a\\b\n%d %b", "é", "\u2028 \u0085", "😀", "x" * 5000]


def plain(text: str = "Hello") -> Response:
    response = Response(id='resp_"1', assistant_id="asst_é", status=Response.STATUS_COMPLETED)
    response.create_time.seconds, response.complete_time.seconds = 1_700_000_000, 1_700_000_001
    item = response.output.add(id="msg_%d", status=Item.STATUS_COMPLETED)
    item.message.role = Message.ROLE_ASSISTANT
    item.message.content.add().output_text.text = text
    usage = response.usage
    usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens = 5, 1, 2
    usage.output_tokens, usage.reasoning_tokens, usage.total_tokens = 3, 4, 8
    return response


def same(response: Response) -> bool:
    shown = render_response(response, render_settings(ResponseSettings()))
    return dump_response(response) == json.dump(shown)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("more", [{}, {"previous_response_id": "resp_0"}, {"conversation_id": 'conv_"'}])
def test_a_plain_answer_is_told_alike_either_way(text: str, more: dict[str, str]) -> None:
    response = plain(text)
    response.MergeFrom(Response(**more))
    assert same(response)
    assert dump_plain(response) is not None


def _set(name: str, value: object) -> Callable[[Response], None]:
    return lambda response: setattr(response, name, value)


@pytest.mark.parametrize(
    "change",
    [
        *(_set("status", status) for status in Response.Status.values() if status != Response.STATUS_COMPLETED),
        _set("truncated_items", 1),
        lambda response: response.ClearField("usage"),
        lambda response: response.ClearField("complete_time"),
        lambda response: response.ClearField("output"),
        lambda response: response.error.CopyFrom(ResponseError(code="a", message="b")),
        lambda response: response.incomplete_details.CopyFrom(IncompleteDetails(reason="a")),
        lambda response: response.output.extend(plain().output),
        lambda response: setattr(response.output[0], "status", Item.STATUS_INCOMPLETE),
        lambda response: response.output[0].reasoning.SetInParent(),
        lambda response: response.output[0].opaque.SetInParent(),
        lambda response: setattr(response.output[0].message, "role", Message.ROLE_USER),
        lambda response: setattr(response.output[0].message, "phase", "commentary"),
        lambda response: response.output[0].message.ClearField("content"),
        lambda response: response.output[0].message.content.extend(plain().output[0].message.content),
        lambda response: setattr(response.output[0].message.content[0].refusal, "refusal", "No"),
        lambda response: response.output[0].message.content[0].output_text.annotations_json.append("{}"),
        lambda response: response.output[0].message.content[0].output_text.logprobs.append(TokenLogprob(token="a")),
    ],
)
def test_any_other_is_told_member_by_member(change: Callable[[Response], None]) -> None:
    response = plain()
    change(response)
    assert dump_plain(response) is None
    if response.truncated_items:
        assert orjson.loads(dump_response(response))["nodexa"]["truncated_items"] == 1
    else:
        assert same(response)
