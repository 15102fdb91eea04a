"""`nodexa tools …`: which tools an assistant has, and a call of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from nodexa.v1.admin_service_pb2 import (
    AssistantTool,
    ListAssistantToolsRequest,
    ListAssistantToolsResponse,
    TryToolRequest,
    TryToolResponse,
)

from service.cli.assistants import assistant_id
from service.cli.connection import connect
from service.cli.document import word
from service.cli.options import data_option, json_option
from service.cli.output import print_fields, print_json, print_table

SECONDS: Final = 120.0
"""Longer than a source and a call may take."""
_RUNNERS: Final = AssistantTool.Runner.DESCRIPTOR
_tokens_option: Final = click.option(
    "--user-token",
    "tokens",
    multiple=True,
    metavar="PROVIDER=TOKEN",
    help="A token of a user, for the tools that act for users. Repeatable.",
)


@click.group()
def tools() -> None:
    """The tools of an assistant, and a call of one."""


@tools.command("list")
@click.argument("assistant")
@_tokens_option
@data_option
@json_option
def list_(*, assistant: str, tokens: Sequence[str], data: Path | None, as_json: bool) -> None:
    """List the tools of an assistant, by id or name; servers of tools are asked for theirs."""
    given = _user_tokens(tokens)
    with connect(data) as core:
        request = ListAssistantToolsRequest(assistant_id=assistant_id(core, assistant), user_tokens=given)
        answer: ListAssistantToolsResponse = core.ask(core.admin.ListAssistantTools, request, seconds=SECONDS)
    if as_json:
        print_json(answer)
        return
    rows = [
        (tool.name, tool.type, word(_RUNNERS, tool.runner), "asked for" if tool.approval else "")
        for tool in answer.tools
    ]
    print_table(("name", "type", "run by", "approval"), rows, empty="No tools.")
    for wanted in answer.tokens_wanted:
        click.echo(f"{_wanted(wanted.provider, wanted.url)}, to see all tools.", err=True)
    for problem in answer.problems:
        click.echo(f"No tools of {problem}", err=True)


@tools.command()
@click.argument("assistant")
@click.argument("tool")
@click.option("--args", "arguments", metavar="JSON", default="{}", help="The arguments: a JSON object.")
@_tokens_option
@data_option
@json_option
def test(*, assistant: str, tool: str, arguments: str, tokens: Sequence[str], data: Path | None, as_json: bool) -> None:
    """Call a tool of an assistant once, as the platform would; what it does is done. Exits with 1 if the call fails."""
    given = _user_tokens(tokens)
    with connect(data) as core:
        request = TryToolRequest(
            assistant_id=assistant_id(core, assistant), tool=tool, arguments_json=arguments, user_tokens=given
        )
        answer: TryToolResponse = core.ask(core.admin.TryTool, request, seconds=SECONDS)
    if as_json:
        print_json(answer)
    else:
        print_fields(_fields(answer, tool))
    if answer.WhichOneof("outcome") != "output":
        click.get_current_context().exit(1)


def _fields(answer: TryToolResponse, tool: str) -> list[tuple[str, str]]:
    told = answer.tool
    kind = answer.WhichOneof("outcome")
    failure, wanted = answer.failure, answer.token_wanted
    done = ("yes" if failure.done else "no") if failure.HasField("done") else "nobody knows"
    return [
        ("tool", " ".join(filter(None, (told.name or tool, told.type and f"({told.type})")))),
        ("approval", "asked for in responses" if told.approval else ""),
        ("arguments", answer.arguments_json),
        ("output", (answer.output or "(empty)") if kind == "output" else ""),
        ("error", f"{failure.code}: {failure.message}" if kind == "failure" else ""),
        ("done", done if kind == "failure" else ""),
        ("token wanted", f"{_wanted(wanted.provider, wanted.url)}." if kind == "token_wanted" else ""),
        ("took", f"{answer.duration.ToMilliseconds()} ms" if told.name else ""),
    ]


def _wanted(provider: str, url: str) -> str:
    where = f", which the user gives at {url}" if url else ""
    return f"A token of {provider} is wanted: --user-token {provider}=…{where}"


def _user_tokens(tokens: Sequence[str]) -> dict[str, str]:
    """The tokens by provider. Raises BadParameter without repeating what may be a token."""
    pairs = [token.partition("=") for token in tokens]
    if not all(provider and token for provider, _, token in pairs):
        raise click.BadParameter("A token is PROVIDER=TOKEN.", param_hint="--user-token")
    return {provider: token for provider, _, token in pairs}
