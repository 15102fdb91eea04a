"""What commands print: one JSON document, a table, or the fields of one thing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.document import document, printable

# A table that goes to a file or another program is not folded to a window that isn't there.
_WIDE: Final = 1000


def print_json(value: Message | dict[str, Any]) -> None:
    """Prints one JSON document, indented, as UTF-8."""
    content = document(value) if isinstance(value, Message) else value
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Prints rows under headings, nothing cut off; `empty` is said where there are none."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if table.row_count:
        _print(table)
    else:
        click.echo(empty)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Prints one thing, a line a field; fields without a value are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value:
            table.add_row(name, Text(printable(value)))
    _print(table)


def _print(table: Table) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())
