"""What administrators did: rows that are written with the act itself, read, and never changed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from nodexa.v1.admin_pb2 import AuditEvent
from sqlite_utils import Database as Tables

from service.store.database import Database

log = logging.getLogger(__name__)


class AuditLog:
    """Reads the log. It is written where the acts are: see Administration."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, org_id: str, *, before: str, limit: int) -> Sequence[AuditEvent]:
        """At most `limit` events, the newest first, older than the id `before`; without `org_id` of everybody."""

        asked = {"org_id = ?": org_id, "id < ?": before}
        where = " and ".join(condition for condition, value in asked.items() if value) or "true"
        values = [*filter(None, asked.values()), limit]

        def job(db: Tables) -> list[AuditEvent]:
            rows = db.query(f"select * from audit_events where {where} order by id desc limit ?", values)
            return [_event(row) for row in rows]

        return await self._database.read(job)


def add_event(db: Tables, event: AuditEvent) -> None:
    """Writes the event; part of a transaction."""
    db.conn.execute(
        """insert into audit_events(id, org_id, key_id, request_id, act, target_id, changes, created_at)
           values(?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            event.id,
            event.organization_id,
            event.api_key_id,
            event.request_id,
            event.act,
            event.target_id,
            event.changes_json,
            event.create_time.ToMilliseconds(),
        ),
    )


def tell(event: AuditEvent) -> None:
    """Writes the event to the process's log too, in fields of their own."""
    told = {
        "id": event.id,
        "organization": event.organization_id,
        "api_key": event.api_key_id,
        "request": event.request_id,
        "act": event.act,
        "target": event.target_id,
        "changes": event.changes_json,
    }
    log.info("%s %s", event.act, event.target_id, extra={"audit": told})


def _event(row: dict[str, Any]) -> AuditEvent:
    event = AuditEvent(
        id=row["id"],
        organization_id=row["org_id"],
        api_key_id=row["key_id"],
        request_id=row["request_id"],
        act=row["act"],
        target_id=row["target_id"],
        changes_json=row["changes"],
    )
    event.create_time.FromMilliseconds(row["created_at"])
    return event
