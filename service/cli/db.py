"""`nodexa db …`: the data directory's database, copied, put back, checked and pruned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import click
from nodexa.v1.admin_service_pb2 import PruneRequest, PruneResponse

from service.cli.connection import connect
from service.cli.directory import make_directory, unused
from service.cli.options import data_option, from_root, json_option
from service.cli.output import print_json
from service.cli.target import DEFAULT_DATA
from service.store.archive import ArchiveError, copy, problems

DATABASE: Final = "nodexa.db"
BESIDE: Final = ("master.key", "quickstart.env", "nodexa.toml")
"""What a database is little worth without: the first of them seals every API key."""

_directory_option: Final = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    callback=from_root,
    help="The data directory.  [default: var]",
)


@click.group()
def db() -> None:
    """Back up, restore, check and prune the database."""


@db.command()
@click.argument("target", type=click.Path(path_type=Path))
@_directory_option
def backup(*, target: Path, data: Path | None) -> None:
    """Copy the data directory into the new folder TARGET, while the core runs or not."""
    source = data or DEFAULT_DATA
    _expect_database(source)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise click.ClickException(f"{target} exists already: name a folder that doesn't.")
    _copy(source, make_directory(target))
    _expect_good(target)
    click.echo(f"Copied {source} to {target} and checked the copy. It holds secrets: keep it as safe as the original.")


@db.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_directory_option
def restore(*, source: Path, data: Path | None) -> None:
    """Put the backup SOURCE back, into a data directory without a database."""
    _expect_database(source)
    _expect_good(source)
    target = make_directory(data or DEFAULT_DATA)
    with unused(target):
        if there := [name for name in (DATABASE, *BESIDE) if (target / name).exists()]:
            raise click.ClickException(f"{target} has a {there[0]} already: move it away, or name another by --data.")
        _copy(source, target)
    click.echo(f"Restored {source} to {target}. Start it: nodexa serve --data {target}")


@db.command()
@_directory_option
def check(*, data: Path | None) -> None:
    """Read the whole database and say what is wrong with it, while the core runs or not."""
    source = data or DEFAULT_DATA
    _expect_database(source)
    _expect_good(source)
    click.echo(f"{source / DATABASE} is good.")


@db.command()
@data_option
@json_option
def prune(*, data: Path | None, as_json: bool) -> None:
    """Have the core delete now what was kept long enough (operator only); it does so itself every hour."""
    with connect(data) as core:
        pruned: PruneResponse = core.ask(core.admin.Prune, PruneRequest())
    if as_json:
        print_json(pruned)
    else:
        click.echo(f"Deleted {pruned.responses} responses, and the logs of {pruned.logs} that stay.")


def _expect_database(directory: Path) -> None:
    if not (directory / DATABASE).is_file():
        raise click.ClickException(f"There is no {DATABASE} in {directory}: name the directory that has it.")


def _expect_good(directory: Path) -> None:
    path = directory / DATABASE
    try:
        found = [f"{path}: {problem}" for problem in problems(path)]
    except ArchiveError as error:
        found = [str(error)]
    for problem in found:
        click.echo(problem, err=True)
    if found:
        raise click.ClickException(f"{path} is not good. Restore a backup: nodexa db restore BACKUP --data DIR")


def _copy(source: Path, target: Path) -> None:
    try:
        copy(source / DATABASE, target / DATABASE)
        for name in BESIDE:
            if (source / name).exists():
                shutil.copy2(source / name, target / name)
    except (ArchiveError, OSError) as error:
        raise click.ClickException(f"It can't be copied: {error}.") from None
