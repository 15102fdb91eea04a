"""One core for a whole module, and a second organization of a core."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from service.model.scripted import ScriptedModel
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.keys import as_another_organization


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CoreUnderTest]:
    """A running core, for tables of requests that are refused, which leave nothing behind.

    Its tests need `@pytest.mark.asyncio(loop_scope="module")`.
    """
    data = tmp_path_factory.mktemp("shared") / "var"
    settings = replace(Settings(), data=data, listen=("127.0.0.1:0",), grace=0.2, drain=0.2)
    async with running_core(settings, ScriptedModel()) as running:
        yield running


@pytest.fixture
async def other(core: CoreUnderTest) -> CoreUnderTest:
    """The same core as a second organization sees it: with its own key and assistant."""
    return (await as_another_organization(core))[0]
