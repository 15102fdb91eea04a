"""The runs that are here, by the ids of their responses, each until its log is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from bridge_link.patience import Patience
from service.runner.early import BEGINNING_WAITS
from service.runner.ending import Stop
from service.runner.history import History
from service.runner.limits import FREE, Permit
from service.runner.run import Run


class LiveRuns:
    """Those of one process; what becomes of them `history` keeps."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._runs: dict[str, Run] = {}
        # A timer for each costs more than to find the few that are late.
        self._beginnings: Patience[str] | None = None

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def find(self, response_id: str) -> Run | None:
        """The run of this response, if it is here."""
        return self._runs.get(response_id)

    def put(self, run: Run) -> None:
        """Has it found from now on, in the place of another of its name."""
        self._runs[run.row.id] = run

    def drop(self, run: Run) -> None:
        """Has it found no more."""
        if self._runs.get(run.row.id) is run:
            del self._runs[run.row.id]

    def mind(self, run: Run, asked: bytes, permit: Permit) -> None:
        """Minds one that has begun, to its end: `asked` is its input as an ItemList, serialized."""
        if self._beginnings is None:
            self._beginnings = Patience(asyncio.get_running_loop(), BEGINNING_WAITS, self._begin_late)
        self._beginnings.begin(run.row.id)
        run.log.when_closed(lambda: self._reap(run, asked, permit))

    def epochs(self) -> Mapping[str, int]:
        """The epoch under which each of them writes."""
        return {response_id: run.epoch for response_id, run in self._runs.items()}

    def stop(self, response_ids: Sequence[str], why: Stop) -> None:
        """Stops those that are still here.

        Where they were taken from here, their logs refuse their ends, and their readers get the true ones.
        """
        for response_id in response_ids:
            if response_id in self._runs:
                self._runs[response_id].stop(why)

    def _begin_late(self, response_id: str) -> None:
        if (run := self._runs.get(response_id)) is not None:
            run.begin_late()

    def _reap(self, run: Run, asked: bytes, permit: Permit) -> None:
        if self._beginnings is not None:
            self._beginnings.forget(run.row.id)
        if run.kept:
            self._history.keep(run.row, asked, run.response, len(run.result))
        self.drop(run)
        if permit is not FREE:
            permit.leave(run.response.usage)
