"""`nodexa organizations …`: the tenants of an installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import Organization
from nodexa.v1.admin_service_pb2 import (
    CreateOrganizationRequest,
    CreateOrganizationResponse,
    GetOrganizationRequest,
    ListOrganizationsRequest,
    ListOrganizationsResponse,
    UpdateOrganizationRequest,
)

from service.cli.connection import connect
from service.cli.document import time_of
from service.cli.limits import given_limits, limit_options, limits_text
from service.cli.options import data_option, json_option
from service.cli.output import print_fields, print_json, print_table


@click.group()
def organizations() -> None:
    """Tenants of this installation (operator only)."""


@organizations.command()
@click.option("--name", required=True, help="For people.")
@data_option
@json_option
def create(*, name: str, data: Path | None, as_json: bool) -> None:
    """Make an organization and its first full_access key, whose secret is printed once."""
    with connect(data) as core:
        made: CreateOrganizationResponse = core.ask(core.admin.CreateOrganization, CreateOrganizationRequest(name=name))
    if as_json:
        print_json(made)
        return
    click.echo(made.secret)
    click.echo(f"That is the full_access key of {made.organization.id}. It is shown this once: keep it now.", err=True)


@organizations.command("list")
@data_option
@json_option
def list_(*, data: Path | None, as_json: bool) -> None:
    """List the organizations, the oldest first."""
    answer = ListOrganizationsResponse()
    with connect(data) as core:
        for page in core.pages(core.admin.ListOrganizations, ListOrganizationsRequest()):
            answer.organizations.extend(page.organizations)
    if as_json:
        print_json(answer)
        return
    rows = [
        (each.id, each.name, _state(each), limits_text(each.limits), time_of(each.create_time))
        for each in answer.organizations
    ]
    print_table(("id", "name", "state", "limits", "made (UTC)"), rows, empty="No organizations.")


@organizations.command()
@click.argument("organization_id", metavar="[ORGANIZATION]", default="")
@data_option
@json_option
def show(*, organization_id: str, data: Path | None, as_json: bool) -> None:
    """Show an organization; without its id, your own, which anybody may."""
    with connect(data) as core:
        found: Organization = core.ask(core.admin.GetOrganization, GetOrganizationRequest(id=organization_id))
    if as_json:
        print_json(found)
        return
    made, limits = time_of(found.create_time), limits_text(found.limits) or "none"
    fields = [("id", found.id), ("name", found.name), ("state", _state(found)), ("limits", limits)]
    print_fields([*fields, ("made (UTC)", made)])


@organizations.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@click.option("--name", help="For people.")
@limit_options
@data_option
@json_option
def update(*, organization_id: str, name: str | None, data: Path | None, as_json: bool, **limits: Any) -> None:
    """Change an organization: its name, and what all of its keys may use together. What is not named stays."""
    wanted, paths = given_limits(limits)
    organization = Organization(id=organization_id, limits=wanted)
    if name is not None:
        organization.name = name
        paths.append("name")
    if not paths:
        raise click.UsageError("Nothing to change: name at least one option.")
    request = UpdateOrganizationRequest(organization=organization, update_mask=FieldMask(paths=paths))
    with connect(data) as core:
        changed: Organization = core.ask(core.admin.UpdateOrganization, request)
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Changed {changed.id} ({changed.name}). Limits: {limits_text(changed.limits) or 'none'}.")


@organizations.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@data_option
@json_option
def disable(*, organization_id: str, data: Path | None, as_json: bool) -> None:
    """Refuse an organization's keys from now on."""
    _set_disabled(organization_id, data, as_json, disabled=True)


@organizations.command()
@click.argument("organization_id", metavar="ORGANIZATION")
@data_option
@json_option
def enable(*, organization_id: str, data: Path | None, as_json: bool) -> None:
    """Let an organization's keys work again."""
    _set_disabled(organization_id, data, as_json, disabled=False)


def _set_disabled(organization_id: str, data: Path | None, as_json: bool, *, disabled: bool) -> None:
    wanted = Organization(id=organization_id, disabled=disabled)
    request = UpdateOrganizationRequest(organization=wanted, update_mask=FieldMask(paths=["disabled"]))
    with connect(data) as core:
        organization: Organization = core.ask(core.admin.UpdateOrganization, request)
    if as_json:
        print_json(organization)
    else:
        click.echo(f"{organization.id} ({organization.name}) is {_state(organization)}.")


def _state(organization: Organization) -> str:
    if organization.disabled:
        return "disabled"
    return "enabled, operator" if organization.operator else "enabled"
