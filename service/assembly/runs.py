"""What makes the runner, and what has to run beside it."""

from __future__ import annotations

from dataclasses import dataclass

from service.assembly.outside import Outside
from service.assembly.stores import Stores
from service.runner.admission import Admission
from service.runner.attachments import Attachments
from service.runner.binder import Binder
from service.runner.catalog import Catalog
from service.runner.conversations import Conversations
from service.runner.history import CACHE_BYTES, History
from service.runner.known import Known
from service.runner.limits import Limiter
from service.runner.reading import Reading
from service.runner.runner import Runner
from service.runner.takeover import Takeover
from service.runner.tooling import Tooling
from service.seal import Seal
from service.settings import Settings
from service.store.chapters import ChapterStore
from service.store.ownership import Ownership
from service.store.requests import RequestStore


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run reads and uses beside the stores."""

    catalog: Catalog
    conversations: Conversations
    limiter: Limiter
    seal: Seal
    tooling: Tooling
    known: Known
    attachments: Attachments


@dataclass(frozen=True, slots=True)
class Runs:
    """The runner; `binder` and `takeover` have to run beside it."""

    runner: Runner
    binder: Binder
    takeover: Takeover

    @classmethod
    def on(cls, stores: Stores, settings: Settings, outside: Outside, needs: Needs) -> Runs:
        """All of it on the stores of a core."""
        binder = Binder(stores.responses, ChapterStore(stores.database))
        # What another core deletes must not be continued from this one's memory.
        history = History(stores.responses, binder=binder, cache_bytes=0 if settings.shared else CACHE_BYTES)
        runner = Runner(
            store=stores.responses,
            requests=RequestStore(stores.database),
            admission=_admission(stores, settings, outside, needs, history),
            history=history,
            limiter=needs.limiter,
            drain=settings.drain,
        )
        takeover = Takeover(
            ownership=Ownership(stores.database, stores.owner),
            store=stores.responses,
            steps=stores.steps,
            revive=runner.revive,
            clock=outside.clock,
            new_id=outside.new_id,
            lease=settings.lease,
        )
        return cls(runner, binder, takeover)


def _admission(stores: Stores, settings: Settings, outside: Outside, needs: Needs, history: History) -> Admission:
    reading = Reading(
        catalog=needs.catalog,
        history=history,
        conversations=needs.conversations,
        references=needs.conversations.references,
        known=needs.known,
        seal=needs.seal,
        toolbox=needs.tooling.toolbox,
        attachments=needs.attachments,
        new_id=outside.new_id,
    )
    return Admission(
        store=stores.responses,
        history=history,
        reading=reading,
        tooling=needs.tooling,
        seal=needs.seal,
        clock=outside.clock,
        new_id=outside.new_id,
        grace=settings.grace,
        retention=settings.retention,
    )
