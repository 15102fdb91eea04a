"""Requests that carry an id of their own: which response each led to, so that none is carried out twice."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.sqlite import sqlite3


@dataclass(frozen=True, slots=True)
class Named:
    """A request by the id that its sender gave it; `digest` tells two requests of one id apart. Ids are a key's own."""

    key_id: str
    request_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a request of the same id led to, and what it said."""

    response_id: str
    digest: bytes


class TwiceError(Exception):
    """A request of this id was accepted a moment ago."""


class RequestStore:
    """Reads what `remember` wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def earlier(self, named: Named) -> Earlier | None:
        """The request of the same id that was accepted, if one was."""

        def job(db: Tables) -> Earlier | None:
            query = "select response_id, digest from requests where key_id = ? and request_id = ?"
            found = db.conn.execute(query, (named.key_id, named.request_id)).fetchone()
            return Earlier(*found) if found else None

        return await self._database.read(job)


def remember(db: Tables, named: Named, response_id: str, now: int) -> None:
    """Keeps a request beside its response, in the transaction that makes it. Raises TwiceError."""
    try:
        db.conn.execute(
            "insert into requests values(?, ?, ?, ?, ?)",
            (named.key_id, named.request_id, named.digest, response_id, now),
        )
    except sqlite3.IntegrityError:
        raise TwiceError from None
