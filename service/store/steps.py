"""The journal of steps: what the platform is about to do for a response, and afterwards what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nodexa.v1.item_pb2 import ToolRun
from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.records import LostRunError
from service.store.written import Written


@dataclass(frozen=True, slots=True)
class Step:
    """One call. `place` is how many items stood in the output before it; `outcome` is JSON, empty while nobody knows.

    `repeatable` says whether it may be made again while nobody knows.
    """

    run: ToolRun
    place: int
    repeatable: bool
    outcome: str = ""


class StepStore:
    """The steps of responses, written by the core `owner`; each response under the epoch that it is written under."""

    def __init__(self, database: Database, *, owner: str) -> None:
        self._database = database
        self._owner = owner

    def intend(self, response_id: str, epoch: int, steps: Sequence[Step]) -> Written[None]:
        """Notes what is about to be done, all at once. Raises LostRunError where the run is another's now."""

        def job(db: Tables) -> None:
            self._expect_owner(db, response_id, epoch)
            db.conn.executemany(
                """insert into steps(response_id, call_id, run, place, repeatable) values(?, ?, ?, ?, ?)
                   on conflict(response_id, call_id) do nothing""",
                [
                    (response_id, step.run.call_id, step.run.SerializeToString(), step.place, step.repeatable)
                    for step in steps
                ],
            )

        return self._database.submit(job)

    def conclude(self, response_id: str, epoch: int, run: ToolRun, outcome: str) -> Written[None]:
        """Notes what came of a step. Raises LostRunError where the run is another's now."""

        def job(db: Tables) -> None:
            self._expect_owner(db, response_id, epoch)
            db.conn.execute(
                "update steps set run = ?, outcome = ? where response_id = ? and call_id = ?",
                (run.SerializeToString(), outcome, response_id, run.call_id),
            )

        return self._database.submit(job)

    async def of(self, response_id: str) -> list[Step]:
        """The steps of a response, in their order."""

        def job(db: Tables) -> list[Step]:
            rows = db.conn.execute(
                "select run, place, repeatable, outcome from steps where response_id = ? order by ordinal",
                (response_id,),
            )
            return [Step(ToolRun.FromString(run), place, bool(safe), outcome) for run, place, safe, outcome in rows]

        return await self._database.read(job)

    def _expect_owner(self, db: Tables, response_id: str, epoch: int) -> None:
        found = db.conn.execute(
            """select 1 from responses where id = ? and owner = ? and lease_epoch = ?
               and status in ('queued', 'in_progress')""",
            (response_id, self._owner, epoch),
        ).fetchone()
        if found is None:
            raise LostRunError(f"{response_id} is another core's now")
