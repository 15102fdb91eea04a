"""Conversation items → the system prompt and the messages of Anthropic's Messages API; pure.

Roles alternate, every call is followed by its result, and thinking stands unchanged where the model wrote it: the API
insists on all three. Left out is what it can't be told: reasoning of other models, items of unknown kinds, calls that
nobody answered and answers that nobody asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from nodexa.v1.item_pb2 import FunctionCall, FunctionCallOutput, Item, Message, Reasoning

from service.errors import NodexaError
from service.model.anthropic_parts import Block, blocks, result_content, text_block, text_blocks

SIGNATURE: Final = "anthropic:signature:"
REDACTED: Final = "anthropic:redacted:"
"""What the `encrypted_content` of thinking begins with that is Anthropic's."""

THINKING: Final = frozenset({"thinking", "redacted_thinking"})
ORDERS: Final = frozenset({Message.ROLE_SYSTEM, Message.ROLE_DEVELOPER})
TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(slots=True)
class Conversation:
    """`system` are text blocks; `messages` alternate between user and assistant, and there is at least one."""

    system: list[Block]
    messages: list[Block] = field(default_factory=list)

    def add(self, role: str, content: list[Block]) -> None:
        """Adds to the last message where that has the same role."""
        if not content:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += content
        else:
            self.messages.append({"role": role, "content": content})


def conversation(instructions: str, items: Iterable[Item]) -> Conversation:
    """Returns what the model is told.

    Words of the system and the developer join the system prompt wherever they stand: only some models take them in
    between. Raises NodexaError where nothing is left to answer.
    """
    items = list(items)
    whole = _Writer(items, Conversation(text_block(instructions))).write()
    if not whole.messages:
        # An input of such words alone is what there is to answer.
        told = [block for item in items if _is_order(item) for block in text_blocks(item.message.content)]
        whole = Conversation(text_block(instructions))
        whole.add("user", told)
    if not whole.messages:
        raise NodexaError("invalid_request", "There is no text in the input that a model could answer.", param="input")
    return whole


class _Writer:
    """Writes items into a conversation. `_turn` is what the assistant says, `_calls` are the calls in it."""

    def __init__(self, items: list[Item], whole: Conversation) -> None:
        self._items = items
        self._whole = whole
        self._outputs = {output.call_id: output for item in items if (output := _output(item)) is not None}
        self._turn: list[Block] = []
        self._calls: list[str] = []
        self._write: Mapping[str, Callable[[Any], None]] = {
            "message": self._message,
            "reasoning": self._reasoning,
            "function_call": self._call,
            "function_call_output": lambda _: self._close(),
        }

    def write(self) -> Conversation:
        for item in self._items:
            kind = str(item.WhichOneof("kind"))
            if kind in self._write:
                self._write[kind](getattr(item, kind))
        self._close()
        return self._whole

    def _message(self, message: Message) -> None:
        if message.role in ORDERS:
            self._whole.system += text_blocks(message.content)
        elif message.role == Message.ROLE_ASSISTANT:
            self._turn += text_blocks(message.content)
        else:
            self._close()
            self._whole.add("user", blocks(message.content))

    def _reasoning(self, reasoning: Reasoning) -> None:
        self._turn += _thinking(reasoning)

    def _call(self, call: FunctionCall) -> None:
        if call.call_id in self._outputs:
            self._calls.append(call.call_id)
            known = {"id": _tool_id(call.call_id), "name": call.name}
            self._turn.append({"type": "tool_use", **known, "input": _arguments(call.arguments)})

    def _close(self) -> None:
        """Adds the assistant's turn and the results of its calls, which must stand right behind it."""
        # The API refuses a message that ends with thinking: nothing came of it.
        while self._turn and self._turn[-1]["type"] in THINKING:
            self._turn.pop()
        self._whole.add("assistant", self._turn)
        self._whole.add("user", [_result(self._outputs[call_id]) for call_id in self._calls])
        self._turn, self._calls = [], []


def _output(item: Item) -> FunctionCallOutput | None:
    return item.function_call_output if item.HasField("function_call_output") else None


def _is_order(item: Item) -> bool:
    return item.HasField("message") and item.message.role in ORDERS


def _thinking(reasoning: Reasoning) -> list[Block]:
    sealed = reasoning.encrypted_content
    if sealed.startswith(REDACTED):
        return [{"type": "redacted_thinking", "data": sealed.removeprefix(REDACTED)}]
    if sealed.startswith(SIGNATURE):
        # A turn's thinking is told either as it is or, where a summary was asked for, as one.
        text = "".join(part.reasoning_text.text for part in reasoning.content)
        text = text or "".join(part.summary_text.text for part in reasoning.summary)
        return [{"type": "thinking", "thinking": text, "signature": sealed.removeprefix(SIGNATURE)}]
    return []


def _result(output: FunctionCallOutput) -> Block:
    content = result_content(output)
    return {
        "type": "tool_result",
        "tool_use_id": _tool_id(output.call_id),
        **({"content": content} if content else {}),
    }


def _tool_id(call_id: str) -> str:
    """Returns the id in a form that the API takes; those of other models may have another."""
    if TOOL_ID.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode()).hexdigest()[:32]


def _arguments(text: str) -> dict[str, Any]:
    """Returns the arguments as the object that they must be; text that is none is told under a name."""
    try:
        value = orjson.loads(text or "{}")
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}
