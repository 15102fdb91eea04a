"""Conversation items → the messages of a chat-completions request; pure.

What the form can't say is left out: reasoning (most servers refuse it in a request), items and parts of unknown kinds,
calls that nobody answered and answers that nobody asked for (servers refuse both). Refusals are the assistant's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nodexa.v1.item_pb2 import ContentPart, FunctionCallOutput, InputFile, InputImage, Item
from nodexa.v1.item_pb2 import Message as ItemMessage

Message = dict[str, Any]

ROLES: Mapping[int, str] = {
    ItemMessage.ROLE_USER: "user",
    ItemMessage.ROLE_ASSISTANT: "assistant",
    ItemMessage.ROLE_SYSTEM: "system",
    ItemMessage.ROLE_DEVELOPER: "system",  # Few servers know a developer role, all know system.
}


def chat_messages(instructions: str, items: Sequence[Item]) -> list[Message]:
    """Returns the messages, oldest first; the system messages that open the conversation are joined into one.

    Calls and the text around them become one assistant message, and the outputs stand right behind it in the order of
    the calls, wherever they stood in `items`: that is the only order that all servers accept.
    """
    opening: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    return join_opening(opening + translated(items))


def translated(items: Sequence[Item]) -> list[Message]:
    """Returns the messages of these items alone, as they stand further on in a conversation."""
    if len(items) == 1 and (message := items[0].message).role == ItemMessage.ROLE_USER:
        return _message(message)  # By far the most.
    told = [(item, item.HasField("message")) for item in items]
    outputs = {
        item.function_call_output.call_id: item.function_call_output
        for item, is_message in told
        if not is_message and item.HasField("function_call_output")
    }
    messages: list[Message] = []
    turn: Message = {}
    for item, is_message in told:
        if is_message:
            message = item.message
            if message.role != ItemMessage.ROLE_ASSISTANT:
                turn = _close(turn, messages, outputs)
                messages += _message(message)
                continue
            if "content" in turn:
                turn = _close(turn, messages, outputs)
            turn["role"], turn["content"] = "assistant", parts_text(message.content)
        elif item.HasField("function_call"):
            _add_call(turn, item, outputs)
        elif item.HasField("function_call_output"):
            turn = _close(turn, messages, outputs)
    _close(turn, messages, outputs)
    return messages


def parts_text(parts: Sequence[ContentPart]) -> str:
    """Returns the text of all parts that have one, a line break between them."""
    if len(parts) == 1:  # By far the most.
        return _text(parts[0]) or ""
    return "\n".join(text for part in parts if (text := _text(part)) is not None)


def output_text(output: FunctionCallOutput) -> str:
    """Returns the text of a function's result; its images and files are left out."""
    return output.text if output.WhichOneof("output") == "text" else parts_text(output.parts.parts)


def _text(part: ContentPart) -> str | None:
    if part.HasField("input_text"):
        return part.input_text.text
    if part.HasField("output_text"):
        return part.output_text.text
    return part.refusal.refusal if part.HasField("refusal") else None


def _message(message: ItemMessage) -> list[Message]:
    role, content = ROLES.get(message.role, "user"), message.content
    if len(content) == 1 and (text := _text(content[0])) is not None:
        return [{"role": role, "content": text}]
    text = parts_text(content)
    if role != "user" or not _attachments(content):
        readable = any(_text(part) is not None for part in content)
        return [{"role": role, "content": text}] if readable else []
    parts = []
    for part in content:
        if attachments := _attachments([part]):
            parts += attachments
        elif (piece := _text(part)) is not None:
            parts.append({"type": "text", "text": piece})
    return [{"role": role, "content": parts}]


def _attachments(parts: Iterable[ContentPart]) -> list[Message]:
    """Returns the images and files among the parts."""
    kinds = ((part, str(part.WhichOneof("kind"))) for part in parts)
    return [ATTACHMENTS[kind](getattr(part, kind)) for part, kind in kinds if kind in ATTACHMENTS]


def _image(image: InputImage) -> Message:
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "image_url", "image_url": {"url": image.image_url, **detail}}


def _file(file: InputFile) -> Message:
    # Servers refuse a file without a name.
    return {"type": "file", "file": {"filename": file.filename or "file", "file_data": file.file_data}}


ATTACHMENTS: Mapping[str, Callable[[Any], Message]] = {"input_image": _image, "input_file": _file}


def _add_call(turn: Message, item: Item, outputs: Mapping[str, FunctionCallOutput]) -> None:
    call = item.function_call
    if call.call_id not in outputs:
        return
    turn["role"] = "assistant"
    turn.setdefault("tool_calls", []).append(
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments or "{}"},
        }
    )


def _close(turn: Message, messages: list[Message], outputs: Mapping[str, FunctionCallOutput]) -> Message:
    """Appends the assistant's turn and the outputs of its calls; returns the next, empty turn."""
    if not turn:
        return turn
    messages.append(turn if "content" in turn else {"role": "assistant", "content": None, **turn})
    if "tool_calls" not in turn:
        return {}
    attached: list[Message] = []
    for call in turn["tool_calls"]:
        output = outputs[call["id"]]
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": output_text(output)})
        attached += _attachments(output.parts.parts)
    if attached:
        # A tool message holds text only; whoever can see images looks for them in user messages.
        words = {"type": "text", "text": "Images and files returned by the tools:"}
        messages.append({"role": "user", "content": [words, *attached]})
    return {}


def join_opening(messages: list[Message]) -> list[Message]:
    """Joins the system messages at the start: many models' templates refuse a second one."""
    if len(messages) < 2:
        return messages
    count = next((index for index, message in enumerate(messages) if message["role"] != "system"), len(messages))
    if count < 2:
        return messages
    content = "\n\n".join(message["content"] for message in messages[:count])
    return [{"role": "system", "content": content}, *messages[count:]]
