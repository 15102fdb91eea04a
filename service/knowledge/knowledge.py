"""Files, vector stores and their index, each built from what is beneath it."""

from __future__ import annotations

from dataclasses import dataclass

from service.ids import NewId
from service.knowledge.embedding import Embedding
from service.knowledge.files import Files
from service.knowledge.indexer import Indexer
from service.knowledge.meaning import Meanings
from service.knowledge.search import Search
from service.knowledge.store_files import Contents
from service.knowledge.uploads import Uploads
from service.knowledge.vector_stores import Shelf
from service.settings import Clock
from service.store.database import Database
from service.store.files import FileStore
from service.store.passages import Passages
from service.store.reading_list import ReadingList
from service.store.store_files import StoreFiles
from service.store.vector_stores import VectorStores
from service.store.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What organizations know. `indexer` has to run beside the rest."""

    files: Files
    uploads: Uploads
    shelf: Shelf
    contents: Contents
    search: Search
    indexer: Indexer

    @classmethod
    def on(
        cls,
        database: Database,
        *,
        owner: str,
        clock: Clock,
        new_id: NewId,
        shared: bool,
        meanings: Meanings | None = None,
    ) -> Knowledge:
        """All of it on an open database, for the core `owner`; without `meanings` it is found by words alone."""
        kept, stores, passages = FileStore(database), VectorStores(database), Passages(database)
        tasks = ReadingList(database, owner)
        embedding = Embedding(tasks, meanings, clock=clock)
        indexer = Indexer(tasks, kept, embedding, clock=clock, shared=shared)
        contents = Contents(
            stores=stores,
            files=StoreFiles(database),
            passages=passages,
            wake=indexer.wake,
            clock=clock,
            new_id=new_id,
        )
        return cls(
            Files(kept, clock=clock, new_id=new_id),
            Uploads(kept, clock=clock),
            Shelf(stores, contents, clock=clock, new_id=new_id),
            contents,
            Search(stores, passages, Vectors(database), meanings, clock=clock),
            indexer,
        )

    async def prune(self) -> None:
        """Deletes what was kept long enough."""
        await self.files.prune()
        await self.shelf.prune()
        self.indexer.wake()
