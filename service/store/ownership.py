"""Which core owns which run. A core's heartbeat is the lease of all its runs; an epoch fences off what it has lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database as Tables

from service.store.database import Database

_RUNNING: Final = "status in ('queued', 'in_progress')"


@dataclass(frozen=True, slots=True)
class Orphan:
    """A run whose owner has not been heard of; `epoch` is the one under which it wrote."""

    response_id: str
    org_id: str
    owner: str
    epoch: int
    background: bool


class Ownership:
    """What the core `core_id` owns, and what it may take. Times are milliseconds since 1970."""

    def __init__(self, database: Database, core_id: str) -> None:
        self._database = database
        self._core_id = core_id

    async def enter(self, now: int, *, alone: bool) -> None:
        """Says that this core is here; one that is `alone` knows that every other is gone."""

        def job(db: Tables) -> None:
            if alone:
                db.conn.execute("delete from cores")
            _beat(db, self._core_id, now)

        await self._database.write(job)

    async def beat(self, now: int) -> Sequence[str]:
        """Says that this core is still here; returns its runs that somebody wants to be cancelled."""

        def job(db: Tables) -> list[str]:
            _beat(db, self._core_id, now)
            wanted = f"select id from responses where {_RUNNING} and owner = ? and cancel_requested = 1"
            return [response_id for (response_id,) in db.conn.execute(wanted, (self._core_id,))]

        return await self._database.write(job)

    async def leave(self) -> None:
        """Says that this core is gone: what it still owned may be taken at once."""
        await self._database.write(lambda db: db.conn.execute("delete from cores where id = ?", (self._core_id,)))

    async def orphans(self, heard_before: int) -> Sequence[Orphan]:
        """The runs of cores that have not been heard of since then."""

        def job(db: Tables) -> list[Orphan]:
            rows = db.conn.execute(
                f"""select id, org_id, owner, lease_epoch, background from responses where {_RUNNING} and owner <> ?
                    and not exists (select 1 from cores where cores.id = owner and heard_at >= ?)""",
                (self._core_id, heard_before),
            )
            return [
                Orphan(response_id, in_org, owner, epoch, bool(background))
                for response_id, in_org, owner, epoch, background in rows
            ]

        return await self._database.read(job)

    async def lost(self, epochs: Mapping[str, int]) -> Sequence[str]:
        """Those of the runs, each with the epoch of its writer, that somebody has taken since."""

        def job(db: Tables) -> list[str]:
            query = """select responses.id from json_each(?) live join responses on responses.id = live.key
                       where owner <> ? or lease_epoch <> live.value"""
            rows = db.conn.execute(query, (json.dumps(dict(epochs)), self._core_id))
            return [response_id for (response_id,) in rows]

        return await self._database.read(job)

    async def take(self, orphan: Orphan, heard_before: int) -> int | None:
        """Makes the run this core's own: the new epoch, which fences the old owner off; None if it's too late.

        That is so when the owner was heard of since then, too: it must find every loss when it is late.
        """
        epoch = orphan.epoch + 1

        def job(db: Tables) -> int | None:
            changed = db.conn.execute(
                f"""update responses set owner = ?, lease_epoch = ?
                    where id = ? and owner = ? and lease_epoch = ? and {_RUNNING}
                      and not exists (select 1 from cores where cores.id = owner and heard_at >= ?)""",
                (self._core_id, epoch, orphan.response_id, orphan.owner, orphan.epoch, heard_before),
            ).rowcount
            return epoch if changed else None

        return await self._database.write(job)


def _beat(db: Tables, core_id: str, now: int) -> None:
    db.conn.execute(
        "insert into cores values(?, ?) on conflict(id) do update set heard_at = excluded.heard_at", (core_id, now)
    )
