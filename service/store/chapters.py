"""Chapters of long threads: what was said in a stretch of turns, in one row, so that not each turn must be read.

They hold nothing that the responses don't, and none outlives any response of its thread: a trigger sees to that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from nodexa.v1.item_pb2 import ItemList
from sqlite_utils import Database as Tables

from service.store.database import Database


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of a thread, from behind the response `before` (empty: from its beginning) to the last of `ids`.

    `users` are whose responses they are, `call_ids` those of the calls among the items. `opening` and `told` are what
    chat models are told of it, `size` is in bytes.
    """

    before: str
    ids: Sequence[str]
    users: Sequence[str]
    call_ids: Sequence[str]
    items: ItemList
    opening: bytes
    told: bytes
    size: int


class ChapterStore:
    """Writes chapters beside their responses, and reads those that lead to one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, org_id: str, last_id: str) -> Sequence[Chapter]:
        """The chapters up to the one that ends with a response, from the beginning of the thread; else none."""

        def job(db: Tables) -> list[Chapter]:
            rows = db.conn.execute(
                """with recursive book(depth, id) as (
                     select 0, id from responses where org_id = ? and id = ?
                     union all
                     select depth + 1, before from book join chapters on response_id = id where before <> '')
                   select depth, before, ids, users, call_ids, items, opening, told from book
                   join chapters on response_id = id""",
                (org_id, last_id),
            )
            found = [_chapter(row) for row in sorted(rows, key=itemgetter(0), reverse=True)]
            return found if found and not found[0].before else []

        return await self._database.read(job)

    async def add(self, org_id: str, chapters: Sequence[Chapter]) -> None:
        """Keeps chapters, unless one of their responses was deleted meanwhile. Raises `storage_unavailable`."""

        def job(db: Tables) -> None:
            for chapter in chapters:
                ids, last = json.dumps(chapter.ids), chapter.ids[-1]
                (root,) = db.conn.execute(
                    """select min(root_id) from responses where org_id = ? and id in (select value from json_each(?))
                       having count(root_id) = ? and min(root_id) = max(root_id)""",
                    (org_id, ids, len(chapter.ids)),
                ).fetchone() or (None,)
                if root is None:
                    return
                db.conn.execute(
                    """insert into chapters select ?, ?, ?, ?, ?, ?, ?, ?, ?
                       where ? = '' or exists (select 1 from chapters where response_id = ?) on conflict do nothing""",
                    (
                        *(last, root, chapter.before, ids, json.dumps(chapter.users), json.dumps(chapter.call_ids)),
                        *(chapter.items.SerializeToString(), chapter.opening, chapter.told),
                        *(chapter.before, chapter.before),
                    ),
                )

        await self._database.write(job)


def _chapter(row: Sequence[Any]) -> Chapter:
    _, before, ids, users, call_ids, items, opening, told = row
    said = ItemList.FromString(items)
    return Chapter(
        before, json.loads(ids), json.loads(users), json.loads(call_ids), said, opening, told, len(items) + len(told)
    )
