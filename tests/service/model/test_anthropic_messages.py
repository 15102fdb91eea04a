"""Conversation items become messages that Anthropic's Messages API accepts."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.item_pb2 import (
    ContentPart,
    ContentPartList,
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputText,
    Item,
    Message,
    Opaque,
    OutputText,
    Reasoning,
    ReasoningText,
    Refusal,
    SummaryText,
)

from service.errors import NodexaError
from service.model.anthropic_messages import conversation

Json = dict[str, Any]


def said(role: Message.Role.ValueType, *parts: ContentPart) -> Item:
    return Item(message=Message(role=role, content=parts))


def text(words: str) -> ContentPart:
    return ContentPart(input_text=InputText(text=words))


def user(*words: str) -> Item:
    return said(Message.ROLE_USER, *map(text, words))


def answered(words: str) -> Item:
    return said(Message.ROLE_ASSISTANT, ContentPart(output_text=OutputText(text=words)))


def thought(words: str, sealed: str) -> Item:
    content = [ContentPart(reasoning_text=ReasoningText(text=words))] if words else []
    return Item(reasoning=Reasoning(content=content, encrypted_content=sealed))


def call(call_id: str, arguments: str = "{}") -> Item:
    return Item(function_call=FunctionCall(call_id=call_id, name="look", arguments=arguments))


def output(call_id: str, words: str) -> Item:
    return Item(function_call_output=FunctionCallOutput(call_id=call_id, text=words))


def attached(**part: Any) -> Item:
    return said(Message.ROLE_USER, ContentPart(**part))


def words(value: str) -> Json:
    return {"type": "text", "text": value}


def use(call_id: str, given: Json | None = None) -> Json:
    return {"type": "tool_use", "id": call_id, "name": "look", "input": given or {}}


def result(call_id: str, value: str) -> Json:
    return {"type": "tool_result", "tool_use_id": call_id, "content": [words(value)]}


def messages(*items: Item) -> list[Json]:
    """The messages, each as its role and its blocks."""
    return conversation("", items).messages


def test_instructions_are_the_system_prompt_and_roles_are_kept() -> None:
    told = conversation("Be brief.", [user("Hi"), answered("Hello"), user("Bye")])
    assert told.system == [words("Be brief.")]
    assert told.messages == [
        {"role": "user", "content": [words("Hi")]},
        {"role": "assistant", "content": [words("Hello")]},
        {"role": "user", "content": [words("Bye")]},
    ]


def test_neighbors_of_one_role_become_one_message() -> None:
    assert messages(user("A", "B"), user("C"), answered("D"), answered("E"), user("F")) == [
        {"role": "user", "content": [words("A"), words("B"), words("C")]},
        {"role": "assistant", "content": [words("D"), words("E")]},
        {"role": "user", "content": [words("F")]},
    ]


def test_words_of_the_developer_join_the_system_prompt_wherever_they_stand() -> None:
    items = [said(Message.ROLE_DEVELOPER, text("A")), user("Hi"), said(Message.ROLE_SYSTEM, text("B")), user("Bye")]
    told = conversation("Be brief.", items)
    assert told.system == [words("Be brief."), words("A"), words("B")]
    assert told.messages == [{"role": "user", "content": [words("Hi"), words("Bye")]}]


def test_words_of_the_developer_alone_are_what_there_is_to_answer() -> None:
    told = conversation("Be brief.", [said(Message.ROLE_DEVELOPER, text("Say hello."))])
    assert told.system == [words("Be brief.")]
    assert told.messages == [{"role": "user", "content": [words("Say hello.")]}]


def test_an_input_without_a_visible_character_is_refused() -> None:
    with pytest.raises(NodexaError) as caught:
        messages(user(" \n"))
    assert (caught.value.code, caught.value.param) == ("invalid_request", "input")


def test_text_that_can_not_be_seen_is_left_out() -> None:
    assert messages(user("Hi", "", " \n"), answered(""), user("You?")) == [
        {"role": "user", "content": [words("Hi"), words("You?")]}
    ]


def test_results_stand_behind_the_calls_in_their_order_and_before_other_words() -> None:
    items = [user("Hi"), answered("Looking."), call("a", '{"x":1}'), call("b")]
    assert messages(*items, output("b", "B"), user("And?"), output("a", "A")) == [
        {"role": "user", "content": [words("Hi")]},
        {"role": "assistant", "content": [words("Looking."), use("a", {"x": 1}), use("b")]},
        {"role": "user", "content": [result("a", "A"), result("b", "B"), words("And?")]},
    ]


def test_calls_one_after_the_other_take_turns_with_their_results() -> None:
    assert messages(user("Hi"), call("a"), output("a", "A"), call("b"), output("b", "B")) == [
        {"role": "user", "content": [words("Hi")]},
        {"role": "assistant", "content": [use("a")]},
        {"role": "user", "content": [result("a", "A")]},
        {"role": "assistant", "content": [use("b")]},
        {"role": "user", "content": [result("b", "B")]},
    ]


def test_calls_that_nobody_answered_and_answers_that_nobody_asked_for_are_left_out() -> None:
    assert messages(user("Hi"), call("a"), output("b", "B"), user("You?")) == [
        {"role": "user", "content": [words("Hi"), words("You?")]}
    ]


def test_a_call_id_of_another_form_is_replaced_on_both_sides() -> None:
    asked, answer = messages(user("Hi"), call("call.1/ü"), output("call.1/ü", "A"))[1:]
    assert asked["content"][0]["id"] == answer["content"][0]["tool_use_id"]
    assert asked["content"][0]["id"].isascii()
    assert asked["content"][0]["id"].replace("_", "").isalnum()


@pytest.mark.parametrize(("arguments", "given"), [("", {}), ("[1]", {"arguments": [1]}), ("{", {"arguments": "{"})])
def test_arguments_are_an_object_whatever_they_were(arguments: str, given: Json) -> None:
    assert messages(user("Hi"), call("a", arguments), output("a", "A"))[1]["content"][0]["input"] == given


def test_an_empty_result_has_no_content() -> None:
    assert messages(user("Hi"), call("a"), output("a", ""))[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a"}
    ]


def test_a_result_may_hold_images_and_files() -> None:
    image = ContentPart(input_image=InputImage(image_url="https://a.example/cat.png"))
    parts = ContentPartList(parts=[text("A cat"), image])
    item = Item(function_call_output=FunctionCallOutput(call_id="a", parts=parts))
    assert messages(user("Hi"), call("a"), item)[2]["content"][0]["content"] == [
        words("A cat"),
        {"type": "image", "source": {"type": "url", "url": "https://a.example/cat.png"}},
    ]


def test_thinking_goes_back_unchanged_before_its_call() -> None:
    items = [user("Hi"), thought("Hm. ", "anthropic:signature:s:1"), thought("", "anthropic:redacted:r"), call("a")]
    assert messages(*items, output("a", "A"))[1]["content"] == [
        {"type": "thinking", "thinking": "Hm. ", "signature": "s:1"},
        {"type": "redacted_thinking", "data": "r"},
        use("a"),
    ]


def test_thinking_that_was_told_as_a_summary_goes_back_too() -> None:
    summary = [ContentPart(summary_text=SummaryText(text="Hm."))]
    item = Item(reasoning=Reasoning(summary=summary, encrypted_content="anthropic:signature:s"))
    assert messages(user("Hi"), item, call("a"), output("a", "A"))[1]["content"][0] == {
        "type": "thinking",
        "thinking": "Hm.",
        "signature": "s",
    }


def test_thinking_that_is_not_shown_goes_back_by_its_signature() -> None:
    items = [user("Hi"), thought("", "anthropic:signature:s"), answered("Hello"), user("Bye")]
    assert messages(*items)[1]["content"][0] == {"type": "thinking", "thinking": "", "signature": "s"}


@pytest.mark.parametrize("sealed", ["", "gemini:x", "openai:x", "anthropic", "x"])
def test_reasoning_of_other_models_is_left_out(sealed: str) -> None:
    assert messages(user("Hi"), thought("Hm.", sealed), answered("Hello"), user("Bye"))[1]["content"] == [
        words("Hello")
    ]


def test_thinking_that_nothing_came_of_is_left_out() -> None:
    items = [user("Hi"), thought("Hm.", "anthropic:signature:s"), call("unanswered"), user("Bye")]
    assert messages(*items) == [{"role": "user", "content": [words("Hi"), words("Bye")]}]


def test_a_refusal_is_the_assistants_text_and_unknown_kinds_are_left_out() -> None:
    refused = said(Message.ROLE_ASSISTANT, ContentPart(refusal=Refusal(refusal="No.")))
    unknown = Item(opaque=Opaque(type="web_search_call", json="{}"))
    assert messages(user("Hi"), unknown, refused, user("Why?"))[1]["content"] == [words("No.")]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://a.example/cat.png", {"type": "url", "url": "https://a.example/cat.png"}),
        ("data:image/png;base64,AAAA", {"type": "base64", "media_type": "image/png", "data": "AAAA"}),
        ("data:image/jpg;base64,AAAA", {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}),
    ],
)
def test_images_are_handed_on(url: str, source: Json) -> None:
    image = messages(attached(input_image=InputImage(image_url=url)))[0]["content"]
    assert image == [{"type": "image", "source": source}]


@pytest.mark.parametrize(
    ("file", "block"),
    [
        (
            InputFile(file_data="data:application/pdf;base64,AAAA", filename="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "title": "a.pdf",
            },
        ),
        (
            InputFile(file_data="data:application/octet-stream;base64,AAAA", filename="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "title": "a.pdf",
            },
        ),
        (
            InputFile(file_url="https://a.example/a.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}},
        ),
        (
            InputFile(file_data="data:text/markdown;charset=utf-8;base64,SMOpbGxv"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Héllo"}},
        ),
        (
            InputFile(file_data="data:image/webp;base64,AAAA"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AAAA"}},
        ),
    ],
)
def test_files_become_documents(file: InputFile, block: Json) -> None:
    assert messages(attached(input_file=file))[0]["content"] == [block]


@pytest.mark.parametrize(
    "part",
    [
        {"input_image": InputImage(image_url="data:image/tiff;base64,AAAA")},
        {"input_file": InputFile(file_data="data:application/zip;base64,AAAA")},
        {"input_file": InputFile(file_data="data:text/plain;base64,/w==")},
    ],
)
def test_what_the_model_can_not_read_is_refused(part: Json) -> None:
    with pytest.raises(NodexaError) as caught:
        messages(attached(**part))
    assert (caught.value.code, caught.value.param) == ("input_not_supported_for_model", "input")
