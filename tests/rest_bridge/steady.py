"""A bridge, a core and its model that serve many examples: they run in a loop of their own, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx

from rest_bridge.settings import Settings as BridgeSettings
from service.model.model import Model
from service.model.scripted import ScriptedModel
from service.settings import Settings
from tests.conftest import running_core
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge

T = TypeVar("T")
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Steady:
    """A running stack; `run` gives a coroutine to its loop and waits for what it returns."""

    bridge: BridgeUnderTest
    http: httpx.AsyncClient
    run: Callable[[Coroutine[Any, Any, Any]], Any]


@contextmanager
def steady(folder: Path, model: Callable[[], AbstractAsyncContextManager[Model]]) -> Iterator[Steady]:
    """A stack on `folder` whose every assistant is answered by `model`, which is opened in its loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Awaitable[T]) -> T:
        async def within() -> T:
            async with asyncio.timeout(SECONDS):
                return await coroutine

        return asyncio.run_coroutine_threadsafe(within(), loop).result()

    stack = AsyncExitStack()
    try:
        bridge = run(stack.enter_async_context(_serving(folder, model)))
        yield Steady(bridge, run(stack.enter_async_context(bridge.http())), run)
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()


@asynccontextmanager
async def _serving(
    folder: Path, model: Callable[[], AbstractAsyncContextManager[Model]]
) -> AsyncIterator[BridgeUnderTest]:
    settings = replace(Settings(), data=folder / "var", listen=("127.0.0.1:0",), grace=0.2, drain=0.2)
    async with (
        model() as opened,
        running_core(settings, cast(ScriptedModel, opened)) as core,
        running_bridge(core.address, BridgeSettings(), key=core.key, assistant_id=core.assistant_id) as bridge,
    ):
        yield bridge
