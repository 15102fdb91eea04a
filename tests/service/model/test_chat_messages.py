"""Conversation items become messages that every chat-completions server accepts."""

from __future__ import annotations

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
    Refusal,
)

from service.model.chat_messages import chat_messages

IMAGE = ContentPart(input_image=InputImage(image_url="https://example.com/cat.png", detail="low"))
FILE = ContentPart(input_file=InputFile(file_data="data:application/pdf;base64,AA==", filename="a.pdf"))
FILE_PART = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png", "detail": "low"}}


def said(role: Message.Role.ValueType, *texts: str) -> Item:
    parts = [ContentPart(input_text=InputText(text=text)) for text in texts]
    return Item(message=Message(role=role, content=parts))


def answered(text: str) -> Item:
    part = ContentPart(output_text=OutputText(text=text))
    return Item(message=Message(role=Message.ROLE_ASSISTANT, content=[part]))


def call(call_id: str, arguments: str = "{}") -> Item:
    return Item(function_call=FunctionCall(call_id=call_id, name="look", arguments=arguments))


def output(call_id: str, text: str) -> Item:
    return Item(function_call_output=FunctionCallOutput(call_id=call_id, text=text))


def user(text: str) -> Item:
    return said(Message.ROLE_USER, text)


def tool_call(call_id: str, arguments: str = "{}") -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": "look", "arguments": arguments}}


def tool(call_id: str, text: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def test_instructions_come_first_and_roles_are_kept() -> None:
    assert chat_messages("Be brief.", [user("Hi"), answered("Hello"), user("Bye")]) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]


def test_the_system_messages_that_open_a_conversation_become_one() -> None:
    items = [
        said(Message.ROLE_DEVELOPER, "B"),
        said(Message.ROLE_SYSTEM, "C"),
        user("Hi"),
        said(Message.ROLE_SYSTEM, "D"),
    ]
    assert chat_messages("A", items) == [
        {"role": "system", "content": "A\n\nB\n\nC"},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "D"},
    ]


def test_text_parts_are_joined_and_text_is_kept_as_it_is() -> None:
    text = "\u0000 \u202e ü\n"
    assert chat_messages("", [said(Message.ROLE_USER, "a", text)]) == [{"role": "user", "content": f"a\n{text}"}]


def test_parallel_calls_and_the_text_before_them_are_one_message_with_the_outputs_behind_it() -> None:
    items = [user("?"), answered("Looking."), call("a", '{"x":1}'), call("b"), output("b", "B"), output("a", "A")]
    assert chat_messages("", items)[1:] == [
        {"role": "assistant", "content": "Looking.", "tool_calls": [tool_call("a", '{"x":1}'), tool_call("b")]},
        tool("a", "A"),
        tool("b", "B"),
    ]


def test_calls_of_two_turns_are_two_messages() -> None:
    items = [call("a"), output("a", "A"), call("b"), output("b", "B"), answered("Done.")]
    assert chat_messages("", items) == [
        {"role": "assistant", "content": None, "tool_calls": [tool_call("a")]},
        tool("a", "A"),
        {"role": "assistant", "content": None, "tool_calls": [tool_call("b")]},
        tool("b", "B"),
        {"role": "assistant", "content": "Done."},
    ]


def test_an_output_that_comes_late_is_put_where_servers_want_it() -> None:
    items = [call("a"), user("Hurry"), output("a", "A")]
    assert chat_messages("", items) == [
        {"role": "assistant", "content": None, "tool_calls": [tool_call("a")]},
        tool("a", "A"),
        {"role": "user", "content": "Hurry"},
    ]


def test_calls_without_an_answer_and_answers_without_a_call_are_left_out() -> None:
    assert chat_messages("", [call("a"), output("b", "B"), user("Hi")]) == [{"role": "user", "content": "Hi"}]


def test_a_call_without_arguments_carries_an_empty_object() -> None:
    message = chat_messages("", [call("a", ""), output("a", "A")])[0]
    assert message["tool_calls"] == [tool_call("a", "{}")]


def test_reasoning_opaque_items_and_opaque_parts_are_left_out() -> None:
    opaque = Opaque(type="input_file", json="{}")
    items = [
        Item(reasoning=Reasoning(content=[ContentPart(output_text=OutputText(text="hm"))])),
        Item(opaque=opaque),
        Item(message=Message(role=Message.ROLE_USER, content=[ContentPart(opaque=opaque)])),
        user("Hi"),
    ]
    assert chat_messages("", items) == [{"role": "user", "content": "Hi"}]


def test_a_refusal_is_what_the_assistant_said() -> None:
    part = ContentPart(refusal=Refusal(refusal="No."))
    item = Item(message=Message(role=Message.ROLE_ASSISTANT, content=[part]))
    assert chat_messages("", [item]) == [{"role": "assistant", "content": "No."}]


def test_images_stand_among_the_text_in_their_order() -> None:
    text = ContentPart(input_text=InputText(text="What is it?"))
    item = Item(message=Message(role=Message.ROLE_USER, content=[IMAGE, text]))
    assert chat_messages("", [item]) == [
        {"role": "user", "content": [IMAGE_PART, {"type": "text", "text": "What is it?"}]}
    ]


def test_images_that_tools_return_follow_in_a_user_message() -> None:
    parts = ContentPartList(parts=[ContentPart(input_text=InputText(text="a cat")), IMAGE])
    items = [call("a"), Item(function_call_output=FunctionCallOutput(call_id="a", parts=parts))]
    assert chat_messages("", items)[1:] == [
        tool("a", "a cat"),
        {"role": "user", "content": [{"type": "text", "text": "Images and files returned by the tools:"}, IMAGE_PART]},
    ]


def test_a_file_stands_where_it_was_and_always_has_a_name() -> None:
    nameless = ContentPart(input_file=InputFile(file_data="data:text/plain;base64,AA=="))
    text = ContentPart(input_text=InputText(text="What is in it?"))
    item = Item(message=Message(role=Message.ROLE_USER, content=[FILE, text, nameless]))
    (message,) = chat_messages("", [item])
    assert message["content"] == [
        FILE_PART,
        {"type": "text", "text": "What is in it?"},
        {"type": "file", "file": {"filename": "file", "file_data": "data:text/plain;base64,AA=="}},
    ]
