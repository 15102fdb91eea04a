"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click


def from_root(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path | None:
    """`nodexa --data DIR keys list` and `nodexa keys list --data DIR` are the same."""
    inherited: Any = ctx.find_root().params.get("data")
    return value if value is not None else inherited


data_option: Final = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    callback=from_root,
    help="The data directory whose quickstart.env says which core and key.",
)

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
