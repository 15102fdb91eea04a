"""`nodexa responses …`: what was answered, and what is being answered now."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

import click
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import (
    CancelResponseRequest,
    GetResponseRequest,
    ListResponsesRequest,
    ListResponsesResponse,
)

from service.cli.connection import connect
from service.cli.document import time_of, word
from service.cli.options import data_option, json_option
from service.cli.output import print_fields, print_json, print_table

_STATUSES: Final = Response.Status.DESCRIPTOR
_PREVIEW: Final = 60


@click.group()
def responses() -> None:
    """Stored responses of your organization."""


@responses.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The most to list.")
@data_option
@json_option
def list_(*, limit: int, data: Path | None, as_json: bool) -> None:
    """List the newest responses."""
    with connect(data) as core:
        pages = core.pages(core.responses.ListResponses, ListResponsesRequest())
        newest = itertools.islice((response for page in pages for response in page.responses), limit)
        answer = ListResponsesResponse(responses=newest)
    if as_json:
        print_json(answer)
        return
    rows = [
        (each.id, word(_STATUSES, each.status), time_of(each.create_time), _preview(each)) for each in answer.responses
    ]
    print_table(("id", "status", "made (UTC)", "text"), rows, empty="No responses yet.")


@responses.command()
@click.argument("response_id", metavar="RESPONSE")
@data_option
@json_option
def show(*, response_id: str, data: Path | None, as_json: bool) -> None:
    """Show a response (resp_…) as it stands now."""
    with connect(data) as core:
        response: Response = core.ask(core.responses.GetResponse, GetResponseRequest(id=response_id))
    if as_json:
        print_json(response)
    else:
        print_fields(_fields(response))


@responses.command()
@click.argument("response_id", metavar="RESPONSE")
@data_option
@json_option
def cancel(*, response_id: str, data: Path | None, as_json: bool) -> None:
    """Stop a running response (resp_…)."""
    with connect(data) as core:
        response: Response = core.ask(core.responses.CancelResponse, CancelResponseRequest(id=response_id))
    if as_json:
        print_json(response)
    else:
        click.echo(f"{response.id} is {word(_STATUSES, response.status)}.")


def _text(response: Response) -> str:
    parts = (part for item in response.output for part in item.message.content)
    return "".join(part.output_text.text or part.refusal.refusal for part in parts)


def _preview(response: Response) -> str:
    line = " ".join(_text(response).split())
    return line if len(line) <= _PREVIEW else line[: _PREVIEW - 1] + "…"


def _fields(response: Response) -> list[tuple[str, str]]:
    calls = [(item.function_call.name, item.function_call.arguments) for item in response.output]
    calls += [(item.custom_tool_call.name, item.custom_tool_call.input) for item in response.output]
    usage = f"{response.usage.input_tokens} in, {response.usage.output_tokens} out"
    return [
        ("id", response.id),
        ("status", word(_STATUSES, response.status)),
        ("why", response.incomplete_details.reason or response.error.message),
        ("assistant", response.assistant_id),
        ("continues", response.previous_response_id),
        ("made (UTC)", time_of(response.create_time)),
        ("ended (UTC)", time_of(response.complete_time)),
        ("tokens", usage if response.HasField("usage") else ""),
        *(("calls", f"{name}({words})") for name, words in calls if name),
        ("text", _text(response)),
    ]
