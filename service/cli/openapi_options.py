"""The options that make tools of an OpenAPI document, and the tools that come of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import Tool

_NAMES: Final = ("openapi", "operations", "openapi_server", "openapi_provider", "openapi_header")


def openapi_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command, which must hand their values to `imported`."""
    for option in (
        click.option(
            "--openapi-header",
            multiple=True,
            metavar="NAME=VALUE",
            help="A header of every call; $NODEXA_TOOL_… at the end of VALUE is a variable of the core's. Repeatable.",
        ),
        click.option("--openapi-provider", metavar="NAME", help="Whose token of the user is sent with every call."),
        click.option("--openapi-server", metavar="URL", help="Where the API is, if the document doesn't say."),
        click.option("--operations", metavar="A,B", help="Which operations of it, by operationId; or all."),
        click.option(
            "--openapi",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Add REST tools from an OpenAPI 3 document, JSON or YAML.",
        ),
    ):
        command = option(command)
    return command


def imported(values: dict[str, Any]) -> list[Tool]:
    """Takes these options out of `values`; returns the tools that they describe. Raises UsageError, BadParameter."""
    given = {name: values.pop(name) for name in _NAMES}
    if given["openapi"] is None:
        if lone := [name for name in _NAMES if given[name]]:
            raise click.UsageError(f"--{lone[0].replace('_', '-')} needs --openapi.")
        return []
    if not given["operations"]:
        raise click.UsageError("--openapi needs --operations: which ones, with commas between, or all.")
    if values.get("tools") is not None:
        raise click.UsageError("--tools and --openapi can't be given together.")
    from service.cli.openapi_file import Attached, read_operations

    attached = Attached(
        server=given["openapi_server"] or "",
        provider=given["openapi_provider"] or "",
        headers=given["openapi_header"],
    )
    tools = read_operations(given["openapi"], given["operations"], attached)
    return [Tool(opaque=Opaque(type="rest", json=json.dumps(tool, ensure_ascii=False))) for tool in tools]


def tool_name(tool: Tool) -> str:
    """The name of a tool; of one that has none, its type."""
    kind = tool.WhichOneof("kind") or "function"
    if kind == "opaque":
        return str(json.loads(tool.opaque.json).get("name") or tool.opaque.type)
    return str(getattr(tool, kind).name)


def joined(tools: Sequence[Tool], more: Sequence[Tool]) -> list[Tool]:
    """Tools and more of them; one of the same name takes the place of the other."""
    names = {tool_name(tool) for tool in more}
    return [*(tool for tool in tools if tool_name(tool) not in names), *more]
