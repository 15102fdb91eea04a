"""Writes the README's table of request fields from the table that the bridge works by: `python docs/parameters.py`."""

from __future__ import annotations

from pathlib import Path

from rest_bridge.wire.request import FIELDS, Treatment

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- parameters: begin -->\n", "<!-- parameters: end -->\n"


def table() -> str:
    """One row a treatment, with its fields in the order of their table."""
    rows = ["| treatment | fields |", "|---|---|"]
    for treatment in Treatment:
        names = [f"`{name}`" for name, field in FIELDS.items() if field.treatment is treatment]
        rows.append(f"| **{treatment.name.lower()}**: {treatment.value} | {', '.join(names)} |")
    return "\n".join(rows) + "\n"


def with_table(readme: str) -> str:
    """The README's text with the table as it must be."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
