"""What passages mean to a model that embeds them: a vector each, under the name of the model that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.passages import IN_SCOPE, index_of, scope_of
from service.store.words import read_back

T = TypeVar("T")
Block = Sequence[tuple[int, bytes]]
"""Passages and their vectors."""
BLOCK: Final = 512
"""Vectors that are in memory at a time."""


class Vectors:
    """The caller knows whose a vector store is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fold(
        self,
        store_ids: Sequence[str],
        model: str,
        *,
        size: int,
        files: Iterable[int] | None,
        rank: Callable[[Iterator[Block]], T],
    ) -> T:
        """What `rank` makes of the model's vectors of `size` bytes, block by block, in a thread that reads.

        They are those of all files that can be found, or of those whose rows have these numbers.
        """
        named = {**scope_of(store_ids, files), "model": model, "size": size}

        def job(db: Tables) -> T:
            rows = db.conn.execute(
                # Crossed, so that what is read lies as it was written.
                f"""select v.passage_id, v.data from vector_store_files s
                    cross join passages p on p.vector_store_file_id = s.id
                    cross join vectors v on v.passage_id = p.id
                    where {IN_SCOPE} and v.model = :model and length(v.data) = :size""",
                named,
            )
            return rank(iter(lambda: rows.fetchmany(BLOCK), []))

        return await self._database.read(job)


def lacking(db: Tables, org_id: str, place: int, *, model: str, limit: int) -> Sequence[tuple[int, int, str]]:
    """The next passages without a vector of the model, of the file whose row has the number `place`.

    Each is told by its number, its place in the file and its text.
    """
    found = db.conn.execute(
        f"""select p.id, p.place, i.text from passages p join {index_of(org_id)} i on i.rowid = p.id
            where p.vector_store_file_id = ?
              and not exists (select 1 from vectors v where v.passage_id = p.id and v.model = ?)
            order by p.place limit ?""",
        (place, model, limit),
    )
    return [(passage, number, read_back(text)) for passage, number, text in found]


def write_vectors(db: Tables, model: str, rows: Iterable[tuple[int, bytes]]) -> None:
    """Writes the vectors of passages, in the place of those that another model made."""
    db.conn.executemany(
        """insert into vectors(passage_id, model, data) values(?, ?, ?)
           on conflict(passage_id) do update set model = excluded.model, data = excluded.data""",
        [(passage, model, data) for passage, data in rows],
    )


def empty_vectors(db: Tables, place: int) -> int:
    """How many passages of a file the model could not read."""
    (count,) = db.conn.execute(
        """select count(*) from passages p join vectors v on v.passage_id = p.id
           where p.vector_store_file_id = ? and length(v.data) = 0""",
        (place,),
    ).fetchone()
    return int(count)
