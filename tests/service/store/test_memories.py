"""How many memories are kept, and which of them are found."""

from __future__ import annotations

from pathlib import Path

from service.store.database import Database
from service.store.memories import MemoryRow, MemoryStore, ranked


async def test_the_oldest_leave_and_what_is_said_again_is_new(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "test.db")
    await database.write(
        lambda db: db.execute("insert into organizations(id, name, created_at) values('org_1', 'One', 0)")
    )
    store = MemoryStore(database)
    try:
        for now, name in enumerate("abcadb"):
            row = MemoryRow(f"mem_{now}", "asst_1", name, "resp_1", now)
            await store.add("org_1", "alice", row, digest=name.encode() * 32, most=3)
        await store.add("org_1", "alice", MemoryRow("mem_9", "asst_2", "z", "r", 9), digest=b"z" * 32, most=3)

        assert await store.of_assistant("org_1", "alice", "asst_1") == ["b", "d", "a"]
        assert await store.of_assistant("org_1", "alice", "asst_2") == ["z"]
    finally:
        await database.close()


def test_texts_with_the_words_are_found_whatever_their_form_and_the_best_first() -> None:
    texts = ["The user runs.", "Likes café and cats; a cat is best.", "Has one cat, a dog and many other animals."]

    assert ranked(texts, ["cats", "nothing"]) == [1, 2]
    assert ranked(texts, ["CAFE", "running"]) == [0, 1]
    assert ranked(texts, ['"', "or", "near", "unknown"]) == []
    assert ranked(texts, []) == []
