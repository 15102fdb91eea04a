"""`nodexa audit …`: what administrators did."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import click
from nodexa.v1.admin_service_pb2 import ListAuditEventsRequest, ListAuditEventsResponse

from service.cli.connection import connect
from service.cli.document import time_of
from service.cli.options import data_option, json_option
from service.cli.output import print_json, print_table


@click.group()
def audit() -> None:
    """What was done to organizations, assistants, keys and models, and by which key."""


@audit.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to list.")
@click.option("--organization", default="", help="Only what its keys did (operator only, but for your own).")
@data_option
@json_option
def list_(*, limit: int, organization: str, data: Path | None, as_json: bool) -> None:
    """List the acts, the newest first. The operator sees all, others their organization's."""
    with connect(data) as core:
        pages = core.pages(core.admin.ListAuditEvents, ListAuditEventsRequest(organization_id=organization))
        newest = itertools.islice((event for page in pages for event in page.audit_events), limit)
        answer = ListAuditEventsResponse(audit_events=newest)
    if as_json:
        print_json(answer)
        return
    rows = [
        (time_of(each.create_time), each.api_key_id, each.act, each.target_id, _changes(json.loads(each.changes_json)))
        for each in answer.audit_events
    ]
    print_table(("when (UTC)", "by", "act", "what", "changes"), rows, empty="Nobody has changed anything.")


def _changes(changes: dict[str, Any]) -> str:
    return ", ".join(_change(path, change) for path, change in changes.items())


def _change(path: str, change: Any) -> str:
    if not isinstance(change, dict):
        return path
    if change["from"] is None:
        return f"{path}: {_word(change['to'])}"
    return f"{path}: {_word(change['from'])} → {_word(change['to'])}"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
