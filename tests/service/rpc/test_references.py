"""An input item may be the id of one in a stored response: of the caller's own ones, and of nobody else's."""

from __future__ import annotations

import pytest
from nodexa.v1.item_pb2 import Item, ItemReference
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import DeleteResponseRequest, ListInputItemsRequest

from service.model.scripted import calls, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, create, output, user, with_tools, words_of


def reference(item_id: str) -> Item:
    return Item(id=item_id, item_reference=ItemReference())


async def refused(core: CoreUnderTest, *items: Item, user_id: str = "") -> str:
    metadata = core.metadata(**({"x_user_id": user_id} if user_id else {}))
    answer = await refusal(core.responses.CreateResponse(asking(core, *items), metadata=metadata))
    return f"{answer.status} {answer.reason} {answer.param}"


async def test_the_model_reads_the_item_itself(core: CoreUnderTest) -> None:
    core.model.add(says("I am Ada."), says("Ada."))
    first = await create(core, "Who are you?")

    second = await create(core, user("Who are you?"), reference(first.output[0].id), user("Again?"))

    assert words_of(tuple(core.model.prompts[-1].items)) == ["Who are you?", "I am Ada.", "Again?"]
    assert not second.settings.ignored
    request = ListInputItemsRequest(response_id=second.id)
    kept = await core.responses.ListInputItems(request, metadata=core.metadata())
    assert kept.items[1] == first.output[0]


async def test_a_call_is_answered_by_its_reference(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}")), says("Seen."), says("Still."))
    asked = await create(core, "Look", settings=with_tools("look"))
    call = asked.output[0]

    unkept = ResponseSettings(store=False)
    await create(core, user("Look"), reference(call.id), output(call.function_call.call_id, "a cat"), settings=unkept)

    assert words_of(tuple(core.model.prompts[-1].items)) == ["Look", "look({})", "→ a cat"]


async def test_an_item_of_the_conversation_is_read_once(core: CoreUnderTest) -> None:
    core.model.add(says("One."), says("Two."))
    first = await create(core, "Count")

    await create(core, reference(first.output[0].id), user("On"), previous_response_id=first.id)

    assert [words for words in words_of(tuple(core.model.prompts[-1].items)) if words] == ["Count", "One.", "On"]


async def test_items_of_others_are_as_unknown_as_none(core: CoreUnderTest) -> None:
    core.model.add(says("Hers."), says("Here."))
    hers = await create(core, "Hi", user_id="ada")
    unkept = await create(core, "Hi", settings=ResponseSettings(store=False))

    for item_id in (hers.output[0].id, unkept.output[0].id, "msg_none"):
        answer = await refused(core, user("And?"), reference(item_id), user_id="bob")
        assert answer == "INVALID_ARGUMENT invalid_request input[1].id"


async def test_a_deleted_item_is_gone(core: CoreUnderTest) -> None:
    core.model.add(says("Gone."))
    first = await create(core, "Hi")
    await core.responses.DeleteResponse(DeleteResponseRequest(id=first.id), metadata=core.metadata())

    assert await refused(core, reference(first.output[0].id)) == "INVALID_ARGUMENT invalid_request input[0].id"


async def test_a_reference_needs_an_id(core: CoreUnderTest) -> None:
    assert await refused(core, reference("")) == "INVALID_ARGUMENT missing_required_field input[0].id"


@pytest.mark.parametrize("count", [2, 200])
async def test_many_items_are_found_at_once(core: CoreUnderTest, count: int) -> None:
    core.model.add(calls(*(("look", "{}") for _ in range(count))), says("Done."))
    asked = await create(core, "Look", settings=with_tools("look"))
    answers = [output(item.function_call.call_id, "seen") for item in asked.output]

    await create(core, *(reference(item.id) for item in asked.output), *answers)

    assert len(core.model.prompts[-1].items) == 2 * count
