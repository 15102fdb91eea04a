"""Conversation items → the contents of a Gemini request; pure.

What the form can't say is left out: thinking that is not Gemini's, items of unknown kinds, calls that nobody answered
and answers that nobody asked for (the API refuses both).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from nodexa.v1.item_pb2 import FunctionCall, FunctionCallOutput, Item, Message, Reasoning

from service.model.gemini_parts import Part, call_part, output_parts, parts_of, text_of
from service.model.gemini_signature import Signature, kept

Content = dict[str, Any]

NOT_SIGNED: Final = b"skip_thought_signature_validator"
"""What Google says to put where a call must be signed and isn't, since another model made it."""
_SYSTEM: Final = (Message.ROLE_SYSTEM, Message.ROLE_DEVELOPER)


def contents_of(instructions: str, items: Iterable[Item], *, must_sign: bool = True) -> tuple[str, list[Content]]:
    """Returns the system instruction and the contents, user and model in turn, oldest first.

    With `must_sign` the model refuses calls without a signature: those of other models get the mark for that.

    System messages that open the conversation join the instructions; later ones are said in the user's turn, marked as
    what they are, for there is no other place for them. The outputs of calls stand right behind them, in their order.
    """
    items = list(items)
    conversation = _Conversation(instructions, items, must_sign=must_sign)
    for item in items:
        conversation.add(item)
    return conversation.end()


class _Conversation:
    """The contents as they grow; the model's turn is open until somebody else says something."""

    def __init__(self, instructions: str, items: Iterable[Item], *, must_sign: bool) -> None:
        self._must_sign = must_sign
        self._system = [instructions] if instructions else []
        self._contents: list[Content] = []
        self._outputs: dict[str, FunctionCallOutput] = {
            item.function_call_output.call_id: item.function_call_output
            for item in items
            if item.HasField("function_call_output")
        }
        self._calls: list[FunctionCall] = []
        self._held: Signature | None = None

    def add(self, item: Item) -> None:
        kind = item.WhichOneof("kind")
        held, self._held = self._held, None
        if kind == "reasoning":
            self._add_reasoning(item.reasoning)
        elif kind == "function_call":
            self._add_call(item.function_call, held)
        elif kind == "message" and item.message.role == Message.ROLE_ASSISTANT:
            self._say("model", _signed(parts_of(item.message.content), held))
        elif kind == "function_call_output":
            self._close()
        elif kind == "message":
            self._close()
            self._add_message(item.message)

    def end(self) -> tuple[str, list[Content]]:
        self._close()
        system = "\n\n".join(self._system)
        if not self._contents and system:
            # The API wants something to answer.
            return "", [{"role": "user", "parts": [{"text": system}]}]
        return system, self._contents

    def _add_reasoning(self, reasoning: Reasoning) -> None:
        signature = kept(reasoning.encrypted_content)
        if signature is None:
            return
        if signature.place == "empty":
            self._say("model", [{"text": "", "thought_signature": signature.data}])
        elif signature.place == "thought":
            text = "".join(part.summary_text.text for part in reasoning.summary)
            self._say("model", [{"text": text, "thought": True, "thought_signature": signature.data}])
        else:
            self._held = signature

    def _add_call(self, call: FunctionCall, held: Signature | None) -> None:
        if call.call_id not in self._outputs:
            return
        part = call_part(call)
        if held and held.place == "call":
            part["thought_signature"] = held.data
        elif self._must_sign and not self._calls:
            part["thought_signature"] = NOT_SIGNED
        self._calls.append(call)
        self._say("model", [part])

    def _add_message(self, message: Message) -> None:
        if message.role not in _SYSTEM:
            self._say("user", parts_of(message.content))
        elif text := text_of(message.content):
            if self._contents:
                self._say("user", [{"text": f"System: {text}"}])
            else:
                self._system.append(text)

    def _close(self) -> None:
        """Puts the outputs behind the calls of the model's turn."""
        for call in self._calls:
            self._say("user", output_parts(self._outputs[call.call_id], name=call.name))
        self._calls = []

    def _say(self, role: str, parts: list[Part]) -> None:
        if parts and self._contents and self._contents[-1]["role"] == role:
            self._contents[-1]["parts"] += parts
        elif parts:
            self._contents.append({"role": role, "parts": parts})


def _signed(parts: list[Part], held: Signature | None) -> list[Part]:
    """Parts the text again where Gemini ended the signed part of it: signed and other text may not be joined."""
    if held is None or held.place != "text" or not parts:
        return parts
    text, *others = parts
    whole = text["text"]
    rest: list[Part] = [{"text": whole[held.length :]}] if whole[held.length :] else []
    return [{"text": whole[: held.length], "thought_signature": held.data}, *rest, *others]
