"""The data directory: private when the core makes it, and left as it is when somebody else did."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from service.model.scripted import ScriptedModel
from service.settings import Settings
from tests.conftest import running_core


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_directory_that_the_core_makes_is_its_owner_s(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_core(settings, ScriptedModel()):
        assert mode(settings.data) == 0o700
    assert "can be read by other users" not in caplog.text


async def test_a_directory_of_somebody_else_keeps_its_mode_and_is_warned_of(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)

    async with running_core(replace(settings, data=shared), ScriptedModel()):
        assert mode(shared) == 0o755
        assert {path.name: mode(path) & 0o077 for path in shared.iterdir()} == dict.fromkeys(
            [path.name for path in shared.iterdir()], 0
        )
    assert f"{shared} can be read by other users" in caplog.text
