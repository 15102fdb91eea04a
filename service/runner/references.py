"""Items that a request names instead of sending them: looked up among the caller's stored responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nodexa.v1.item_pb2 import Item

from service.errors import NodexaError
from service.runner.caller import Caller
from service.store.responses import ResponseStore


async def resolve(
    items: Sequence[Item], *, history: Iterable[Item], store: ResponseStore, caller: Caller
) -> list[Item]:
    """The items, the stored ones in the places of their references.

    A reference to an item of the history stays one: the model reads that item where it was said. Raises NodexaError
    `invalid_request` for a reference to nothing that the caller may see.
    """
    wanted = [item.id for item in items if item.HasField("item_reference")]
    said = {item.id for item in history}
    found = await _outputs([item_id for item_id in wanted if item_id not in said], store=store, caller=caller)
    resolved = []
    for index, item in enumerate(items):
        if not item.HasField("item_reference") or item.id in said:
            resolved.append(item)
        elif item.id in found:
            resolved.append(found[item.id])
        else:
            raise _unknown(item.id, index)
    return resolved


async def _outputs(item_ids: Sequence[str], *, store: ResponseStore, caller: Caller) -> Mapping[str, Item]:
    if not item_ids:
        return {}
    stored = await store.holding(caller.org_id, item_ids)
    visible = [each.result for each in stored if each.result is not None and caller.may_see(each.row.user_id)]
    return {item.id: item for response in visible for item in response.output}


def _unknown(item_id: str, index: int) -> NodexaError:
    return NodexaError(
        "invalid_request",
        f"No item {item_id!r} in a stored response that has ended: send the item itself instead of a reference to it.",
        param=f"input[{index}].id",
    )
