"""Which model an assistant gets: opened once, opened anew when it changes, and closed when nobody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Assistant, Model, Organization

from service.errors import NodexaError
from service.model.scripted import ScriptedModel
from service.runner.catalog import Catalog
from service.store.administration import Administration
from service.store.database import Database


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Administration]:
    database = await Database.open(tmp_path / "test.db")
    yield Administration(database)
    await database.close()


class Shop:
    """Opens models and remembers them by name."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, ScriptedModel]] = []

    def open(self, config: Model) -> ScriptedModel:
        model = ScriptedModel()
        self.opened.append((config.name, model))
        return model


def catalog_of(store: Administration, shop: Shop, **from_file: Model) -> Catalog:
    return Catalog(store, open_model=shop.open, from_file=from_file)


def chat(name: str, base_url: str = "http://h/v1") -> Model:
    return Model(name=name, kind=Model.KIND_OPENAI_CHAT, base_url=base_url)


async def test_a_model_is_opened_once_for_all(store: Administration) -> None:
    shop = Shop()
    catalog = catalog_of(store, shop)
    await store.add_model(chat("a"), now=0)

    found = await asyncio.gather(*(catalog.model("a") for _ in range(10)))

    assert len(shop.opened) == 1
    assert {id(model) for model in found} == {id(shop.opened[0][1])}


async def test_a_changed_model_is_opened_anew_and_the_old_one_closed(store: Administration) -> None:
    shop = Shop()
    catalog = catalog_of(store, shop)
    await store.add_model(chat("a"), now=0)
    old = await catalog.model("a")

    await store.delete_model("a")
    await store.add_model(chat("a", "http://other/v1"), now=0)
    catalog.forget()
    new = await catalog.model("a")
    await catalog.close()

    assert new is not old
    assert [model.closed for _, model in shop.opened] == [True, True]


async def test_the_operator_s_file_hides_a_stored_model(store: Administration) -> None:
    shop = Shop()
    theirs = chat("a", "http://file/v1")
    catalog = catalog_of(store, shop, a=theirs)
    await store.add_model(chat("a"), now=0)
    await store.add_model(chat("b"), now=0)

    assert [config.name for config in await catalog.configs()] == ["a", "b"]
    assert (await catalog.configs())[0] == theirs


async def test_what_does_not_exist_is_said_to(store: Administration) -> None:
    catalog = catalog_of(store, Shop())

    with pytest.raises(NodexaError, match="'gone' doesn't exist"):
        await catalog.model("gone")
    with pytest.raises(NodexaError) as refused:
        await catalog.assistant("org_1", "asst_1")
    assert refused.value.code == "assistant_not_found"


async def test_a_change_is_seen_when_it_is_told(store: Administration) -> None:
    catalog = catalog_of(store, Shop())
    await store.add_organization(Organization(id="org_1", name="O"), now=0)
    assistant = Assistant(id="asst_1", name="Old", model="a")
    await store.add_assistant(assistant, org_id="org_1", now=0)
    assert (await catalog.assistant("org_1", "asst_1")).name == "Old"

    assistant.name = "New"
    await store.update_assistant(assistant, now=1)
    catalog.forget()

    assert (await catalog.assistant("org_1", "asst_1")).name == "New"


async def test_a_model_that_cannot_be_opened_keeps_no_other_from_being_prepared(store: Administration) -> None:
    opened: list[str] = []

    def open_model(config: Model) -> ScriptedModel:
        opened.append(config.name)
        if config.name == "broken":
            raise NodexaError("upstream_error", "It is configured wrongly.")
        return ScriptedModel()

    catalog = Catalog(store, open_model=open_model, from_file={})
    await store.add_organization(Organization(id="org_1", name="o"), now=0)
    for name in ("broken", "good"):
        await store.add_model(chat(name), now=0)
        await store.add_assistant(Assistant(id=f"asst_{name}", name=name, model=name), org_id="org_1", now=0)

    await catalog.warm()

    assert opened == ["broken", "good"]
