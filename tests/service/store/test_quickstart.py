"""The data directory after a first start and a second one."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.admin_service_pb2 import GetAssistantRequest, ListApiKeysRequest, ListOrganizationsRequest

from service.bootstrap import read_quickstart, write_quickstart
from service.keys import load_keyring
from service.model.scripted import ScriptedModel
from service.settings import Settings
from service.store.database import InUseError
from tests.conftest import running_core

NAMES = ["NODEXA_BASE_URL", "NODEXA_API_KEY", "NODEXA_ASSISTANT_ID", "NODEXA_GRPC"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_first_start_leaves_a_way_in_for_its_owner_only(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel()) as core:
        assert list(core.quickstart) == NAMES
        assert core.quickstart["NODEXA_BASE_URL"] == settings.base_url
        assert core.quickstart["NODEXA_GRPC"] == core.address
        assert mode(settings.data) == 0o700
        assert {path.name: mode(path) for path in settings.data.iterdir()} == dict.fromkeys(
            [
                *("master.key", "quickstart.env", "nodexa.lock", "nodexa.migration.lock"),
                *("nodexa.db", "nodexa.db-wal", "nodexa.db-shm"),
            ],
            0o600,
        )
        assistant = await core.admin.GetAssistant(GetAssistantRequest(id=core.assistant_id), metadata=core.metadata())
        assert assistant.model == "smollm2-135m"


async def test_a_core_that_stopped_leaves_one_database_file(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel()):
        pass

    assert sorted(path.name for path in settings.data.glob("nodexa.db*")) == ["nodexa.db"]


async def test_the_second_start_writes_the_new_addresses_and_makes_nothing(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel()) as core:
        first = core.quickstart
    async with running_core(replace(settings, base_url="http://127.0.0.1:9999"), ScriptedModel()) as core:
        assert core.key == first["NODEXA_API_KEY"]
        assert core.assistant_id == first["NODEXA_ASSISTANT_ID"]
        assert core.quickstart["NODEXA_BASE_URL"] == "http://127.0.0.1:9999"
        assert core.quickstart["NODEXA_GRPC"] == core.address
        assert mode(settings.data / "quickstart.env") == 0o600
        keys = await core.admin.ListApiKeys(ListApiKeysRequest(), metadata=core.metadata())
        organizations = await core.admin.ListOrganizations(ListOrganizationsRequest(), metadata=core.metadata())
        assert (len(keys.api_keys), len(organizations.organizations)) == (1, 1)


async def test_a_second_core_on_the_same_directory_is_refused_and_changes_nothing(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel()) as core:
        with pytest.raises(InUseError, match="in use by another core"):
            async with running_core(settings, ScriptedModel()):
                pass
        assert read_quickstart(settings.data / "quickstart.env") == core.quickstart


def test_what_a_person_added_stays(tmp_path: Path) -> None:
    path = tmp_path / "quickstart.env"
    path.write_text("# mine\nOTHER=a=b\nNODEXA_GRPC=old\n\nnonsense\n")

    write_quickstart(path, read_quickstart(path) | {"NODEXA_GRPC": "new"})

    assert read_quickstart(path) == {"NODEXA_GRPC": "new", "OTHER": "a=b"}


def test_the_master_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first = load_keyring(path)

    assert load_keyring(path) == first
    assert mode(path) == 0o600
    assert path.read_bytes() not in (first.seal, first.pepper)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_master_key_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="restore it from a backup"):
        load_keyring(path)


async def test_a_first_start_that_was_cut_short_is_finished_by_the_next(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel()) as core:
        first = core.quickstart
        await core.core.database.write(lambda db: db.conn.execute("delete from api_keys").rowcount)
    async with running_core(settings, ScriptedModel()) as core:
        assistant = await core.admin.GetAssistant(GetAssistantRequest(id=core.assistant_id), metadata=core.metadata())

    assert assistant.id == first["NODEXA_ASSISTANT_ID"]
    assert core.key != first["NODEXA_API_KEY"]
