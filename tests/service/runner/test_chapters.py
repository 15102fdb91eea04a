"""Long threads are bound into chapters: nobody notices, and nothing that is deleted stays in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodexa.v1.item_pb2 import Compaction, Item, ItemList, Message
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import DeleteResponseRequest
from nodexa.v1.user_data_service_pb2 import EraseUserRequest
from nodexa.v1.user_data_service_pb2_grpc import UserDataServiceStub

from service.model.chat_history import chat_history
from service.model.chat_messages import chat_messages
from service.model.scripted import ScriptedModel, says
from service.model.thread import Continued
from service.runner.binder import LOOSE, TURNS, Binder, chapters_of, past_of
from service.runner.caller import Caller
from service.runner.history import History
from service.runner.past import Past
from service.settings import Settings
from service.store.chapters import ChapterStore
from service.store.records import Turn
from service.store.responses import ResponseStore
from tests.conftest import CoreUnderTest, running_core
from tests.service.refusals import refusal
from tests.service.requests import asking, call, create, organization_id, output, user, words_of

LONG = TURNS + LOOSE
CANARY = "nightingale"


def message(role: Message.Role.ValueType, text: str) -> Item:
    item = user(text)
    item.message.role = role
    return item


STRETCHES: dict[str, Callable[[int], list[tuple[list[Item], list[Item]]]]] = {
    "plain": lambda n: [([user(f"q{n}")], [message(Message.ROLE_ASSISTANT, f"a{n}")])],
    "rule": lambda n: [([message(Message.ROLE_SYSTEM, f"rule {n}")], [])],
    "call": lambda n: [
        ([user(f"q{n}")], [call(f"c{n}")]),
        ([user("and"), output(f"c{n}", "1")], [message(Message.ROLE_ASSISTANT, f"a{n}")]),
    ],
    "own words": lambda n: [([message(Message.ROLE_ASSISTANT, f"mine {n}"), call(f"o{n}"), output(f"o{n}", "1")], [])],
}


def thread_of(kinds: Sequence[str]) -> list[Turn]:
    turns = list[Turn]()
    stretch = [turn for number, kind in enumerate(kinds) for turn in STRETCHES[kind](number)]
    for number, (asked, answer) in enumerate(stretch):
        before = turns[-1].id if turns else ""
        result = Response(output=answer)
        owner = "alice" if number % 3 else ""
        turns.append(Turn(f"r{number}", before, "org", owner, number, ItemList(items=asked), result, 100))
    return turns


@settings(max_examples=25)
@given(st.lists(st.sampled_from([*STRETCHES]), min_size=1, max_size=9))
def test_chapters_and_the_turns_behind_them_tell_what_the_turns_tell(kinds: list[str]) -> None:
    turns = thread_of(kinds * (3 * LONG // len(kinds)))
    whole = Past().and_then(turns)[-1]

    chapters = list(chapters_of(turns))
    bound = past_of(chapters, "org")
    past = bound.and_then(turns[bound.turns :])[-1]

    assert bound.turns or "plain" not in kinds
    assert [name for chapter in chapters for name in chapter.ids] == [turn.id for turn in turns[: bound.turns]]
    assert (past.said.items, past.said.call_ids) == (whole.said.items, whole.said.call_ids)
    assert (past.waiting, past.plain, past.turns) == (whole.waiting, whole.plain, whole.turns)
    assert (past.last, past.users) == (whole.last, whole.users)
    told = orjson.loads(chat_history("Be brief.", Continued(past.said, [])))
    assert told == chat_messages("Be brief.", whole.said.items)


def test_a_chapter_has_its_turns_and_leaves_the_last_ones_out() -> None:
    chapters = list(chapters_of(thread_of(["plain"] * 200)))

    assert [len(chapter.ids) for chapter in chapters] == [TURNS, TURNS, TURNS]
    assert [chapter.before for chapter in chapters] == ["", "r63", "r127"]


@pytest.mark.parametrize("item", [Item(compaction=Compaction(encrypted_content="x")), user("x" * 2_000_000)])
def test_what_is_sealed_or_large_stays_in_its_turns(item: Item) -> None:
    turns = thread_of(["plain"] * 200)
    turns[70].input.items.append(item)
    turns[70].size += item.ByteSize()

    assert len(list(chapters_of(turns))) == 1


async def talk(core: CoreUnderTest, turns: int, *, previous: str = "", user_id: str = "") -> list[str]:
    """The ids of so many turns; each says its number, and the first the canary too."""
    ids = [previous]
    for number in range(turns):
        core.model.add(says(f"answer{number}"))
        text = f"{CANARY}0" if number == 0 else f"question{number}"
        ids.append((await create(core, text, user_id=user_id, previous_response_id=ids[-1])).id)
    return ids[1:]


def spoken(turns: int) -> list[str]:
    words = [word for number in range(turns) for word in (f"question{number}", f"answer{number}")]
    return [f"{CANARY}0", *words[1:]]


async def chapters(core: CoreUnderTest) -> int:
    (count,) = await core.core.database.read(lambda db: db.conn.execute("select count(*) from chapters").fetchone())
    return int(count)


async def bound(core: CoreUnderTest) -> None:
    """Waits until a chapter was made."""
    async with asyncio.timeout(10):
        while not await chapters(core):  # noqa: ASYNC110 - nobody says that it was made
            await asyncio.sleep(0)


def told(core: CoreUnderTest) -> list[str]:
    return words_of(tuple(core.model.prompts[-1].items))


def traces(core: CoreUnderTest) -> bool:
    return any(CANARY.encode() in path.read_bytes() for path in core.data.glob("nodexa.db*"))


@pytest.fixture
async def again(settings: Settings) -> AsyncIterator[tuple[CoreUnderTest, list[str]]]:
    """A core that was started anew, and the ids of a long thread, which is Alice's but for its last turn."""
    async with running_core(settings, ScriptedModel()) as core:
        ids = await talk(core, LONG, user_id="alice")
        core.model.add(says("Well"))
        ids.append((await create(core, "Last", previous_response_id=ids[-1])).id)
        await bound(core)
    async with running_core(settings, ScriptedModel([says("On") for _ in range(5)])) as core:
        yield core, ids


async def test_a_long_thread_is_told_after_a_restart_and_from_any_of_its_turns(
    again: tuple[CoreUnderTest, list[str]],
) -> None:
    core, ids = again

    for turns in (LONG, 10, TURNS, TURNS + 2, LONG):
        await create(core, "Go on", previous_response_id=ids[turns - 1])
        assert told(core) == [*spoken(turns), "Go on"]


async def test_a_deletion_in_a_chapter_ends_the_thread_and_leaves_no_words_behind(
    again: tuple[CoreUnderTest, list[str]],
) -> None:
    core, ids = again
    await create(core, "Go on", previous_response_id=ids[-2])
    assert traces(core)

    await core.responses.DeleteResponse(DeleteResponseRequest(id=ids[0]), metadata=core.metadata())

    assert await chapters(core) == 0
    for name in (ids[-1], ids[TURNS - 1], ids[5]):
        refused = await refusal(create(core, "Go on", previous_response_id=name))
        assert refused.reason == "previous_response_not_found"
    stub = UserDataServiceStub(core.channel)
    await stub.EraseUser(EraseUserRequest(user_id="alice"), metadata=core.metadata())
    assert not traces(core)


async def test_a_stranger_is_told_nothing_of_a_chapter(again: tuple[CoreUnderTest, list[str]]) -> None:
    core, ids = again

    request = asking(core, "Go on", previous_response_id=ids[-1])
    refused = await refusal(core.responses.CreateResponse(request, metadata=core.metadata(x_user_id="bob")))

    assert refused.reason == "previous_response_not_found"


async def test_no_chapter_is_made_of_what_was_deleted_meanwhile(core: CoreUnderTest) -> None:
    ids = await talk(core, LONG)
    org_id, responses = await organization_id(core), ResponseStore(core.core.database)
    store = ChapterStore(core.core.database)
    turns = await responses.history(org_id, ids[-1], limit=LONG)
    made = list(chapters_of(turns[::-1]))
    await core.responses.DeleteResponse(DeleteResponseRequest(id=ids[3]), metadata=core.metadata())

    await store.add(org_id, made)

    assert len(made) == 1
    assert await store.read(org_id, made[0].ids[-1]) == []


async def test_a_thread_grows_by_chapters_and_is_read_without_a_memory_too(core: CoreUnderTest) -> None:
    ids = await talk(core, 2 * TURNS + LOOSE)
    org_id, responses = await organization_id(core), ResponseStore(core.core.database)
    binder = Binder(responses, ChapterStore(core.core.database))
    caller = Caller(org_id=org_id, key_id="key")

    for name in (ids[LONG - 1], ids[-1], ids[-1]):
        await binder.bind(org_id, name)

    assert [len(chapter.ids) for chapter in await binder.read(org_id, ids[2 * TURNS - 1])] == [TURNS, TURNS]
    assert await binder.read("another", ids[2 * TURNS - 1]) == []
    assert len(await responses.history(org_id, ids[-1], limit=1000, unbound=True)) == LOOSE
    for history in (History(responses), History(responses, binder=binder, cache_bytes=0)):
        assert words_of((await history.recall(ids[-1], caller)).said.items) == spoken(2 * TURNS + LOOSE)
