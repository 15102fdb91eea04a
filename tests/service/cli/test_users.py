"""`nodexa users`: an archive of all that is kept of a user, and its end."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import httpx

from tests.service.cli.conftest import Site


def claim(site: Site, user: str) -> None:
    quickstart = site.served.quickstart
    answer = httpx.post(
        f"{quickstart['NODEXA_BASE_URL']}/v1/user-claims/bulk",
        json={"claims": [{"claimKey": "plan", "claimValue": "gold"}]},
        headers={"x-api-key": quickstart["NODEXA_API_KEY"], "x-user-id": user},
        trust_env=False,
    )
    assert answer.status_code == 201


def test_a_user_is_exported_and_erased(site: Site, tmp_path: Path) -> None:
    claim(site, "alice")
    path = tmp_path / "alice.zip"

    assert "1 in claims.jsonl" in site.ok("users", "export", "alice", "--output", str(path)).out

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        lines = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    assert sorted(lines) == ["claims.jsonl", "conversations.jsonl", "log.jsonl", "memories.jsonl", "responses.jsonl"]
    (said,) = map(json.loads, lines["claims.jsonl"])
    assert (said["key"], said["value_json"]) == ("plan", '"gold"')
    assert "already" in site.run("users", "export", "alice", "--output", str(path)).err

    assert site.run("users", "erase", "alice", text="n\n").code == 1
    assert json.loads(site.ok("users", "erase", "alice", "--yes", "--json").out)["claims"] == 1
    assert "Erased 0 responses, 0 conversations, 0 claims" in site.ok("users", "erase", "alice", "--yes").out


def test_a_user_of_an_unknown_organization_can_t_be_erased(site: Site) -> None:
    ended = site.run("users", "erase", "alice", "--yes", "--org", "org_none")
    assert ended.code == 1
    assert "organization_not_found" in ended.err
