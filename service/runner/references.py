"""Items that a request names instead of sending them: looked up among what is stored for the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nodexa.v1.item_pb2 import Item, ItemList
from nodexa.v1.response_service_pb2 import CountInputTokensRequest, CreateResponseRequest

from service.errors import NodexaError
from service.model.past_calls import APPROVAL_REQUEST, APPROVAL_RESPONSE
from service.runner.caller import Caller
from service.store.conversations import ConversationStore
from service.store.responses import ResponseStore


class References:
    """Finds items in stored responses that have ended, and in conversations."""

    def __init__(self, responses: ResponseStore, conversations: ConversationStore) -> None:
        self._responses = responses
        self._conversations = conversations

    async def look_up(
        self, request: CreateResponseRequest | CountInputTokensRequest, said: Iterable[Item], caller: Caller
    ) -> None:
        """Puts into a request what its input only names, where that wasn't `said` before. Raises as `resolve`."""
        if any(item.HasField("item_reference") for item in request.input):
            _put(request, await self.resolve(request.input, history=said, caller=caller))
        if any(item.opaque.type == APPROVAL_RESPONSE for item in request.input):
            _put(request, await self.recognized(request.input, caller=caller))

    async def resolve(
        self, items: Sequence[Item], *, caller: Caller, history: Iterable[Item] = (), name: str = "input"
    ) -> list[Item]:
        """The items of the field `name`, the stored ones in the places of their references.

        A reference to an item of the history stays one: the model reads that item where it was said. Raises NodexaError
        `invalid_request` for a reference to nothing that the caller may see.
        """
        wanted = [item.id for item in items if item.HasField("item_reference")]
        said = {item.id for item in history} if wanted else set()
        found = await self._stored([item_id for item_id in wanted if item_id not in said], caller)
        resolved = []
        for index, item in enumerate(items):
            if not item.HasField("item_reference") or item.id in said:
                resolved.append(item)
            elif item.id in found:
                resolved.append(found[item.id])
            else:
                raise _unknown(item.id, f"{name}[{index}].id")
        return resolved

    async def recognized(self, items: Sequence[Item], *, caller: Caller) -> list[Item]:
        """The items; approval requests that a client sends back with its history are those that are stored here.

        What a client says of one is worth nothing, so one that isn't stored stays a text that nobody acts upon.
        """
        found = await self._stored([item.id for item in items if item.opaque.type == APPROVAL_REQUEST], caller)
        return [found.get(item.id, item) if item.opaque.type == APPROVAL_REQUEST else item for item in items]

    async def _stored(self, item_ids: Sequence[str], caller: Caller) -> Mapping[str, Item]:
        if not item_ids:
            return {}
        kept = await self._conversations.holding(caller.org_id, item_ids)
        stored = await self._responses.holding(caller.org_id, item_ids)
        said = [each.result for each in stored if each.result is not None and caller.may_see(each.row.user_id)]
        return {
            **{item.id: item for user_id, item in kept if caller.may_see(user_id)},
            **{item.id: item for response in said for item in response.output},
        }


def _put(request: CreateResponseRequest | CountInputTokensRequest, items: Sequence[Item]) -> None:
    """Gives the request another input; some of the items are in it."""
    given = ItemList(items=items)
    request.ClearField("input")
    request.input.extend(given.items)


def _unknown(item_id: str, param: str) -> NodexaError:
    return NodexaError(
        "invalid_request",
        f"No item {item_id!r} in a conversation or in a stored response that has ended: send the item itself instead "
        "of a reference to it.",
        param=param,
    )
