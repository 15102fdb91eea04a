"""What is read of responses: their rows, requests and results, their logs, and the chains that they stand in."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from operator import itemgetter
from typing import Any, Final

from nodexa.v1.item_pb2 import ItemList
from nodexa.v1.response_pb2 import Response, ResponseSettings
from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.records import ResponseRow, Segment, State, StoredResponse, Turn

_ROW: Final = """id, org_id, assistant_id, coalesce(user_id, ''), key_id, coalesce(previous_response_id, ''),
    status, background, created_at, expires_at"""


class ResponseReads:
    """All reads name the organization; an id of another one is as unknown as one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def holding(self, org_id: str, item_ids: Collection[str]) -> Sequence[StoredResponse]:
        """The final responses in whose output these items are, and some in which they aren't."""
        # What has a UUID of its own has a row, and what has its response's has none.
        named = [f"resp_{item_id.removeprefix('msg_')}" for item_id in item_ids if item_id.startswith("msg_")]

        def job(db: Tables) -> list[StoredResponse]:
            rows = db.conn.execute(
                f"""select {_ROW}, q.settings, s.response from responses
                    join response_requests q on q.response_id = id join response_results s on s.response_id = id
                    where org_id = :org and id in (
                      select response_id from response_items where item_id in (select value from json_each(:items))
                      union all select value from json_each(:named))""",
                {"org": org_id, "items": json.dumps(list(item_ids)), "named": json.dumps(named)},
            )
            return [_stored(row) for row in rows]

        return await self._database.read(job)

    async def get(self, org_id: str, response_id: str, *, with_result: bool = True) -> StoredResponse | None:
        """The response, or None; without its result, which may be large, it looks like one that goes on."""

        def job(db: Tables) -> StoredResponse | None:
            found = db.conn.execute(
                f"""select {_ROW}, q.settings, s.response from responses join response_requests q on q.response_id = id
                    left join response_results s on s.response_id = id and ? where org_id = ? and id = ?""",
                (with_result, org_id, response_id),
            ).fetchone()
            return _stored(found) if found else None

        return await self._database.read(job)

    async def page(
        self, org_id: str, *, user_id: str, assistant_id: str, before: str, limit: int
    ) -> Sequence[StoredResponse]:
        """At most `limit` responses, the newest first, older than the id `before`; empty filters match all."""

        def job(db: Tables) -> list[StoredResponse]:
            rows = db.conn.execute(
                f"""select {_ROW}, q.settings, s.response from responses
                    join response_requests q on q.response_id = id left join response_results s on s.response_id = id
                    where org_id = :org and (:before = '' or id < :before)
                      and (:user = '' or user_id is null or user_id = :user)
                      and (:assistant = '' or assistant_id = :assistant)
                    order by id desc limit :limit""",
                {"org": org_id, "before": before, "user": user_id, "assistant": assistant_id, "limit": limit},
            )
            return [_stored(row) for row in rows]

        return await self._database.read(job)

    async def segments(
        self, org_id: str, response_id: str, after: int, *, enough: int | None = None
    ) -> Sequence[Segment]:
        """The log from the segment that holds the event after `after` on; with `enough`, until it has so many bytes."""

        def job(db: Tables) -> list[Segment]:
            rows = db.conn.execute(
                # Nothing is read but what is asked for: the first segment is found by its number, and where the
                # organization stands in an `exists`, newer SQLites read and sort the whole log.
                """select first_seq, last_seq, batch from response_segments
                   where response_id = :id and last_seq > :after
                     and first_seq >= (select max(first_seq) from response_segments
                                       where response_id = :id and first_seq <= max(:after, -1) + 1)
                     and :org = (select org_id from responses where id = :id)
                   union all
                   select first_seq, last_seq, batch from daybook
                   where (select org_id = :org and status = 'in_progress' from responses where id = :id)
                     and response_id = :id and last_seq > :after
                     and first_seq > (select last_seq from responses where id = :id)
                   order by first_seq""",
                {"id": response_id, "after": after, "org": org_id},
            )
            with closing(rows):
                return list(_first_of((Segment(*row) for row in rows), enough))

        return await self._database.read(job)

    async def history(self, org_id: str, response_id: str, *, limit: int, unbound: bool = False) -> Sequence[Turn]:
        """The chain that ends with `response_id`, newest first, at most `limit` turns; shorter where one is missing.

        With `unbound` it ends before the last turn that a chapter ends with.
        """

        def job(db: Tables) -> list[Turn]:
            rows = db.conn.execute(
                """with recursive chain(depth, id, parent, user, created) as (
                     select 0, id, coalesce(previous_response_id, ''), coalesce(user_id, ''), created_at
                     from responses where org_id = :org and id = :id
                     union all
                     select depth + 1, r.id, coalesce(previous_response_id, ''), coalesce(user_id, ''), created_at
                     from chain join responses r on r.id = chain.parent and r.org_id = :org
                     where depth + 1 < :limit
                       and not (:unbound and exists (select 1 from chapters where response_id = chain.parent)))
                   select depth, id, parent, user, created, q.input, s.response from chain
                   join response_requests q on q.response_id = id left join response_results s on s.response_id = id""",
                {"org": org_id, "id": response_id, "limit": limit, "unbound": unbound},
            )
            # Sorted here, where it takes no more than a look: they come in this order, though SQL doesn't promise it.
            return [_turn(org_id, row) for row in sorted(rows, key=itemgetter(0))]

        return await self._database.read(job)

    async def state(self, org_id: str, response_id: str) -> State | None:
        """How far the response is; None where there is none."""

        def job(db: Tables) -> State | None:
            query = """select status not in ('queued', 'in_progress'), log_dropped from responses
                       where org_id = ? and id = ?"""
            found = db.conn.execute(query, (org_id, response_id)).fetchone()
            return State(*map(bool, found)) if found else None

        return await self._database.read(job)


def _row(row: Sequence[object]) -> ResponseRow:
    return ResponseRow(*row[:7], bool(row[7]), *row[8:10])  # type: ignore[arg-type, call-arg]


def _turn(org_id: str, row: Sequence[Any]) -> Turn:
    _, response_id, parent, user, created, asked, result = row
    given = Response.FromString(result) if result else None
    size = len(asked) + len(result or b"")
    return Turn(response_id, parent, org_id, user, created, ItemList.FromString(asked), given, size)


def _stored(row: Sequence[bytes]) -> StoredResponse:
    result = Response.FromString(row[11]) if row[11] else None
    return StoredResponse(_row(row), ResponseSettings.FromString(row[10]), result)


def _first_of(segments: Iterable[Segment], enough: int | None) -> Iterator[Segment]:
    size = 0
    for segment in segments:
        yield segment
        size += len(segment.data)
        if enough is not None and size >= enough:
            return
