"""The command `nodexa` and the table of its commands; a command's module is imported when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

import click

from service.cli.options import data_option
from service.cli.processes import import_environment, module_command

# `serve` must answer fast, so nothing here may import grpc, protobuf or rich.
COMMANDS: Final[Mapping[str, str]] = {
    "serve": "service.cli.serve:serve",
    "chat": "service.cli.chat:chat",
    "assistants": "service.cli.assistants:assistants",
    "tools": "service.cli.tools:tools",
    "knowledge": "service.cli.knowledge:knowledge",
    "models": "service.cli.models:models",
    "keys": "service.cli.keys:keys",
    "organizations": "service.cli.organizations:organizations",
    "users": "service.cli.users:users",
    "audit": "service.cli.audit:audit",
    "responses": "service.cli.responses:responses",
    "connect": "service.cli.connect:connect",
    "db": "service.cli.db:db",
    "core": "service.cli.app:core",
    "bridge": "service.cli.app:bridge",
}


class LazyGroup(click.Group):
    """A group whose commands are named in COMMANDS and found when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Prints the installed version and ends."""
    if not value or ctx.resilient_parsing:
        return
    try:
        version = metadata.version("nodexa")
    except metadata.PackageNotFoundError:
        version = "(not installed: running from its source)"
    click.echo(f"nodexa {version}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Say which.")
@data_option
def nodexa(data: Path | None) -> None:
    """Nodexa: a self-hosted, durable Responses API.

    `nodexa serve` runs everything here. The other commands talk to a core, this machine's or another's: the one of
    --data DIR, else of the environment's NODEXA_GRPC and NODEXA_API_KEY, else of ./var.
    """


_PASSED_ON: Final = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(context_settings=_PASSED_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def core(arguments: Sequence[str]) -> None:
    """Run the core alone: gRPC, models and the store."""
    _become("service", arguments)


@click.command(context_settings=_PASSED_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bridge(arguments: Sequence[str]) -> None:
    """Run a bridge alone: HTTP in front of a core."""
    _become("rest_bridge", arguments)


def _become(module: str, arguments: Sequence[str]) -> None:
    sys.stdout.flush()
    os.execve(sys.executable, module_command(module, arguments), import_environment(os.environ, sys.path))  # noqa: S606
