"""Every list, page by page: all of it, once, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nodexa.v1 import admin_service_pb2 as admin_pb
from nodexa.v1 import response_service_pb2 as pb
from nodexa.v1.admin_pb2 import ApiKey, Assistant
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import create, user

COUNT = 5


async def five_responses(core: CoreUnderTest) -> list[str]:
    core.model.add(*[says("Hi")] * COUNT)
    return [(await create(core)).id for _ in range(COUNT)][::-1]


async def five_assistants(core: CoreUnderTest) -> list[str]:
    assistant = Assistant(name="A", model="smollm2-135m")
    request = admin_pb.CreateAssistantRequest(assistant=assistant)
    made = [await core.admin.CreateAssistant(request, metadata=core.metadata()) for _ in range(COUNT - 1)]
    return [core.assistant_id, *(assistant.id for assistant in made)]


async def five_keys(core: CoreUnderTest) -> list[str]:
    request = admin_pb.CreateApiKeyRequest(name="k", scopes=[ApiKey.SCOPE_USER])
    for _ in range(COUNT - 1):
        await core.admin.CreateApiKey(request, metadata=core.metadata())
    listed = await core.admin.ListApiKeys(admin_pb.ListApiKeysRequest(), metadata=core.metadata())
    return [key.id for key in listed.api_keys]


async def five_organizations(core: CoreUnderTest) -> list[str]:
    own = await core.admin.GetOrganization(admin_pb.GetOrganizationRequest(), metadata=core.metadata())
    request = admin_pb.CreateOrganizationRequest(name="O")
    made = [await core.admin.CreateOrganization(request, metadata=core.metadata()) for _ in range(COUNT - 1)]
    return [own.id, *(each.organization.id for each in made)]


Lists = dict[str, tuple[Callable[[CoreUnderTest], Awaitable[list[str]]], str, Any, str]]
LISTS: Lists = {
    "ListResponses": (five_responses, "responses", pb.ListResponsesRequest, "responses"),
    "ListAssistants": (five_assistants, "admin", admin_pb.ListAssistantsRequest, "assistants"),
    "ListApiKeys": (five_keys, "admin", admin_pb.ListApiKeysRequest, "api_keys"),
    "ListOrganizations": (five_organizations, "admin", admin_pb.ListOrganizationsRequest, "organizations"),
}


async def pages(core: CoreUnderTest, name: str, size: int, **more: Any) -> list[list[str]]:
    """The ids of every page."""
    _, service, request, member = LISTS.get(name, (None, "responses", pb.ListInputItemsRequest, "items"))
    found: list[list[str]] = []
    token = ""
    while token or not found:
        asked = request(page_size=size, page_token=token, **more)
        answer = await getattr(getattr(core, service), name)(asked, metadata=core.metadata())
        found.append([each.id for each in getattr(answer, member)])
        token = answer.next_page_token
        assert len(found) <= COUNT + 1
    return found


@pytest.mark.parametrize("name", LISTS)
async def test_the_pages_of_a_list_are_the_list(core: CoreUnderTest, name: str) -> None:
    expected = await LISTS[name][0](core)

    for size in (1, 2, COUNT - 1, COUNT, COUNT + 1, 0, 100):
        found = await pages(core, name, size)
        assert [each for page in found for each in page] == expected
        assert all(len(page) == (size or 20) for page in found[:-1])
        assert found[-1]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", [*LISTS, "ListInputItems"])
@pytest.mark.parametrize("size", [-1, 101, 2_000_000_000])
async def test_a_page_of_no_possible_size_is_refused(shared: CoreUnderTest, name: str, size: int) -> None:
    answer = await refusal(pages(shared, name, size))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", "invalid_request", "page_size")


async def test_responses_are_listed_by_assistant(core: CoreUnderTest) -> None:
    first, second, *_ = await five_assistants(core)
    core.model.add(*[says("Hi")] * 3)
    made = [(await create(core, assistant_id=each)).id for each in (first, second, first)]

    assert await pages(core, "ListResponses", 1, assistant_id=first) == [[made[2]], [made[0]]]
    assert await pages(core, "ListResponses", 0, assistant_id=second) == [[made[1]]]


async def test_a_listed_response_is_whole_even_while_it_runs(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add(says("Hi"), [[TextDelta("Once")], gate, [STOP]])
    done = await create(core)
    running = await create(core, settings=ResponseSettings(background=True))

    listed = await core.responses.ListResponses(pb.ListResponsesRequest(), metadata=core.metadata())

    assert [response.id for response in listed.responses] == [running.id, done.id]
    assert listed.responses[1] == done
    assert listed.responses[0].settings.background
    gate.set()


async def response_to_five(core: CoreUnderTest) -> tuple[str, list[str]]:
    core.model.add(says("Hi"))
    response = await create(core, *(user(str(number)) for number in range(COUNT)))
    listed = await pages(core, "ListInputItems", 0, response_id=response.id, order=pb.ListInputItemsRequest.ORDER_ASC)
    return response.id, listed[0]


@pytest.mark.parametrize("order", pb.ListInputItemsRequest.Order.values())
async def test_input_items_are_listed_both_ways(
    core: CoreUnderTest, order: pb.ListInputItemsRequest.Order.ValueType
) -> None:
    response_id, ids = await response_to_five(core)
    expected = ids if order == pb.ListInputItemsRequest.ORDER_ASC else ids[::-1]

    for size in (1, 2, COUNT, 0):
        found = await pages(core, "ListInputItems", size, response_id=response_id, order=order)
        assert [each for page in found for each in page] == expected


async def test_input_items_go_on_after_any_of_them(core: CoreUnderTest) -> None:
    response_id, ids = await response_to_five(core)
    ascending = pb.ListInputItemsRequest.ORDER_ASC

    for place, item_id in enumerate(ids):
        request = pb.ListInputItemsRequest(response_id=response_id, page_token=item_id, order=ascending)
        answer = await core.responses.ListInputItems(request, metadata=core.metadata())
        assert [item.id for item in answer.items] == ids[place + 1 :]
        assert answer.next_page_token == ""


async def test_input_items_after_an_unknown_one_are_refused(core: CoreUnderTest) -> None:
    response_id, _ = await response_to_five(core)

    request = pb.ListInputItemsRequest(response_id=response_id, page_token="msg_none")
    answer = await refusal(core.responses.ListInputItems(request, metadata=core.metadata()))

    assert (answer.reason, answer.param) == ("invalid_request", "page_token")


async def test_input_items_are_those_of_the_response_alone_and_as_they_came(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Ho"))
    first = await create(core, "one")
    mine = user("two")
    mine.id = "msg_mine"
    second = await create(core, mine, previous_response_id=first.id)

    listed = await core.responses.ListInputItems(
        pb.ListInputItemsRequest(response_id=second.id), metadata=core.metadata()
    )

    assert list(listed.items) == [mine]
