"""Responses on disk: a small row, the request, the result, and the log as segments; `response_reads` reads them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database as Tables

from service.store.commit import Told
from service.store.conversation_rows import Said, Seen, claim, conclude
from service.store.database import Database
from service.store.daybook import ENTERED, forget
from service.store.logs import APPENDED, BEGUN, ENDED, ids
from service.store.records import ResponseRow, Segment
from service.store.requests import Named, remember
from service.store.response_reads import ResponseReads
from service.store.rows import Row, Rows
from service.store.unposted import Clearing, Unposted
from service.store.written import Written


class ResponseStore(ResponseReads):
    """Written by the core `owner`, under the `epoch` that it got a run with: 0 where it began the run."""

    def __init__(self, database: Database, *, owner: str = "", epoch: int = 0) -> None:
        super().__init__(database)
        self._owner = owner
        self.epoch = epoch
        self._alone = not database.shared
        self._clearing = Clearing(database)

    def under(self, epoch: int) -> ResponseStore:
        """The same store for the writer of a run that was taken under this epoch."""
        return ResponseStore(self._database, owner=self._owner, epoch=epoch)

    def create(
        self,
        row: ResponseRow,
        settings: bytes,
        input_items: bytes,
        segment: Segment,
        *,
        conversation: Seen | None = None,
        named: Named | None = None,
    ) -> Written[None]:
        """Writes a new response with the first segment of its log.

        Raises NodexaError `conversation_locked` or `conversation_not_found` where the conversation isn't as seen, and
        TwiceError where the request is not the first of its name.
        """
        conversation_id = conversation.id if conversation else ""
        begun = self._begun(row, segment, settings, input_items, conversation_id=conversation_id)
        if not (conversation or named):
            return self._added(BEGUN, begun, new_work=True)

        def job(db: Tables) -> None:
            if conversation:
                claim(db, row.org_id, conversation)
            BEGUN.add(db, (begun,))
            if named:
                remember(db, named, row.id, row.created_at)

        return self._database.submit(job, new_work=True)

    def add(
        self,
        row: ResponseRow,
        settings: bytes,
        input_items: bytes,
        segment: Segment,
        *,
        status: str,
        result: bytes,
        finished_at: int,
        item_ids: Iterable[str] = (),
    ) -> Written[None]:
        """Writes a response that has ended already, with its whole log; the rest is as for `finish`."""
        end = (finished_at, result, ids(row.id, item_ids))
        whole = self._begun(row, segment, settings, input_items, status=status, end=end)
        return self._added(BEGUN, whole)

    def _begun(
        self,
        row: ResponseRow,
        segment: Segment,
        settings: bytes,
        input_items: bytes,
        *,
        status: str = "",
        conversation_id: str = "",
        end: tuple[int, bytes, str] = (0, b"", ""),
    ) -> Row:
        return (
            *(row.id, row.org_id, row.assistant_id, row.user_id, row.key_id, row.previous_response_id),
            *(status or row.status, row.background, row.created_at, row.expires_at, segment.last, self._owner),
            *(conversation_id, settings, input_items, segment.data, *end),
        )

    @property
    def troubled(self) -> bool:
        """Whether a write that is asked for now is likely to be refused."""
        return self._database.troubled

    def append(self, response_id: str, segment: Segment, unposted: Unposted | None = None) -> Written[None]:
        """Adds a segment to the log of a running response; with `unposted`, to the daybook where that is the place.

        Raises LostRunError when the run is another's now, or its log doesn't end right before the segment: somebody
        else wrote, and the caller must stop at once.
        """
        written = self._database.promise()
        self.tell(response_id, segment, written, unposted)
        return written

    def tell(self, response_id: str, segment: Segment, told: Told, unposted: Unposted | None) -> None:
        """As `append`, where `told` hears what comes of it."""
        kind = APPENDED
        # Where others write, they look for it in the log.
        if unposted is not None and self._alone and unposted.enter(segment):
            kind = ENTERED
        elif unposted is not None:
            segment, told = self._posted(segment, unposted), unposted.posting(told)
        added = (response_id, segment.first, segment.last, segment.data, self._owner, self.epoch)
        self._database.add(kind, added, told)

    def finish(
        self,
        response_id: str,
        segment: Segment,
        *,
        status: str,
        result: bytes,
        finished_at: int,
        item_ids: Iterable[str] = (),
        said: Said | None = None,
        unposted: Unposted | None = None,
    ) -> Written[None]:
        """Adds what is `unposted`, the last segment and the result, whose items are those of `item_ids`, and what was
        `said`. Raises as `append` does.
        """
        segment = self._posted(segment, unposted) if unposted else segment
        added = (response_id, segment.first, segment.last, segment.data, self._owner, self.epoch)
        end = (*added, status, finished_at, result, ids(response_id, item_ids))
        if not said:
            return self._added(ENDED, end)

        def job(db: Tables) -> None:
            ENDED.singly(db, end)
            conclude(db, said)

        return self._database.submit(job)

    def _posted(self, segment: Segment, unposted: Unposted) -> Segment:
        self._clearing.count(unposted.pieces)
        return unposted.behind(segment)

    def _added(self, kind: Rows, row: Row, *, new_work: bool = False) -> Written[None]:
        written = self._database.promise()
        self._database.add(kind, row, written, new_work=new_work)
        return written

    async def delete(self, org_id: str, response_id: str) -> bool:
        """Removes a response and all that hangs on it; whether there was one."""

        def job(db: Tables) -> bool:
            deleted = db.conn.execute("delete from responses where org_id = ? and id = ?", (org_id, response_id))
            if deleted.rowcount > 0:
                forget(db, (response_id,))
            return deleted.rowcount > 0

        return await self._database.write(job)

    async def ask_to_cancel(self, org_id: str, response_id: str) -> None:
        """Leaves word for the core that owns the run."""
        await self._database.write(
            lambda db: db.conn.execute(
                "update responses set cancel_requested = 1 where org_id = ? and id = ?", (org_id, response_id)
            )
        )
