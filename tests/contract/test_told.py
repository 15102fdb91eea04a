"""The judge of what clients are told: it lets pass what is right, and it can fail."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, Final, get_args

import pytest
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import IncompleteDetails, Response, ResponseError, ResponseSettings
from openai.types.responses import ResponseStreamEvent
from pydantic import ValidationError

from rest_bridge.wire.response import render_response, render_settings
from tests.contract import told
from tests.contract.document import DOCUMENTS
from tests.contract.substitutions import SUBSTITUTIONS, UNKNOWN_EVENTS, UNKNOWN_KINDS, as_judged_by

Json = dict[str, Any]
Change = Callable[[Json], object]

DELTA: Final[Json] = {
    "type": "response.output_text.delta",
    "sequence_number": 3,
    "item_id": "msg_1",
    "output_index": 0,
    "content_index": 0,
    "delta": "Hello",
    "logprobs": [],
}
SEARCH: Final[Json] = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}


def response() -> Json:
    """A whole response as the bridge shows it, with a message in it."""
    made = Response(id="resp_1", assistant_id="asst_1", status=Response.STATUS_COMPLETED)
    made.complete_time.seconds = 1
    made.usage.total_tokens = 0
    item = made.output.add(id="msg_1", status=Item.STATUS_COMPLETED)
    item.message.role = item.message.ROLE_ASSISTANT
    item.message.content.add().output_text.text = "Hello"
    shown: Json = json.loads(json.dumps(render_response(made, render_settings(ResponseSettings()))))
    return shown


def completed() -> Json:
    return {"type": "response.completed", "sequence_number": 9, "response": response()}


def test_what_is_right_passes() -> None:
    told.check_event(DELTA)
    told.check_event(completed())
    told.check_object(response(), "/v1/responses/resp_1")


def test_an_item_that_one_document_does_not_know_is_judged_by_the_others() -> None:
    event = completed()
    event["response"]["output"].append(copy.deepcopy(SEARCH))
    told.check_event(event)
    told.check_event({"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": SEARCH})
    event["response"]["output"][1]["status"] = "confused"
    with pytest.raises((AssertionError, ValidationError)):
        told.check_event(event)


WRONG_EVENTS: Final[dict[str, tuple[Change, str]]] = {
    "a member is missing": (lambda event: event.pop("item_id"), "item_id"),
    "a member that only a document asks for is missing": (lambda event: event.pop("logprobs"), "logprobs"),
    "a number is a text": (lambda event: event.update(output_index="0"), "output_index"),
    "a number is a boolean": (lambda event: event.update(sequence_number=True), "sequence_number"),
    "an unknown type": (lambda event: event.update(type="response.output_text.more"), "no event"),
    "a member that nobody knows": (lambda event: event.update(mood="good"), "mood"),
    "a member at which SDKs raise": (lambda event: event.update(error={"message": "x"}), "raises"),
}


@pytest.mark.parametrize(("change", "word"), WRONG_EVENTS.values(), ids=WRONG_EVENTS.keys())
def test_an_event_is_refused_when(change: Change, word: str) -> None:
    event = copy.deepcopy(DELTA)
    change(event)
    with pytest.raises((AssertionError, ValidationError), match=word):
        told.check_event(event)


OURS: Final[tuple[Json, ...]] = (
    {"type": "response.status", "sequence_number": 2, "status": "routing"},
    {"type": "response.error", "sequence_number": 2, "code": "c", "message": "m", "param": None,
     "error": {"type": "server_error", "code": "c", "message": "m", "param": None}},
)  # fmt: skip


@pytest.mark.parametrize("event", OURS, ids=lambda event: event["type"])
def test_events_of_our_own_are_refused_in_the_dialect_of_everyone(event: Json) -> None:
    told.check_event(event, ours=True)
    with pytest.raises(AssertionError, match="no event"):
        told.check_event(event)
    del event["sequence_number"]
    with pytest.raises((AssertionError, ValidationError)):
        told.check_event(event, ours=True)


def _first(member: str) -> Callable[[Json], Json]:
    return lambda response: response["output"][0] if member == "item" else response["output"][0]["content"][0]


_ITEM, _PART = _first("item"), _first("part")

WRONG_RESPONSES: Final[dict[str, tuple[Change, str]]] = {
    "its id is missing": (lambda it: it.pop("id"), "id"),
    "only OpenAI's document asks for it": (lambda it: it.update(usage={**it["usage"], "total_tokens": 0.5}), "total"),
    "only the standard asks for it": (lambda it: it.pop("presence_penalty"), "openresponses.*\n.*presence_penalty"),
    "a status that is nobody's": (lambda it: it.update(status="done"), "status"),
    "an error without a message": (lambda it: it.update(error={"code": "x"}), "message"),
    "a member that nobody knows": (lambda it: it.update(mood="good"), "mood"),
    "an item without an id": (lambda it: _ITEM(it).pop("id"), "id"),
    "an item of no known type": (lambda it: it["output"].append({"type": "telepathy_call", "id": "x"}), "output"),
    "a part without its annotations": (lambda it: _PART(it).pop("annotations"), "annotations"),
    "a part of no known type": (lambda it: _PART(it).update(type="smell"), "type"),
    "a tool of no known type": (lambda it: it["tools"].append({"type": "magic"}), "tools"),
    "usage without details": (lambda it: it["usage"].pop("input_tokens_details"), "input_tokens_details"),
    "a number that is none": (lambda it: it.update(temperature="warm"), "temperature"),
}


@pytest.mark.parametrize(("change", "word"), WRONG_RESPONSES.values(), ids=WRONG_RESPONSES.keys())
def test_a_response_is_refused_when(change: Change, word: str) -> None:
    wrong = response()
    change(wrong)
    with pytest.raises((AssertionError, ValidationError), match=word):
        told.check_object(wrong)
    with pytest.raises((AssertionError, ValidationError), match=word):
        told.check_event({**completed(), "response": wrong})


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "m", "type": "t", "param": None}},
        {"error": {"message": None, "type": "t", "param": None, "code": "c"}},
        {"error": {"message": "m", "type": "t", "param": None, "code": "c"}, "detail": "d"},
        {"message": "m"},
    ],
)
def test_a_refusal_of_another_form_is_refused(body: Json) -> None:
    right = {"message": "m", "type": "t", "param": None, "code": "c"}
    told.check_refusal({"type": "error", "status": 400, "error": right})
    with pytest.raises(AssertionError):
        told.check_error(body)
    with pytest.raises((AssertionError, KeyError)):
        told.check_refusal({"type": "error", "status": 400, **body})


WRONG_ANSWERS: Final = {
    "an object in a list": ("/v1/models", {"object": "list", "data": [{"id": "m", "object": "model"}]}),
    "an item in a list": (
        "/v1/responses/resp_1/input_items",
        {"object": "list", "data": [{**SEARCH, "id": None}], "first_id": "a", "last_id": "a", "has_more": False},
    ),
    "a count": ("/v1/responses/input_tokens", {"object": "response.input_tokens", "input_tokens": "7"}),
    "a deletion": ("/v1/responses/resp_1", {"object": "response", "deleted": False, "id": "resp_1"}),
    "a word that nobody knows": ("/v1/responses/resp_1", {"object": "reply"}),
    "a conversation": ("/v1/conversations", {"object": "conversation", "id": "conv_1", "metadata": {}}),
    "an item of a conversation": ("/v1/conversations/conv_1/items/msg_1", {"type": "message", "id": "msg_1"}),
}


@pytest.mark.parametrize(("path", "value"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
def test_an_answer_is_refused_when_it_is_wrong_about(path: str, value: Json) -> None:
    with pytest.raises((AssertionError, ValidationError, KeyError)):
        told.check_answer(path, 200, "application/json", json.dumps(value).encode())


def test_each_event_that_came_whole_is_judged() -> None:
    wrong = json.dumps({**DELTA, "delta": 7}).encode()
    frame = b"event: response.output_text.delta\ndata: " + wrong
    told.check_answer("/v1/responses", 200, "text/event-stream", b": heartbeat\n\ndata: [DONE]\n\n" + frame)
    with pytest.raises(ValidationError):
        told.check_answer("/v1/responses", 200, "text/event-stream", frame + b"\n\n")


def test_no_substitution_is_more_than_is_needed() -> None:
    waiting = Response(id="resp_1", status=Response.STATUS_REQUIRES_ACTION)
    failed = Response(id="resp_1", status=Response.STATUS_FAILED, error=ResponseError(code="upstream_error"))
    begun = Response(id="resp_1", status=Response.STATUS_IN_PROGRESS, incomplete_details=IncompleteDetails())
    shown = [render_response(each, render_settings(ResponseSettings())) for each in (waiting, failed, begun)]
    for each in shown:
        each["incomplete_details"] = None
    shown.append({**shown[0], "incomplete_details": {"reason": "max_tool_calls"}})
    form = {"type": "json_schema", "name": "n", "description": "d", "schema": {"type": "object"}, "strict": None}
    shown.append({**shown[0], "text": {"format": form}})
    for substitution in SUBSTITUTIONS:
        assert substitution.reason
        for judge in substitution.judges:
            assert any(_differs(judge, substitution.mend, each) for each in shown), substitution.reason


def _differs(judge: str, mend: Change, value: Json) -> bool:
    """Whether a judge would refuse a value but for this one substitution."""
    right = as_judged_by(judge, value)
    mended = copy.deepcopy(value)
    mend(mended)
    wrong = right | {name: value[name] for name in value if name not in mended or mended[name] != value[name]}
    assert _passes(judge, right)
    return not _passes(judge, wrong)


def _passes(judge: str, value: Json) -> bool:
    if judge != "sdk":
        return not list(DOCUMENTS[judge].problems(told.OBJECTS["response"][1][judge], value))
    try:
        told._SDK_OBJECTS["response"].validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def test_every_event_is_known_or_listed_as_unknown() -> None:
    sdk = {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(ResponseStreamEvent)[0])}
    everything = sdk | set(DOCUMENTS["openai"].events)
    for name, document in DOCUMENTS.items():
        missing = everything - set(document.events)
        assert {word.rpartition(".")[0] for word in missing} == UNKNOWN_EVENTS[name]


def test_every_kind_of_thing_is_known_or_listed_as_unknown() -> None:
    openai, standard = (DOCUMENTS[name] for name in ("openai", "openresponses"))
    unions = ("OutputItem", "ItemResource", "Tool", "ToolChoiceParam", "Annotation", "ConversationItem")
    everything = {word for union in unions for word in openai.kinds(union)}
    assert everything - standard.words() == UNKNOWN_KINDS["openresponses"] - UNKNOWN_KINDS["openai"]
    assert not UNKNOWN_KINDS["openai"] & everything
