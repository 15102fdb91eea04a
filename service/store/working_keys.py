"""Which keys may still be used, asked for many at once, and what limits one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nodexa.v1.admin_pb2 import Limits
from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.limits import halves, selected


class WorkingKeys:
    """Knows no organization: it is asked about keys that were let in already."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def among(self, key_ids: Sequence[str]) -> frozenset[str]:
        """Those of the keys that are neither revoked nor of a disabled organization."""

        def job(db: Tables) -> frozenset[str]:
            found = db.conn.execute(
                """select k.id from json_each(?) asked join api_keys k on k.id = asked.value
                   join organizations o on o.id = k.org_id where k.revoked_at is null and o.disabled_at is null""",
                (json.dumps(key_ids),),
            )
            return frozenset(key_id for (key_id,) in found)

        return await self._database.read(job)

    async def limits_of(self, key_id: str) -> tuple[Limits | None, Limits | None]:
        """The limits of a key and of its organization, revoked or not; None where there are none."""

        def job(db: Tables) -> tuple[Limits | None, Limits | None]:
            found = db.conn.execute(
                f"""select {selected("k", "o")} from api_keys k join organizations o on o.id = k.org_id
                   where k.id = ?""",
                (key_id,),
            ).fetchone()
            return halves(found) if found else (None, None)

        return await self._database.read(job)
