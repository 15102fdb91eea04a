"""A core that runs fake tools, as a process that can be killed: `python -m tests.faults.tool_core CALLS --data …`.

Each call writes a line with its tool and its key into the file CALLS. The first call of a tool whose name begins with
`hang` never ends; later ones do.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from service.__main__ import main
from service.tools.tool import Call, Errand, Outcome
from tests.fakes.tool_kind import FakeKind, FakeTool


@dataclass(slots=True)
class Noting(FakeTool):
    """Notes that it was called."""

    notes: Path = field(default_factory=Path)

    async def run(self, call: Call, errand: Errand) -> Outcome:
        with self.notes.open("a") as lines:
            lines.write(f"{self.name} {call.key}\n")
        calls = [line for line in self.notes.read_text().splitlines() if line.startswith(f"{self.name} ")]
        if self.name.startswith("hang") and len(calls) == 1:
            await asyncio.Event().wait()
        return Outcome(f"{self.name} is done")


def tools(notes: Path) -> FakeKind:
    """What this core has."""
    return FakeKind(
        Noting("look", "", notes=notes),
        Noting("hang_safe", "", notes=notes),
        Noting("hang_unsafe", "", notes=notes, repeatable=False),
        Noting("hang_quiet", "", notes=notes, type=""),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], kinds={"mcp": tools(Path(sys.argv[1]))}))
