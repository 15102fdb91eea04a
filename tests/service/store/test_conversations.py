"""Conversations on disk: a turn comes with its result or not at all, and one response at a time writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.item_pb2 import Item, ItemReference

from service.errors import NodexaError
from service.store.conversation_rows import ConversationRow, Said, Seen
from service.store.conversations import ConversationStore
from service.store.database import Database
from service.store.records import Segment
from service.store.responses import ResponseStore
from tests.service.store.test_migrations import FIRST, ROW, SECOND

CONVERSATION = ConversationRow(id="conv_1", user_id="", metadata={"a": "b"}, created_at=5)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with two organizations; `conv_1` is the first one's."""
    database = await Database.open(tmp_path / "test.db")
    for name in ("org_1", "org_2"):
        await database.write(
            lambda db, name=name: db.execute(  # type: ignore[misc]
                "insert into organizations(id, name, created_at) values(?, 'O', 0)", [name]
            )
        )
    await ConversationStore(database).create("org_1", CONVERSATION, items("msg_1"))
    yield database
    await database.close()


def items(*names: str) -> list[Item]:
    return [Item(id=name, item_reference=ItemReference()) for name in names]


async def kept(database: Database) -> Sequence[str]:
    """The ids of the conversation's items, the oldest first."""
    found = await ConversationStore(database).read("org_1", "conv_1")
    assert found is not None
    return [item.id for item in found[1]]


async def seen(database: Database) -> Seen:
    found = await ConversationStore(database).get("org_1", "conv_1")
    assert found is not None
    return Seen(found.id, found.revision, found.tokens)


async def begin(database: Database, name: str = "resp_1") -> None:
    row = replace(ROW, id=name)
    await ResponseStore(database).create(row, b"", b"", FIRST, conversation=await seen(database))


async def finish(database: Database, segment: Segment, *turn: str) -> None:
    await ResponseStore(database).finish(
        "resp_1", segment, status="completed", result=b"", finished_at=1, said=Said("conv_1", items(*turn), tokens=9)
    )


async def test_a_turn_is_added_with_its_result(database: Database) -> None:
    await begin(database)

    await finish(database, SECOND, "msg_2", "msg_3")

    assert await kept(database) == ["msg_1", "msg_2", "msg_3"]


async def test_what_a_turn_spent_is_known_until_the_items_change(database: Database) -> None:
    store = ConversationStore(database)
    await begin(database)
    await finish(database, SECOND, "msg_2")
    await store.update("org_1", "conv_1", {})
    told = [(await seen(database)).tokens]

    await store.remove("org_1", "conv_1", "msg_2")

    assert [*told, (await seen(database)).tokens] == [9, None]


async def test_a_turn_whose_result_is_refused_is_not_added(database: Database) -> None:
    await begin(database)

    with pytest.raises(RuntimeError):
        await finish(database, Segment(7, 7, b"x"), "msg_2")

    assert await kept(database) == ["msg_1"]


async def test_a_turn_of_a_deleted_conversation_is_only_a_result(database: Database) -> None:
    await begin(database)
    await ConversationStore(database).delete("org_1", "conv_1")

    await finish(database, SECOND, "msg_2")

    stored = await ResponseStore(database).get("org_1", "resp_1")
    assert stored is not None
    assert stored.row.status == "completed"


async def test_a_response_that_read_what_has_changed_since_may_not_begin(database: Database) -> None:
    store, before = ConversationStore(database), await seen(database)
    await store.add("org_1", "conv_1", items("msg_2"))
    for changed in (before, replace(before, id="conv_none")):
        with pytest.raises(NodexaError) as refused:
            await ResponseStore(database).create(ROW, b"", b"", FIRST, conversation=changed)
        assert refused.value.param == "conversation"
        assert await ResponseStore(database).get("org_1", ROW.id) is None

    await store.remove("org_1", "conv_1", "msg_2")
    await store.update("org_1", "conv_1", {})
    current = await seen(database)
    await begin(database)

    assert current.revision == before.revision + 2


async def test_while_a_response_runs_nobody_else_writes(database: Database) -> None:
    store = ConversationStore(database)
    await begin(database)
    for attempt in (
        begin(database, "resp_2"),
        store.add("org_1", "conv_1", items("msg_2")),
        store.remove("org_1", "conv_1", "msg_1"),
    ):
        with pytest.raises(NodexaError) as locked:
            await attempt
        assert locked.value.code == "conversation_locked"

    await finish(database, SECOND)

    await begin(database, "resp_2")
    assert await kept(database) == ["msg_1"]


async def test_another_organization_finds_and_changes_nothing(database: Database) -> None:
    store = ConversationStore(database)

    assert await store.get("org_2", "conv_1") is None
    assert await store.read("org_2", "conv_1") is None
    assert await store.item("org_2", "conv_1", "msg_1") is None
    assert await store.page("org_2", "conv_1", after="", newest_first=False, limit=5) == []
    assert await store.holding("org_2", ["msg_1"]) == []
    await store.update("org_2", "conv_1", {})
    await store.delete("org_2", "conv_1")
    with pytest.raises(NodexaError, match="No conversation"):
        await store.add("org_2", "conv_1", items("msg_2"))

    assert await store.get("org_1", "conv_1") == replace(CONVERSATION, revision=1)
    assert await kept(database) == ["msg_1"]


async def test_items_that_stand_there_already_are_named(database: Database) -> None:
    store = ConversationStore(database)

    assert await store.add("org_1", "conv_1", items("msg_2", "msg_1")) == "msg_1"

    assert await kept(database) == ["msg_1"]
    assert [item.id for _, item in await store.holding("org_1", ["msg_1", "msg_2"])] == ["msg_1"]
