"""Backups are made under a running core, put back where nothing is, and found out when they are broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.service.cli.conftest import Site
from tests.service.cli.served import Ended, Served


def answer(site: Site, *arguments: str) -> list[str]:
    return [
        response["id"] for response in json.loads(site.ok("responses", "list", "--json", *arguments).out)["responses"]
    ]


def test_a_backup_of_a_running_core_starts_a_new_one_with_the_same_keys(
    site: Site, tmp_path: Path, serve: Callable[..., Served], run: Callable[..., Ended]
) -> None:
    site.ok("chat", "echo", text="Remember me\n")
    copied, data = tmp_path / "copy", tmp_path / "restored"
    assert "checked the copy" in site.ok("db", "backup", str(copied)).out
    assert copied.stat().st_mode & 0o077 == 0

    assert run("db", "restore", str(copied), "--data", str(data)).code == 0
    restored = Site(serve(data=data), site.model_url)
    restored.served.ready()

    assert set(answer(site)) <= set(answer(restored)) != set()


def test_the_database_of_a_running_core_can_be_checked(site: Site) -> None:
    assert site.ok("db", "check").out.endswith("nodexa.db is good.\n")


def test_a_broken_database_is_found_out_and_not_restored(site: Site, tmp_path: Path, run: Callable[..., Ended]) -> None:
    copied = tmp_path / "copy"
    site.ok("db", "backup", str(copied))
    with (copied / "nodexa.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff" * 20_000)

    for refused in (run("db", "check", "--data", str(copied)), run("db", "restore", str(copied), "--data", "new")):
        assert refused.code == 1
        assert "is not good. Restore a backup" in refused.err
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(site: Site, tmp_path: Path, run: Callable[..., Ended]) -> None:
    copied = tmp_path / "copy"
    site.ok("db", "backup", str(copied))
    again = site.run("db", "backup", str(copied))
    assert (again.code, "exists already" in again.err) == (1, True)

    running = run("db", "restore", str(copied), "--data", str(site.served.data))
    assert (running.code, "A core uses" in running.err) == (1, True)
    shutil.copytree(copied, tmp_path / "other")
    there = run("db", "restore", str(copied), "--data", str(tmp_path / "other"))
    assert (there.code, "has a nodexa.db already" in there.err) == (1, True)


def test_where_no_database_is_that_is_said(run: Callable[..., Ended]) -> None:
    ended = run("db", "check")
    assert (ended.code, ended.err) == (1, "Error: There is no nodexa.db in var: name the directory that has it.\n")


def test_the_core_prunes_when_it_is_told_to(site: Site) -> None:
    assert site.ok("db", "prune", "--json").json == {"responses": 0, "logs": 0}
