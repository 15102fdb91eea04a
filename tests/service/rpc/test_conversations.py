"""Conversations over gRPC: what is kept, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1 import conversation_service_pb2 as pb
from nodexa.v1.conversation_pb2 import Conversation
from nodexa.v1.item_pb2 import Item, ItemReference

from service.model.scripted import ScriptedModel, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.conversations import add, conversations, converse, items_in
from tests.service.refusals import refusal
from tests.service.requests import asking, create, user, words_of


def named(item_id: str, text: str = "Hi") -> Item:
    item = user(text)
    item.id = item_id
    return item


def reference(item_id: str) -> Item:
    return Item(id=item_id, item_reference=ItemReference())


async def get(core: CoreUnderTest, conversation_id: str) -> Conversation:
    request = pb.GetConversationRequest(id=conversation_id)
    return await conversations(core).GetConversation(request, metadata=core.metadata())


async def test_a_conversation_keeps_its_notes_and_items_over_a_restart(
    settings: Settings, model: ScriptedModel
) -> None:
    async with running_core(settings, model) as core:
        name = await converse(core, "One", "Two", metadata={"topic": "numbers"})
        made, kept = await get(core, name), await items_in(core, name)

    async with running_core(settings, model) as again:
        assert await get(again, name) == made
        assert await items_in(again, name) == kept

    assert name.startswith("conv_")
    assert dict(made.metadata) == {"topic": "numbers"}
    assert made.create_time.seconds
    assert words_of(kept) == ["One", "Two"]
    assert all(item.id.startswith("msg_") for item in kept)


async def test_an_update_replaces_all_notes(core: CoreUnderTest) -> None:
    name = await converse(core, metadata={"a": "1", "b": "2"})

    request = pb.UpdateConversationRequest(id=name, metadata={"c": "3"})
    updated = await conversations(core).UpdateConversation(request, metadata=core.metadata())

    assert dict(updated.metadata) == {"c": "3"}
    assert await get(core, name) == updated


async def test_added_items_stand_behind_the_others_and_can_be_taken_out(core: CoreUnderTest) -> None:
    name = await converse(core, "One")
    two, three = await add(core, name, "Two", named("msg_mine", "Three"))

    request = pb.GetConversationItemRequest(conversation_id=name, id=two.id)
    assert await conversations(core).GetConversationItem(request, metadata=core.metadata()) == two
    gone = pb.DeleteConversationItemRequest(conversation_id=name, id=two.id)
    left = await conversations(core).DeleteConversationItem(gone, metadata=core.metadata())

    assert three.id == "msg_mine"
    assert left == await get(core, name)
    assert words_of(await items_in(core, name)) == ["One", "Three"]
    for call in (
        conversations(core).DeleteConversationItem(gone, metadata=core.metadata()),
        conversations(core).GetConversationItem(request, metadata=core.metadata()),
    ):
        answer = await refusal(call)
        assert (answer.status, answer.reason) == ("NOT_FOUND", "item_not_found")


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6, 0])
@pytest.mark.parametrize("order", pb.ListConversationItemsRequest.Order.values())
async def test_the_pages_of_the_items_are_the_items(
    core: CoreUnderTest, order: pb.ListConversationItemsRequest.Order.ValueType, size: int
) -> None:
    name = await converse(core, "1", "2", "3")
    await add(core, name, "4", "5")
    found: list[str] = []
    token = ""
    while token or not found:
        request = pb.ListConversationItemsRequest(conversation_id=name, page_size=size, page_token=token, order=order)
        page = await conversations(core).ListConversationItems(request, metadata=core.metadata())
        assert len(page.items) <= (size or 20)
        found += words_of(list(page.items))
        token = page.next_page_token

    expected = ["1", "2", "3", "4", "5"]
    assert found == (expected if order == pb.ListConversationItemsRequest.ORDER_ASC else expected[::-1])


@pytest.mark.parametrize(
    ("page", "param"), [({"page_token": "msg_none"}, "page_token"), ({"page_size": 101}, "page_size")]
)
async def test_a_page_that_can_not_be_is_refused(core: CoreUnderTest, page: dict[str, Any], param: str) -> None:
    request = pb.ListConversationItemsRequest(conversation_id=await converse(core, "1"), **page)

    answer = await refusal(conversations(core).ListConversationItems(request, metadata=core.metadata()))

    assert (answer.reason, answer.param) == ("invalid_request", param)


REFUSED: dict[str, tuple[list[Item], str, str]] = {
    "nothing": ([], "missing_required_field", "items"),
    "too many": ([user(str(number)) for number in range(21)], "invalid_request", "items"),
    "an item of no kind": ([user("Hi"), Item()], "invalid_input_type", "items[1]"),
    "one id twice": ([named("msg_1"), named("msg_1")], "invalid_request", "items[1].id"),
    "an id that is taken": ([user("Hi"), named("msg_taken")], "invalid_request", "items[1].id"),
    "a reference to nothing": ([reference("msg_none")], "invalid_request", "items[0].id"),
    "a reference to what is there": ([reference("msg_taken")], "invalid_request", "items[0].id"),
}


@pytest.mark.parametrize(("items", "code", "param"), REFUSED.values(), ids=REFUSED)
async def test_items_that_can_not_be_added_leave_nothing_behind(
    core: CoreUnderTest, items: list[Item], code: str, param: str
) -> None:
    name = await converse(core, named("msg_taken"))

    answer = await refusal(add(core, name, *items))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", code, param)
    assert [item.id for item in await items_in(core, name)] == ["msg_taken"]


@pytest.mark.parametrize("metadata", [{str(n): "x" for n in range(17)}, {"k" * 65: "x"}, {"k": "x" * 513}, {"": "x"}])
async def test_notes_that_are_too_much_are_refused(core: CoreUnderTest, metadata: dict[str, str]) -> None:
    name = await converse(core)
    update = pb.UpdateConversationRequest(id=name, metadata=metadata)

    for call in (
        converse(core, metadata=metadata),
        conversations(core).UpdateConversation(update, metadata=core.metadata()),
    ):
        answer = await refusal(call)
        assert (answer.reason, answer.param) == ("invalid_request", "metadata")


async def test_a_reference_brings_an_item_from_elsewhere(core: CoreUnderTest) -> None:
    core.model.add(says("Stored."), says("Here."))
    response = await create(core, "Hi")
    other = await converse(core, named("msg_other", "Kept."))

    name = await converse(core, reference(response.output[0].id), reference("msg_other"))
    answer = await create(core, reference("msg_other"), "And?")

    assert words_of(await items_in(core, name)) == ["Stored.", "Kept."]
    assert words_of(await items_in(core, other)) == ["Kept."]
    assert words_of(tuple(core.model.prompts[-1].items)) == ["Kept.", "And?"]
    assert answer.conversation_id == ""


async def test_a_deleted_conversation_takes_its_items_and_leaves_its_responses(core: CoreUnderTest) -> None:
    core.model.add(says("Hello."))
    name = await converse(core, named("msg_kept"))
    response = await create(core, "Hi", conversation_id=name)

    await conversations(core).DeleteConversation(pb.DeleteConversationRequest(id=name), metadata=core.metadata())

    assert (await refusal(get(core, name))).reason == "conversation_not_found"
    assert (await refusal(create(core, reference("msg_kept")))).reason == "invalid_request"
    core.model.add(says("Still."))
    again = await create(core, "And?", previous_response_id=response.id)
    assert words_of(tuple(core.model.prompts[-1].items)) == ["Hi", "Hello.", "And?"]
    assert again.previous_response_id == response.id


async def test_no_id_at_all_is_unknown_too(core: CoreUnderTest) -> None:
    service, metadata = conversations(core), core.metadata()
    name = await converse(core)

    answers = [
        await refusal(service.GetConversation(pb.GetConversationRequest(), metadata=metadata)),
        await refusal(
            service.GetConversationItem(pb.GetConversationItemRequest(conversation_id=name), metadata=metadata)
        ),
    ]

    assert [answer.reason for answer in answers] == ["conversation_not_found", "item_not_found"]


async def test_a_conversation_and_a_response_before_exclude_each_other(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    first = await create(core)
    request = asking(core, conversation_id=await converse(core), previous_response_id=first.id)

    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", "invalid_request", "conversation")
    assert "previous_response_id" in answer.message
