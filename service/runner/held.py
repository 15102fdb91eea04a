"""Calls that wait for somebody: which of them a request lets go on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodexa.v1.item_pb2 import Item, Message, ToolRun

from service.errors import NodexaError
from service.model.past_calls import APPROVAL_REQUEST, APPROVAL_RESPONSE, CALL, TOKEN_WANTED, said_of
from service.runner.calls import answers


@dataclass(frozen=True, slots=True)
class Held:
    """A call that can be made now; `approval` is the request for an approval that it was held by, empty for a token."""

    run: ToolRun
    approval: str = ""


def approved(past: Sequence[Item], asked: Sequence[Item], *, hosted: bool) -> list[Held]:
    """The calls that the input approves of; with `hosted`, what isn't asked for here was asked by the model's server.

    An answer in a history that the client keeps itself is over where the call stands there, too. Raises NodexaError
    `invalid_request` for an answer that is none, and `unknown_approval_request` for one to a request that isn't in the
    conversation, or that was answered before.
    """
    requests = {item.id: item.run for item in (*past, *asked) if _is_held(item, APPROVAL_REQUEST)}
    answered = {said_of(item).get("approval_request_id") for item in past if item.opaque.type == APPROVAL_RESPONSE}
    made = {said_of(item).get("approval_request_id") for item in asked if item.opaque.type == CALL}
    found: list[Held] = []
    for place, item in enumerate(asked):
        if item.opaque.type != APPROVAL_RESPONSE:
            continue
        answer = said_of(item)
        wanted = _checked(answer, f"input[{place}]")
        if wanted in made or (hosted and wanted not in requests and wanted not in answered):
            continue
        if wanted not in requests or wanted in answered:
            raise _unknown(wanted, f"input[{place}].approval_request_id", again=wanted in answered)
        answered.add(wanted)
        if answer["approve"]:
            found.append(Held(requests[wanted], wanted))
    return found


def brought(past: Sequence[Item], tokens: Mapping[str, str]) -> list[Item]:
    """What the last response waits for a token for, and the request brings that."""
    found: list[Item] = []
    for item in reversed(past):
        if _is_input(item):
            break
        if item.opaque.type == TOKEN_WANTED and tokens.get(str(said_of(item).get("provider"))):
            found.append(item)
    return found[::-1]


def with_tokens(waiting: Iterable[Item]) -> list[Held]:
    """The calls among what waited for a token."""
    return [Held(item.run) for item in waiting if item.HasField("run")]


def _is_held(item: Item, kind: str) -> bool:
    return item.opaque.type == kind and item.HasField("run") and not item.run.HasField("output")


def _checked(answer: Mapping[str, Any], path: str) -> str:
    """The request that is answered."""
    wanted = answer.get("approval_request_id")
    if not isinstance(wanted, str) or not wanted:
        raise _invalid("Say which approval request this answers, by its id.", f"{path}.approval_request_id")
    if not isinstance(answer.get("approve"), bool):
        raise _invalid("Say whether the call may be made: approve is true or false.", f"{path}.approve")
    return wanted


def _is_input(item: Item) -> bool:
    """Whether an item was put in, and not written by a response."""
    if item.HasField("message"):
        return item.message.role != Message.ROLE_ASSISTANT
    return bool(answers(item)) or item.opaque.type == APPROVAL_RESPONSE


def _unknown(wanted: str, param: str, *, again: bool) -> NodexaError:
    why = "was already answered" if again else "is no approval request of this conversation"
    return NodexaError("unknown_approval_request", f"{wanted[:64]!r} {why}.", param=param)


def _invalid(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)
