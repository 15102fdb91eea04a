"""`nodexa users …`: all that is kept of an end user, written to an archive or erased."""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

import click
from google.protobuf.json_format import MessageToDict
from nodexa.v1.user_data_service_pb2 import EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse

from service.cli.connection import connect
from service.cli.options import data_option, json_option
from service.cli.output import print_json

FILES: Final = {
    "claim": "claims.jsonl",
    "memory": "memories.jsonl",
    "conversation": "conversations.jsonl",
    "response": "responses.jsonl",
    "log": "log.jsonl",
}
_organization = click.option("--org", default="", help="Of this organization (operator only, but for your own).")


@click.group()
def users() -> None:
    """What is kept of end users: their rights to see it, and to have it erased."""


@users.command()
@click.argument("user")
@_organization
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A new file; otherwise USER.zip here.")
@data_option
def export(*, user: str, org: str, output: Path | None, data: Path | None) -> None:
    """Write all that is kept of a user to a ZIP archive: JSON lines, a file for each kind."""
    path = output or Path(f"{_plain(user)}.zip")
    with connect(data) as core:
        records = core.stream(core.user_data.ExportUser, ExportUserRequest(user_id=user, organization_id=org))
        part = path.with_name(f"{path.name}.part")
        try:
            counts = _write(part, records)
            os.link(part, path)
        except FileExistsError:
            raise click.ClickException(f"There is a file {path} already: name another by --output.") from None
        finally:
            part.unlink(missing_ok=True)
    told = ", ".join(f"{counts[kind]} in {name}" for kind, name in FILES.items())
    click.echo(f"Wrote {path}: {told}.")


@users.command()
@click.argument("user")
@_organization
@click.option("--yes", is_flag=True, help="Don't ask.")
@data_option
@json_option
def erase(*, user: str, org: str, yes: bool, data: Path | None, as_json: bool) -> None:
    """Erase all that is kept of a user, logs included. What runs for them is cancelled."""
    if not yes:
        click.confirm(f"Erase everything of the user {user}? It can't be undone.", abort=True, err=True)
    with connect(data) as core:
        request = EraseUserRequest(user_id=user, organization_id=org)
        erased: EraseUserResponse = core.ask(core.user_data.EraseUser, request, seconds=600)
    if as_json:
        print_json(erased)
        return
    click.echo(
        f"Erased {erased.responses} responses, {erased.conversations} conversations, {erased.claims} claims and "
        f"{erased.memories} memories. Backups that were made before still have them."
    )


def _write(path: Path, records: Iterable[ExportUserResponse]) -> Counter[str]:
    """Writes the records as they come; how many there were of each kind."""
    counts: Counter[str] = Counter()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, group in groupby(records, lambda record: record.WhichOneof("record") or ""):
            with archive.open(FILES[kind], "w", force_zip64=True) as lines:
                for record in group:
                    said = MessageToDict(getattr(record, kind), preserving_proto_field_name=True)
                    lines.write(json.dumps(said, ensure_ascii=False).encode() + b"\n")
                    counts[kind] += 1
        for kind, name in FILES.items():
            if not counts[kind]:
                archive.writestr(name, b"")
    return counts


def _plain(user: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "._-@" else "_" for sign in user).lstrip(".") or "user"
