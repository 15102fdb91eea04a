"""The writer's thread gets many rows where there are more CPUs than processes of Nodexa that work at full load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.model.scripted import ScriptedModel
from service.settings import Settings
from service.store.database import Database
from tests.conftest import running_core


@pytest.mark.parametrize(
    ("cpus", "processes", "spare"), [(1, 1, False), (2, 1, True), (1, 2, False), (2, 2, False), (3, 2, True)]
)
async def test_a_cpu_is_spare_that_no_process_of_nodexa_needs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, cpus: int, processes: int, *, spare: bool
) -> None:
    told: list[Any] = []
    opened = Database.open

    async def watched(*given: Any, spare_cpu: bool, **more: Any) -> Database:
        told.append(spare_cpu)
        return await opened(*given, spare_cpu=spare_cpu, **more)

    monkeypatch.setattr(Database, "open", watched)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cpus)), raising=False)
    async with running_core(replace(settings, processes=processes), ScriptedModel()):
        pass
    assert told == [spare]
