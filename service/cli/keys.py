"""`nodexa keys …`: the secrets that applications call with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ListApiKeysRequest,
    ListApiKeysResponse,
    RevokeApiKeyRequest,
    UpdateApiKeyRequest,
)

from service.cli.connection import Core, connect
from service.cli.document import number, time_of, word, words
from service.cli.limits import given_limits, limit_options, limits_text
from service.cli.options import data_option, json_option
from service.cli.output import print_fields, print_json, print_table

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
        answer.api_keys.extend(_all(core))
    if as_json:
        print_json(answer)
        return
    rows = [
        (key.id, key.name, _scopes(key), f"…{key.hint}", limits_text(key.limits), _state(key))
        for key in answer.api_keys
    ]
    print_table(("id", "name", "scopes", "ends in", "limits", "state"), rows, empty="No keys.")


@keys.command()
@click.argument("key_id", metavar="KEY")
@data_option
@json_option
def show(*, key_id: str, data: Path | None, as_json: bool) -> None:
    """Show a key (key_…)."""
    with connect(data) as core:
        found = [key for key in _all(core) if key.id == key_id]
    if not found:
        raise click.ClickException(f"No API key {key_id!r}. See `nodexa keys list`.")
    if as_json:
        print_json(found[0])
    else:
        print_fields(_fields(found[0]))


@keys.command()
@click.argument("key_id", metavar="KEY")
@click.option("--name", help="For people: what the key is for.")
@click.option("--dialect", type=click.Choice(words(_DIALECTS)), help="What its streams say.")
@limit_options
@data_option
@json_option
def update(
    *, key_id: str, name: str | None, dialect: str | None, data: Path | None, as_json: bool, **limits: Any
) -> None:
    """Change a key (key_…). What is not named stays.

    \b
    nodexa keys update KEY --requests-per-minute 60 --concurrent-runs 2
    """
    wanted, paths = given_limits(limits)
    key = ApiKey(id=key_id, limits=wanted)
    if name is not None:
        key.name = name
        paths.append("name")
    if dialect is not None:
        key.dialect = ApiKey.Dialect.ValueType(number(_DIALECTS, dialect))
        paths.append("dialect")
    if not paths:
        raise click.UsageError("Nothing to change: name at least one option.")
    request = UpdateApiKeyRequest(api_key=key, update_mask=FieldMask(paths=paths))
    with connect(data) as core:
        changed: ApiKey = core.ask(core.admin.UpdateApiKey, request)
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Changed {changed.id} ({changed.name}). Limits: {limits_text(changed.limits) or 'none'}.")


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


def _all(core: Core) -> list[ApiKey]:
    pages = core.pages(core.admin.ListApiKeys, ListApiKeysRequest())
    return [key for page in pages for key in page.api_keys]


def _fields(key: ApiKey) -> list[tuple[str, str]]:
    return [
        ("id", key.id),
        ("name", key.name),
        ("scopes", _scopes(key)),
        ("dialect", word(_DIALECTS, key.dialect) if key.dialect else ""),
        ("ends in", f"…{key.hint}"),
        ("limits", limits_text(key.limits) or "none"),
        ("made (UTC)", time_of(key.create_time)),
        ("state", _state(key)),
    ]


def _scopes(key: ApiKey) -> str:
    return ", ".join(word(_SCOPES, scope) for scope in key.scopes)


def _state(key: ApiKey) -> str:
    return f"revoked {time_of(key.revoke_time)}" if key.HasField("revoke_time") else "works"
