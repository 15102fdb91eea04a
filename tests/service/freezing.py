"""A core that is not heard of any more, though it runs."""

from __future__ import annotations

import asyncio

from tests.conftest import CoreUnderTest


async def freeze(core: CoreUnderTest) -> None:
    """Stops the core's heart, as a machine that is too slow would."""
    for chore in core.core.chores:
        chore.cancel()
    await asyncio.wait(core.core.chores)
