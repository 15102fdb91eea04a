"""`nodexa keys …`: the secrets that applications call with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ListApiKeysRequest,
    ListApiKeysResponse,
    RevokeApiKeyRequest,
)

from service.cli.connection import connect
from service.cli.document import number, time_of, word, words
from service.cli.options import data_option, json_option
from service.cli.output import print_json, print_table

_SCOPES: Final = ApiKey.Scope.DESCRIPTOR
_DIALECTS: Final = ApiKey.Dialect.DESCRIPTOR


@click.group()
def keys() -> None:
    """API keys of your organization."""


@keys.command()
@click.option("--name", required=True, help="For people: what the key is for.")
@click.option("--scope", "scopes", type=click.Choice(words(_SCOPES)), multiple=True, required=True, help="Repeatable.")
@click.option("--dialect", type=click.Choice(words(_DIALECTS)), default="openai", help="What its streams say.")
@data_option
@json_option
def create(*, name: str, scopes: Sequence[str], dialect: str, data: Path | None, as_json: bool) -> None:
    """Make a key. Its secret is printed once and kept nowhere."""
    wanted = CreateApiKeyRequest(
        name=name,
        scopes=[ApiKey.Scope.ValueType(number(_SCOPES, scope)) for scope in scopes],
        dialect=ApiKey.Dialect.ValueType(number(_DIALECTS, dialect)),
    )
    with connect(data) as core:
        made: CreateApiKeyResponse = core.ask(core.admin.CreateApiKey, wanted)
    if as_json:
        print_json(made)
        return
    click.echo(made.secret)
    click.echo(f"That is the secret of {made.api_key.id}. It is shown this once: keep it now.", err=True)


@keys.command("list")
@data_option
@json_option
def list_(*, data: Path | None, as_json: bool) -> None:
    """List the keys, the oldest first."""
    answer = ListApiKeysResponse()
    with connect(data) as core:
        for page in core.pages(core.admin.ListApiKeys, ListApiKeysRequest()):
            answer.api_keys.extend(page.api_keys)
    if as_json:
        print_json(answer)
        return
    rows = [
        (key.id, key.name, ", ".join(word(_SCOPES, scope) for scope in key.scopes), f"…{key.hint}", _state(key))
        for key in answer.api_keys
    ]
    print_table(("id", "name", "scopes", "ends in", "state"), rows, empty="No keys.")


@keys.command()
@click.argument("key_id", metavar="KEY")
@data_option
@json_option
def revoke(*, key_id: str, data: Path | None, as_json: bool) -> None:
    """Revoke a key (key_…) at once."""
    with connect(data) as core:
        key: ApiKey = core.ask(core.admin.RevokeApiKey, RevokeApiKeyRequest(id=key_id))
    if as_json:
        print_json(key)
    else:
        click.echo(f"Revoked {key.id} ({key.name}).")


def _state(key: ApiKey) -> str:
    return f"revoked {time_of(key.revoke_time)}" if key.HasField("revoke_time") else "works"
