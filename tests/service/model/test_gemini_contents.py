"""Conversation items become the contents that the Gemini API accepts."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import Item

from service.errors import NodexaError
from service.model.gemini_contents import NOT_SIGNED, contents_of
from service.model.gemini_signature import Place, Signature, kept

PNG = "data:image/png;base64,iVBORw=="


def item(**kind: Any) -> Item:
    return ParseDict(kind, Item())


def said(role: str, *texts: str) -> Item:
    part = "outputText" if role == "ASSISTANT" else "inputText"
    return item(message={"role": f"ROLE_{role}", "content": [{part: {"text": text}} for text in texts]})


def shown(*parts: dict[str, Any]) -> Item:
    return item(message={"role": "ROLE_USER", "content": list(parts)})


def call(call_id: str, arguments: str = "{}") -> Item:
    return item(functionCall={"callId": call_id, "name": f"f_{call_id}", "arguments": arguments})


def output(call_id: str, text: str = "done") -> Item:
    return item(functionCallOutput={"callId": call_id, "text": text})


def thought(place: Place, *, length: int = 0, summary: str = "") -> Item:
    words = Signature(place, b"sig", length).keep()
    return item(reasoning={"encryptedContent": words, "summary": [{"summaryText": {"text": summary}}]})


def called(call_id: str, *, sig: bytes | None = None, **args: object) -> dict[str, Any]:
    made: dict[str, Any] = {"function_call": {"id": call_id, "name": f"f_{call_id}", "args": args}}
    return {**made, "thought_signature": sig} if sig else made


def returned(call_id: str, text: str = "done") -> dict[str, Any]:
    return {"function_response": {"id": call_id, "name": f"f_{call_id}", "response": {"output": text}}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"text": words, **more}


HI = said("USER", "Hi")


def test_user_and_model_take_turns_and_neighbors_of_one_role_are_one() -> None:
    items = [HI, said("USER", "there", ""), said("ASSISTANT", "Hello"), said("ASSISTANT", "!"), said("USER", "Bye")]
    assert contents_of("Be brief.", items) == (
        "Be brief.",
        [user(text("Hi"), text("there")), model(text("Hello"), text("!")), user(text("Bye"))],
    )


def test_system_messages_that_open_join_the_instructions_and_later_ones_are_marked() -> None:
    items = [said("SYSTEM", "One."), said("DEVELOPER", "Two."), HI, said("DEVELOPER", "Three.")]
    assert contents_of("Zero.", items) == ("Zero.\n\nOne.\n\nTwo.", [user(text("Hi"), text("System: Three."))])


def test_instructions_alone_are_something_to_answer() -> None:
    assert contents_of("Say hello.", []) == ("", [user(text("Say hello."))])


def test_outputs_stand_right_behind_their_calls_in_their_order() -> None:
    items = [HI, said("ASSISTANT", "Wait"), call("a", '{"x":1}'), call("b"), output("b", "B"), output("a", "A"), HI]
    assert contents_of("", items)[1] == [
        user(text("Hi")),
        model(text("Wait"), called("a", sig=NOT_SIGNED, x=1), called("b")),
        user(returned("a", "A"), returned("b", "B"), text("Hi")),
    ]


def test_calls_one_after_the_other_are_steps_of_their_own() -> None:
    items = [HI, thought("call"), call("a"), output("a"), thought("call"), call("b"), output("b")]
    assert contents_of("", items)[1] == [
        user(text("Hi")),
        model(called("a", sig=b"sig")),
        user(returned("a")),
        model(called("b", sig=b"sig")),
        user(returned("b")),
    ]


def test_a_signature_goes_back_on_the_call_behind_it_and_on_no_other() -> None:
    items = [HI, thought("call"), call("a"), call("b"), thought("call"), call("c"), *map(output, "abc")]
    assert contents_of("", items)[1][1] == model(called("a", sig=b"sig"), called("b"), called("c", sig=b"sig"))


def test_older_models_are_given_no_mark() -> None:
    assert contents_of("", [HI, call("a"), output("a")], must_sign=False)[1][1] == model(called("a"))


def test_a_signature_that_lost_its_part_is_left_out() -> None:
    items = [HI, thought("call"), said("ASSISTANT", "Hm"), thought("text", length=1), call("a"), output("a")]
    assert contents_of("", items)[1][1] == model(text("Hm"), called("a", sig=NOT_SIGNED))


@pytest.mark.parametrize(
    ("length", "parts"),
    [
        (5, [text("Hello", thought_signature=b"sig")]),
        (2, [text("He", thought_signature=b"sig"), text("llo")]),
        (9, [text("Hello", thought_signature=b"sig")]),
    ],
)
def test_signed_text_is_parted_where_it_was(length: int, parts: list[dict[str, Any]]) -> None:
    items = [HI, thought("text", length=length), said("ASSISTANT", "Hello")]
    assert contents_of("", items)[1][1] == model(*parts)


def test_signatures_of_parts_without_text_and_of_thinking_stand_by_themselves() -> None:
    items = [HI, thought("thought", summary="Hm."), said("ASSISTANT", "Hello"), thought("empty"), said("USER", "Bye")]
    assert contents_of("", items)[1][1] == model(
        text("Hm.", thought=True, thought_signature=b"sig"), text("Hello"), text("", thought_signature=b"sig")
    )


@pytest.mark.parametrize("words", ["", "anthropic:abc", "gemini:call:!!", "gemini:call:YQ", "gemini:other:YQ=="])
def test_the_thinking_of_others_is_left_out(words: str) -> None:
    assert kept(words) is None
    strange = item(reasoning={"encryptedContent": words, "content": [{"reasoningText": {"text": "secret"}}]})
    assert contents_of("", [HI, strange, said("ASSISTANT", "Hello")])[1][1] == model(text("Hello"))


@pytest.mark.parametrize("place", ["call", "text", "empty", "thought"])
def test_a_signature_is_kept_as_it_is(place: Place) -> None:
    signature = Signature(place, bytes(range(256)), 12)
    assert kept(signature.keep()) == signature


def test_calls_without_an_answer_and_answers_without_a_call_are_left_out() -> None:
    assert contents_of("", [HI, call("a"), output("b"), item(opaque={"type": "x", "json": "{}"})])[1] == [
        user(text("Hi"))
    ]


@pytest.mark.parametrize(("arguments", "args"), [("", {}), ("[1]", {"arguments": "[1]"}), ("{", {"arguments": "{"})])
def test_arguments_are_an_object_whatever_they_were(arguments: str, args: dict[str, object]) -> None:
    assert contents_of("", [HI, call("a", arguments), output("a")])[1][1] == model(called("a", sig=NOT_SIGNED, **args))


@pytest.mark.parametrize(
    ("part", "parts"),
    [
        ({"inputImage": {"imageUrl": PNG}}, [{"inline_data": {"mime_type": "image/png", "data": b"\x89PNG"}}]),
        (
            {"inputImage": {"imageUrl": "https://example.com/cat.png?x=1"}},
            [{"file_data": {"file_uri": "https://example.com/cat.png?x=1", "mime_type": "image/png"}}],
        ),
        (
            {"inputImage": {"imageUrl": "https://example.com/cat"}},
            [{"file_data": {"file_uri": "https://example.com/cat"}}],
        ),
        (
            {"inputFile": {"fileData": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
            [text("File a.pdf:"), {"inline_data": {"mime_type": "application/pdf", "data": b"\0"}}],
        ),
        (
            {"inputFile": {"fileData": "data:;base64,AA==", "filename": "a.csv"}},
            [text("File a.csv:"), {"inline_data": {"mime_type": "text/csv", "data": b"\0"}}],
        ),
        ({"inputFile": {"fileData": "data:,a%20b"}}, [{"inline_data": {"mime_type": "text/plain", "data": b"a b"}}]),
        (
            {"inputFile": {"fileUrl": "https://example.com/a", "filename": "a.pdf"}},
            [
                text("File a.pdf:"),
                {"file_data": {"file_uri": "https://example.com/a", "mime_type": "application/pdf"}},
            ],
        ),
        ({"refusal": {"refusal": "No."}}, [text("No.")]),
    ],
)
def test_images_and_files_go_along_or_are_named(part: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    assert contents_of("", [shown(part)])[1] == [user(*parts)]


@pytest.mark.parametrize("url", ["http://example.com/a.png", "data:image/png;base64,!", "data:image/png", "file:///a"])
def test_what_the_api_can_t_be_given_is_refused(url: str) -> None:
    with pytest.raises(NodexaError) as caught:
        contents_of("", [shown({"inputImage": {"imageUrl": url}})])
    assert (caught.value.code, caught.value.param) == ("input_not_supported_for_model", "input")


def test_images_in_an_output_stand_behind_it() -> None:
    parts = {"parts": [{"inputText": {"text": "Look:"}}, {"inputImage": {"imageUrl": PNG}}]}
    items = [HI, call("a"), item(functionCallOutput={"callId": "a", "parts": parts})]
    assert contents_of("", items)[1][2] == user(
        returned("a", "Look:"), {"inline_data": {"mime_type": "image/png", "data": b"\x89PNG"}}
    )
