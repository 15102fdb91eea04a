"""What the pieces are given: replies, requests, a store and a core, each as the server has them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from tests.conftest import CoreUnderTest, model, running_core, settings

T = TypeVar("T")

__all__ = ["model", "settings"]


class Loop:
    """An event loop that stands between the calls, so that a benchmark needs no test that is a coroutine."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.open = AsyncExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine to its end."""
        return self._runner.run(work)

    def close(self) -> None:
        """Closes what was opened in it, then itself."""
        self.run(self.open.aclose())
        self._runner.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop for one benchmark."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def core(loop: Loop, settings: Any, model: Any, tmp_path: Path) -> CoreUnderTest:
    """A running core in that loop."""
    return loop.run(loop.open.enter_async_context(running_core(settings, model)))
