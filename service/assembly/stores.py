"""The stores that several parts of a core use, on one database."""

from __future__ import annotations

from dataclasses import dataclass

from service.store.administration import Administration
from service.store.claims import ClaimStore
from service.store.conversations import ConversationStore
from service.store.database import Database
from service.store.responses import ResponseStore
from service.store.steps import StepStore
from service.store.working_keys import WorkingKeys


@dataclass(frozen=True, slots=True)
class Stores:
    """`owner` is the core that writes; what only one part uses, that part makes on `database`."""

    database: Database
    owner: str
    administration: Administration
    claims: ClaimStore
    conversations: ConversationStore
    responses: ResponseStore
    steps: StepStore
    working_keys: WorkingKeys

    @classmethod
    def on(cls, database: Database, *, owner: str) -> Stores:
        """All of them on an open database."""
        return cls(
            database=database,
            owner=owner,
            administration=Administration(database),
            claims=ClaimStore(database),
            conversations=ConversationStore(database),
            responses=ResponseStore(database, owner=owner),
            steps=StepStore(database, owner=owner),
            working_keys=WorkingKeys(database),
        )
