"""What a reply of the mock model server looks like: said by the prompt, so that it passes through any server."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(rb"bench:(\d+):(\d+):(\d):(\d+)")
STAMP = re.compile(rb"~(\d+)~")


@dataclass(frozen=True, slots=True)
class Shape:
    """A reply of so many tokens (or calls), with a pause before each; `stamped` ones carry the time they were sent at.

    A stamp is `~nanoseconds~` of the machine's monotonic clock, which all its processes share.
    """

    tokens: int = 200
    pause_ms: int = 0
    stamped: bool = False
    calls: int = 0

    def __str__(self) -> str:
        return f"bench:{self.tokens}:{self.pause_ms}:{self.stamped:d}:{self.calls}"


def shape_of(body: bytes) -> Shape:
    """The last shape in a request, because those before it are the history."""
    start = body.rfind(b"bench:")
    found = _WORD.match(body, start) if start >= 0 else None
    if found is None:
        return Shape()
    tokens, pause, stamped, calls = (int(group) for group in found.groups())
    return Shape(tokens, pause, bool(stamped), calls)
