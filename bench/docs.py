"""`python -m bench.docs`: puts the sections of the benches' reports where docs/performance.md has a place for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bench.report import HERE

PAGE: Final = HERE.parent / "docs" / "performance.md"
# <!-- results.md: Targets --> what stands here is replaced <!-- end -->
_PLACE: Final = re.compile(r"(<!-- (\S+\.md): (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, folder: Path) -> str:
    """The page with what the reports in a folder say now; where a section is missing, the page keeps what it has."""

    def text(place: re.Match[str]) -> str:
        head, report, title, end = place.groups()
        found = section(folder / report, title)
        return place[0] if found is None else f"{head}{found}\n{end}"

    return _PLACE.sub(text, page)


def section(report: Path, title: str) -> str | None:
    """What stands below a heading of a report, up to the next one."""
    if not report.exists():
        return None
    parts = re.split(r"^#+ (.+)$", report.read_text(), flags=re.MULTILINE)
    return next((text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True) if name == title), None)


def fill() -> None:
    """Writes the page."""
    PAGE.write_text(filled(PAGE.read_text(), HERE))


if __name__ == "__main__":
    fill()
