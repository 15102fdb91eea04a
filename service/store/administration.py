"""Organizations, API keys, assistants and models on disk; small tables, read rarely and cached above."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from google.protobuf.json_format import MessageToJson, Parse
from nodexa.v1.admin_pb2 import ApiKey, Assistant, AuditEvent, Limits, Model, Organization
from sqlite_utils import Database as Tables
from sqlite_utils.db import Table

from service.store.audit import add_event, tell
from service.store.commit import Job
from service.store.database import Database
from service.store.limits import columns_of, halves, limits_of, selected

T = TypeVar("T")

TABLES: Final = frozenset({"organizations", "api_keys", "assistants", "models"})


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Whose key it is and what it reaches; `works` is False for a revoked key or a disabled organization.

    Limits are None where there are none.
    """

    key_id: str
    org_id: str
    operator: bool
    scopes: frozenset[int]
    works: bool
    dialect: int
    key_limits: Limits | None = None
    org_limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: at most `limit` entries with ids after `after` (empty: from the beginning)."""

    limit: int
    after: str = ""


class Administration:
    """Everything but `owner_of` and the models names the organization. Times are milliseconds since 1970."""

    def __init__(self, database: Database, *, event: AuditEvent | None = None) -> None:
        self._database = database
        self._event = event

    def noting(self, event: AuditEvent) -> Administration:
        """The same store for one act, which `event` is written with, in the same transaction."""
        return Administration(self._database, event=event)

    async def note(self) -> None:
        """Writes the event alone, for an act that is done elsewhere."""
        await self._write(lambda db: None)

    async def add_organization(self, organization: Organization, *, now: int) -> None:
        row = {"id": organization.id, "name": organization.name, "operator": organization.operator, "created_at": now}
        await self._write(lambda db: _insert(db, "organizations", row))

    async def organization(self, org_id: str) -> Organization | None:
        rows = await self._select("organizations", "id = ?", [org_id], Page(1))
        return _organization(rows[0]) if rows else None

    async def organizations(self, page: Page) -> Sequence[Organization]:
        return [_organization(row) for row in await self._select("organizations", "id > ?", [page.after], page)]

    async def update_organization(self, organization: Organization, *, now: int) -> None:
        changes = {
            "name": organization.name,
            "disabled_at": now if organization.disabled else None,
            **columns_of(organization.limits),
        }
        await self._write(lambda db: _update(db, "organizations", organization.id, changes))

    async def add_key(self, key: ApiKey, *, org_id: str, digest: bytes, now: int) -> None:
        row = {
            "id": key.id,
            "org_id": org_id,
            "name": key.name,
            "hint": key.hint,
            "key_hmac": digest,
            "scopes": json.dumps(list(key.scopes)),
            "created_at": now,
            "dialect": key.dialect,
        }
        await self._write(lambda db: _insert(db, "api_keys", row))

    async def keys(self, org_id: str, page: Page) -> Sequence[ApiKey]:
        where = "org_id = ? and id > ?"
        return [_key(row) for row in await self._select("api_keys", where, [org_id, page.after], page)]

    async def key(self, org_id: str, key_id: str) -> ApiKey | None:
        rows = await self._select("api_keys", "org_id = ? and id = ?", [org_id, key_id], Page(1))
        return _key(rows[0]) if rows else None

    async def update_key(self, key: ApiKey) -> None:
        changes = {"name": key.name, "dialect": key.dialect, **columns_of(key.limits)}
        await self._write(lambda db: _update(db, "api_keys", key.id, changes))

    async def revoke_key(self, key_id: str, *, now: int) -> None:
        await self._write(lambda db: _update(db, "api_keys", key_id, {"revoked_at": now}))

    async def owner_of(self, digest: bytes) -> KeyOwner | None:
        """Whose key has this digest; None for a key that never was."""

        def job(db: Tables) -> KeyOwner | None:
            found = db.conn.execute(
                f"""select k.id, k.org_id, o.operator, k.scopes, k.revoked_at is null and o.disabled_at is null,
                     k.dialect, {selected("k", "o")}
                   from api_keys k join organizations o on o.id = k.org_id where k.key_hmac = ?""",
                (digest,),
            ).fetchone()
            if found is None:
                return None
            key_id, org_id, operator, scopes, works, dialect, *limits = found
            known = frozenset(json.loads(scopes))
            return KeyOwner(key_id, org_id, bool(operator), known, bool(works), dialect, *halves(limits))

        return await self._database.read(job)

    async def add_assistant(self, assistant: Assistant, *, org_id: str, now: int) -> None:
        row = {"id": assistant.id, "org_id": org_id, "created_at": now, **_assistant_columns(assistant, now)}
        await self._write(lambda db: _insert(db, "assistants", row))

    async def assistant(self, org_id: str, assistant_id: str) -> Assistant | None:
        where = "org_id = ? and id = ? and deleted_at is null"
        rows = await self._select("assistants", where, [org_id, assistant_id], Page(1))
        return _assistant(rows[0]) if rows else None

    async def assistants(self, org_id: str, page: Page) -> Sequence[Assistant]:
        where = "org_id = ? and id > ? and deleted_at is null"
        return [_assistant(row) for row in await self._select("assistants", where, [org_id, page.after], page)]

    async def update_assistant(self, assistant: Assistant, *, now: int) -> None:
        changes = _assistant_columns(assistant, now)
        await self._write(lambda db: _update(db, "assistants", assistant.id, changes))

    async def delete_assistant(self, assistant_id: str, *, now: int) -> None:
        await self._write(lambda db: _update(db, "assistants", assistant_id, {"deleted_at": now}))

    async def uses_model(self, name: str) -> bool:
        """Whether an assistant of any organization writes with the model."""
        # Any will do: to find the first, all that use it would be sorted.
        query = "select 1 from assistants where model = ? and deleted_at is null limit 1"
        return await self._database.read(lambda db: db.conn.execute(query, (name,)).fetchone() is not None)

    async def add_model(self, model: Model, *, now: int) -> bool:
        """Keeps a new model; False when there is one of its name."""
        row = {"name": model.name, "config": MessageToJson(model, indent=None), "created_at": now}

        def job(db: Tables) -> bool:
            if _table(db, "models").count_where("name = ?", [model.name]):
                return False
            _insert(db, "models", row)
            return True

        return await self._write(job)

    async def models(self) -> Sequence[Model]:
        rows = await self._database.read(lambda db: list(_table(db, "models").rows_where(order_by="name")))
        return [Parse(row["config"], Model()) for row in rows]

    async def delete_model(self, name: str) -> None:
        await self._write(lambda db: _delete(db, "models", name))

    async def _write(self, job: Job[T]) -> T:
        event = self._event
        if event is None:
            return await self._database.write(job)

        def noted(db: Tables) -> T:
            outcome = job(db)
            # A write that says False has found that there is nothing to do.
            if outcome is not False:
                add_event(db, event)
            return outcome

        outcome = await self._database.write(noted)
        if outcome is not False:
            tell(event)
        return outcome

    async def _select(self, table: str, where: str, arguments: list[Any], page: Page) -> Sequence[dict[str, Any]]:
        job: Job[list[dict[str, Any]]] = lambda db: list(  # noqa: E731
            _table(db, table).rows_where(where, arguments, order_by="id", limit=page.limit)
        )
        return await self._database.read(job)


def _table(db: Tables, name: str) -> Table:
    # sqlite-utils makes a table of any name that it is asked to write to.
    if name not in TABLES:
        raise KeyError(name)
    return db.table(name)


def _insert(db: Tables, table: str, row: dict[str, Any]) -> None:
    _table(db, table).insert(row)


def _update(db: Tables, table: str, key: str, changes: dict[str, Any]) -> None:
    _table(db, table).update(key, changes)


def _delete(db: Tables, table: str, key: str) -> None:
    _table(db, table).delete(key)


def _organization(row: dict[str, Any]) -> Organization:
    organization = Organization(id=row["id"], name=row["name"], operator=bool(row["operator"]))
    organization.disabled = row["disabled_at"] is not None
    organization.create_time.FromMilliseconds(row["created_at"])
    if limits := limits_of(row):
        organization.limits.CopyFrom(limits)
    return organization


def _key(row: dict[str, Any]) -> ApiKey:
    key = ApiKey(id=row["id"], name=row["name"], hint=row["hint"], scopes=json.loads(row["scopes"]))
    key.dialect = row["dialect"] or ApiKey.DIALECT_OPENAI
    key.create_time.FromMilliseconds(row["created_at"])
    if row["revoked_at"] is not None:
        key.revoke_time.FromMilliseconds(row["revoked_at"])
    if limits := limits_of(row):
        key.limits.CopyFrom(limits)
    return key


def _assistant_columns(assistant: Assistant, now: int) -> dict[str, Any]:
    return {"model": assistant.model, "config": MessageToJson(assistant, indent=None), "updated_at": now}


def _assistant(row: dict[str, Any]) -> Assistant:
    assistant = Parse(row["config"], Assistant())
    assistant.create_time.FromMilliseconds(row["created_at"])
    assistant.update_time.FromMilliseconds(row["updated_at"])
    return assistant
