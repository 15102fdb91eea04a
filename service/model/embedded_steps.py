"""What an embedded model is asked, step by step: which function, with which arguments, or in which words; pure.

The engine does not hold a model to `tool_choice`, so we do: a step that chooses may only write one of the names, and a
step that writes arguments may only write JSON that obeys the function's schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from nodexa.v1.item_pb2 import Item
from nodexa.v1.item_pb2 import Message as ItemMessage
from nodexa.v1.response_pb2 import JsonSchema, ResponseSettings
from nodexa.v1.tool_pb2 import FunctionTool, ToolChoice

from service.errors import NodexaError
from service.model.chat_messages import Message, chat_messages
from service.model.chat_request import NO_ARGUMENTS, STREAM, form, functions, sampling, schema_format
from service.model.model import Prompt

ANSWER = "answer in words"  # No function can have this name, for it has spaces.
REPEAT_PENALTY = 1.1
PREFIX = "Function: "
# A name is a few tokens long; the limit only guards against an engine that does not stop.
NAME_TOKENS = 64


def offered(prompt: Prompt, *, most_calls: int) -> Sequence[FunctionTool]:
    """Returns the functions that may be called now; none where the answer must be words.

    Under `auto` a model that has called `most_calls` since the user last spoke is asked for words: a weak one would
    call for ever.
    """
    settings = prompt.settings
    choice = settings.tool_choice
    tools = functions(settings)
    if choice.HasField("function"):
        return [tool for tool in tools if tool.name == choice.function.name]
    if choice.mode == ToolChoice.MODE_NONE:
        return []
    if choice.mode == ToolChoice.MODE_REQUIRED or _calls_since_user(prompt.items) < most_calls:
        return tools
    return []


def must_call(settings: ResponseSettings) -> bool:
    """Whether words are no answer."""
    return settings.tool_choice.HasField("function") or settings.tool_choice.mode == ToolChoice.MODE_REQUIRED


def choosing(prompt: Prompt, tools: Sequence[FunctionTool], *, limit: int | None) -> bytes:
    """Returns the request for a name: that of one of `tools`, or ANSWER where words will do."""
    names = [tool.name for tool in tools] + ([] if must_call(prompt.settings) else [ANSWER])
    return _body(
        messages=[*_messages_with(prompt, tools), {"role": "assistant", "content": PREFIX}],
        max_tokens=min(limit or NAME_TOKENS, NAME_TOKENS),
        temperature=0,
        grammar="root ::= " + " | ".join(orjson.dumps(name).decode() for name in names),
    )


def calling(prompt: Prompt, tools: Sequence[FunctionTool], tool: FunctionTool, *, limit: int | None) -> bytes:
    """Returns the request for the arguments of a call of `tool`."""
    # The same messages as in the step before, so that the engine has read all but the last words of them already.
    messages = _messages_with(prompt, tools)
    schema = JsonSchema(name=tool.name, schema_json=tool.parameters_json or NO_ARGUMENTS)
    fields = {name: value for name, value in sampling(prompt.settings) if name in ("temperature", "top_p", "seed")}
    return _body(
        messages=_nudged(messages, f"Write the arguments of {tool.name} as JSON."),
        **_limited(limit),
        **{"temperature": 0, **fields},
        response_format=schema_format(schema),
    )


def answering(prompt: Prompt, *, limit: int | None, defaults: Mapping[str, Any]) -> bytes:
    """Returns the request for an answer in words, or in the JSON that the settings ask for."""
    fields = {**defaults, **dict(sampling(prompt.settings)), **dict(form(prompt.settings))}
    if "response_format" not in fields:
        fields["repeat_penalty"] = REPEAT_PENALTY  # It would spoil JSON, which repeats its quotes and braces.
    messages = chat_messages(prompt.instructions, prompt.items)
    if not messages:  # The engine would write something all the same.
        raise NodexaError("input_not_supported_for_model", "There is nothing in the input that the model can read.")
    return _body(messages=messages, **_limited(limit), **fields)


def _body(**fields: Any) -> bytes:
    return orjson.dumps({**STREAM, **fields})


def _limited(limit: int | None) -> dict[str, int]:
    return {} if limit is None else {"max_tokens": limit}


def _calls_since_user(items: Sequence[Item]) -> int:
    said = [index for index, item in enumerate(items) if item.message.role == ItemMessage.ROLE_USER]
    return sum(item.HasField("function_call") for item in items[said[-1] if said else 0 :])


def _messages_with(prompt: Prompt, tools: Sequence[FunctionTool]) -> list[Message]:
    """Returns the messages, the functions told behind the instructions."""
    lines = [f"- {tool.name}: {tool.description} Arguments: {_argument_names(tool)}" for tool in tools]
    if not must_call(prompt.settings):
        lines.append(f"- {ANSWER}: No function is needed.")
    told = "You can call these functions:\n" + "\n".join(lines)
    return chat_messages("\n\n".join(filter(None, (prompt.instructions, told))), prompt.items)


def _argument_names(tool: FunctionTool) -> str:
    schema = orjson.loads(tool.parameters_json or NO_ARGUMENTS)
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return ", ".join(properties) if isinstance(properties, dict) and properties else "none"


def _nudged(messages: list[Message], words: str) -> list[Message]:
    """Returns the messages with `words` said by the user last; many templates refuse two user messages in a row."""
    *before, last = messages
    if last["role"] == "user":
        return [*before, {**last, "content": f"{last['content']}\n\n{words}"}]
    return [*messages, {"role": "user", "content": words}]
