"""Calls that a model may not make as it did: what is wrong with them, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nodexa.v1.item_pb2 import FunctionCall, FunctionCallOutput, Item

from service.model.custom_input import parse_input
from service.model.model import Prompt

_TOLD: Final = "The function call was refused: {problem}. {advice}"
_CALL: Final = "Call one of these functions with a JSON object: {names}."
_ANSWER: Final = "Answer without calling a function."


@dataclass(slots=True)
class Call:
    """A call as it grows."""

    name: str
    call_id: str
    custom: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


def told_of(prompt: Prompt, refused: Sequence[tuple[Call, str]], names: Collection[str]) -> Prompt:
    """The prompt with the refused calls and what was wrong with them; `names` are the functions that may be called."""
    advice = _CALL.format(names=", ".join(sorted(names))) if names else _ANSWER
    items = list(prompt.items)
    for number, (call, _) in enumerate(refused):
        arguments = call.arguments if not arguments_problem(call) else "{}"
        call_id = call.call_id or f"refused_{number}"
        items.append(Item(function_call=FunctionCall(call_id=call_id, name=call.name, arguments=arguments)))
    for number, (call, problem) in enumerate(refused):
        told = _TOLD.format(problem=problem, advice=advice)
        call_id = call.call_id or f"refused_{number}"
        items.append(Item(function_call_output=FunctionCallOutput(call_id=call_id, text=told)))
    return replace(prompt, items=items)


def arguments_problem(call: Call) -> str:
    """What is wrong with the arguments of a call; empty for nothing."""
    if call.custom:
        return (
            "" if parse_input(call.arguments) is not None else f"the arguments of {call.name!r} lack the text `input`"
        )
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return f"the arguments of {call.name!r} are not JSON"
    return "" if isinstance(arguments, dict) else f"the arguments of {call.name!r} are not a JSON object"
