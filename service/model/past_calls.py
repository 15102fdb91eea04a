"""Calls that the platform ran, as a model reads them in later turns: a function call and its output each; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from nodexa.v1.item_pb2 import FunctionCall, FunctionCallOutput, Item, ToolRun

APPROVAL_REQUEST: Final = "mcp_approval_request"
APPROVAL_RESPONSE: Final = "mcp_approval_response"
CALL: Final = "mcp_call"
TOKEN_WANTED: Final = "oauth_required"  # noqa: S105 - a type word
_UNTOLD: Final = frozenset({APPROVAL_REQUEST, APPROVAL_RESPONSE, TOKEN_WANTED, "mcp_list_tools"})
_REFUSED: Final = "The user refused this call. Don't make it again unless they ask for it."
_WHY: Final = " They say: {reason}"
_CALLS: Final = ("function_call", "custom_tool_call")


def is_the_platforms(item: Item) -> bool:
    """Whether an item may be told to models by what stands here, and as it is only where a model server wrote it."""
    if not item.HasField("opaque"):
        return item.HasField("run")
    return item.HasField("run") or item.opaque.type in _UNTOLD or item.opaque.type == CALL


def told(items: Sequence[Item], before: Sequence[Item] = (), *, hosted: bool = False) -> tuple[list[Item], list[int]]:
    """The items as models read them, and for each of these its place in `items`; `before` is what came before them.

    A call that is held, or that was cut, isn't told; one that somebody refused to approve of is told as refused. With
    `hosted`, the model's server reads what such a server wrote and what answers it.
    """
    if not any(map(is_the_platforms, items)):
        return list(items), list(range(len(items)))
    asked = {item.id: item.run for item in (*before, *items) if item.opaque.type == APPROVAL_REQUEST}
    shown: list[tuple[Item, int]] = []
    for place, item in enumerate(items):
        if not is_the_platforms(item) or (hosted and _is_a_servers(item, asked)):
            shown.append((item, place))
            continue
        run = _run_of(item, asked)
        if run is not None and run.HasField("output"):
            at = _before_open_calls(shown)
            shown[at:at] = [(each, place) for each in pair(run)]
    return [item for item, _ in shown], [place for _, place in shown]


def pair(run: ToolRun) -> tuple[Item, Item]:
    """A call and its output."""
    return (
        Item(function_call=FunctionCall(call_id=run.call_id, name=run.name, arguments=run.arguments or "{}")),
        Item(function_call_output=FunctionCallOutput(call_id=run.call_id, text=run.output)),
    )


def said_of(item: Item) -> Mapping[str, Any]:
    """The JSON object of an item that the contract has no words for."""
    value = json.loads(item.opaque.json)
    return value if isinstance(value, dict) else {}


def _is_a_servers(item: Item, asked: Mapping[str, ToolRun]) -> bool:
    """Whether an item speaks of what a model server runs."""
    if item.opaque.type == APPROVAL_RESPONSE:
        return not asked.get(str(said_of(item).get("approval_request_id")), ToolRun()).name
    return not item.HasField("run") and item.opaque.type != TOKEN_WANTED


def _run_of(item: Item, asked: Mapping[str, ToolRun]) -> ToolRun | None:
    if item.HasField("run"):
        return item.run
    if item.opaque.type == CALL:
        return _sent_in(item)
    if item.opaque.type != APPROVAL_RESPONSE:
        return None
    answer = said_of(item)
    run = asked.get(str(answer.get("approval_request_id")))
    if run is None or answer.get("approve") is not False:
        return None
    reason = answer.get("reason")
    why = _WHY.format(reason=reason) if isinstance(reason, str) and reason else ""
    return ToolRun(call_id=run.call_id, name=run.name, arguments=run.arguments, output=_REFUSED + why)


def _sent_in(item: Item) -> ToolRun | None:
    """What a client tells that keeps its own history; None where it isn't whole."""
    told = said_of(item)
    name, arguments, output = told.get("name"), told.get("arguments"), told.get("output") or told.get("error")
    if not isinstance(name, str) or not isinstance(arguments, str) or output is None or not item.id:
        return None
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return ToolRun(call_id=item.id, name=name, arguments=arguments, output=text)


def _before_open_calls(shown: Sequence[tuple[Item, int]]) -> int:
    """Where a pair goes that was made in one pass with calls which the client has yet to answer: before those."""
    at = len(shown)
    while at and shown[at - 1][0].WhichOneof("kind") in _CALLS:
        at -= 1
    return at


def without_runs(items: Iterable[Item]) -> None:
    """Takes from items that somebody sent in what only the platform may say of them."""
    for item in items:
        if item.HasField("run"):
            item.ClearField("run")
