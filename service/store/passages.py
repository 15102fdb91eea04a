"""The passages of files, which searches find: one full-text index a tenant.

How often a word occurs elsewhere shows in scores, so no two tenants share an index.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.store_files import Attributes
from service.store.words import any_of, indexed, quoted, read_back, terms

CANDIDATES: Final = 200
"""The passages that are weighed closely: those that BM25 puts first."""
_ORGANIZATION: Final = re.compile(r"org_[0-9a-f-]{36}")
IN_SCOPE: Final = """s.status = 'completed' and s.vector_store_id in (select value from json_each(:stores))
  and (:files is null or s.id in (select value from json_each(:files)))"""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that fits. `score` is from 0 to 1."""

    passage: int
    file_id: str
    filename: str
    attributes: Attributes
    score: float
    text: str


class Passages:
    """The caller knows whose a vector store is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def noted(self, store_ids: Sequence[str]) -> Mapping[int, Attributes]:
        """What is noted of each file that can be found, by the number of its row."""

        def job(db: Tables) -> Mapping[int, Attributes]:
            found = db.conn.execute(
                """select id, attributes from vector_store_files
                   where vector_store_id in (select value from json_each(?)) and status = 'completed'""",
                (json.dumps(list(store_ids)),),
            )
            return {place: json.loads(attributes) for place, attributes in found}

        return await self._database.read(job)

    async def ranked(
        self, org_id: str, store_ids: Sequence[str], question: str, *, files: Iterable[int] | None, limit: int
    ) -> Sequence[tuple[int, float]]:
        """The passages that fit best by their words, of all files or of those whose rows have these numbers.

        Each comes with the share of the question's words that stands in it, from 0 to 1.
        """
        named = scope_of(store_ids, files)
        words = terms(question)
        return await self._database.read(lambda db: _ranked(db, index_of(org_id), named, words, limit))

    async def shown(self, org_id: str, scores: Mapping[int, float]) -> Sequence[Found]:
        """The passages that have these scores, in this order, but for those that were taken out meanwhile."""
        return await self._database.read(lambda db: _shown(db, index_of(org_id), scores))

    async def texts(self, org_id: str, place: int, *, start: int, limit: int) -> Sequence[str]:
        """The passages of one file in order, from the number `start` on."""

        def job(db: Tables) -> Sequence[str]:
            index = index_of(org_id)
            if not _exists(db, index):
                return []
            found = db.conn.execute(
                f"""select i.text from passages p join {index} i on i.rowid = p.id
                    where p.vector_store_file_id = ? and p.place >= ? order by p.place limit ?""",
                (place, start, limit),
            )
            return [read_back(text) for (text,) in found]

        return await self._database.read(job)


def scope_of(store_ids: Sequence[str], files: Iterable[int] | None) -> dict[str, Any]:
    """What IN_SCOPE is told: the vector stores, and the numbers of the files' rows, None for all of them."""
    return {"stores": json.dumps(list(store_ids)), "files": None if files is None else json.dumps(list(files))}


def index_of(org_id: str) -> str:
    """The name of an organization's index. Raises ValueError for what is no id: the name becomes SQL."""
    if not _ORGANIZATION.fullmatch(org_id):
        raise ValueError(f"{org_id!r} is no organization")
    return f"passages_{org_id[4:].replace('-', '')}"


def write_passages(db: Tables, org_id: str, store_id: str, *, place: int, start: int, texts: Sequence[str]) -> None:
    """Adds passages of the file whose row has the number `place`, the first of them the number `start`."""
    index = index_of(org_id)
    if not _exists(db, index):
        db.conn.execute(
            f"create virtual table {index} using fts5(text, store, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
    for number, text in enumerate(texts, start):
        made = db.conn.execute("insert into passages(vector_store_file_id, place) values(?, ?)", (place, number))
        row = (made.lastrowid, indexed(text), _token(store_id))
        db.conn.execute(f"insert into {index}(rowid, text, store) values(?, ?, ?)", row)


def delete_passages(db: Tables, org_id: str, place: int, *, limit: int) -> int:
    """Deletes some passages of a file; how many that were."""
    rows = db.conn.execute("select id from passages where vector_store_file_id = ? limit ?", (place, limit)).fetchall()
    if rows:
        db.conn.executemany(f"delete from {index_of(org_id)} where rowid = ?", rows)
        db.conn.executemany("delete from passages where id = ?", rows)
    return len(rows)


def _ranked(
    db: Tables, index: str, named: Mapping[str, Any], words: Sequence[str], limit: int
) -> Sequence[tuple[int, float]]:
    if not words or not _exists(db, index):
        return []
    scope = f"store : ({any_of(_token(name) for name in json.loads(named['stores']))})"
    ranked = db.conn.execute(
        # Crossed, so that the words are looked up first.
        f"""select p.id from {index} cross join passages p on p.id = {index}.rowid
            cross join vector_store_files s on s.id = p.vector_store_file_id
            where {index} match :match and {IN_SCOPE} order by bm25({index}, 1, 0) limit {CANDIDATES}""",
        {**named, "match": f"{scope} AND text : ({any_of(words)})"},
    ).fetchall()
    order = {passage: place for place, (passage,) in enumerate(ranked)}
    scores = _scores(db, index, named, scope=scope, words=words, passages=list(order))
    best = sorted(order, key=lambda passage: (-scores[passage], order[passage]))[:limit]
    return [(passage, scores[passage]) for passage in best]


def _shown(db: Tables, index: str, scores: Mapping[int, float]) -> Sequence[Found]:
    if not scores:
        return []
    found = {
        row[0]: row
        for row in db.conn.execute(
            f"""select p.id, s.file_id, f.filename, s.attributes, i.text
                from passages p join vector_store_files s on s.id = p.vector_store_file_id
                join files f on f.id = s.file_id join {index} i on i.rowid = p.id
                where s.status = 'completed' and p.id in (select value from json_each(?))""",
            (json.dumps(list(scores)),),
        )
    }
    return [_found(found[passage], score) for passage, score in scores.items() if passage in found]


def _scores(
    db: Tables, index: str, named: Mapping[str, Any], *, scope: str, words: Sequence[str], passages: Sequence[int]
) -> Mapping[int, float]:
    """The share of the question's words that stands in each passage; the rarer a word, the more it counts."""
    (total,) = db.conn.execute(
        f"select count(*) from vector_store_files s join passages p on p.vector_store_file_id = s.id where {IN_SCOPE}",
        named,
    ).fetchone()
    held = dict.fromkeys(passages, 0.0)
    whole = 0.0
    chosen = json.dumps(list(passages))
    for word in words:
        match = f"{scope} AND text : {quoted(word)}"
        (having,) = db.conn.execute(f"select count(*) from {index} where {index} match ?", (match,)).fetchone()
        weight = math.log1p(max(total - having + 0.5, 0.5) / (having + 0.5))
        whole += weight
        # The plus keeps SQLite from asking the index once for each passage.
        for (passage,) in db.conn.execute(
            f"select rowid from {index} where {index} match ? and +rowid in (select value from json_each(?))",
            (match, chosen),
        ):
            held[passage] += weight
    return {passage: min(weight / whole, 1.0) for passage, weight in held.items()}


def _found(row: tuple[int, str, str, str, str], score: float) -> Found:
    passage, file_id, filename, attributes, text = row
    return Found(passage, file_id, filename, json.loads(attributes), round(score, 6), read_back(text))


def _token(store_id: str) -> str:
    """A vector store as one word of the index."""
    return re.sub(r"[^0-9a-z]", "", store_id.lower())


def _exists(db: Tables, index: str) -> bool:
    return bool(db.conn.execute("select 1 from sqlite_schema where name = ?", (index,)).fetchone())
