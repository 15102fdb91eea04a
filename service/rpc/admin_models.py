"""What AdminService does with models: those in the store, and those of the operator's file, which stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nodexa.v1.admin_pb2 import AuditEvent, Model

from service.errors import NodexaError
from service.rpc.admin_finding import unknown
from service.runner.catalog import Catalog
from service.settings import Clock
from service.store.administration import Administration


@dataclass(frozen=True, slots=True)
class Models:
    """All models. `problem` says why one can't answer."""

    store: Administration
    catalog: Catalog
    problem: Callable[[Model], str]
    clock: Clock

    def noting(self, event: AuditEvent) -> Models:
        """The same for one change, which `event` is written with."""
        return replace(self, store=self.store.noting(event))

    async def all(self) -> Sequence[Model]:
        """Each with its problem."""
        return [self._shown(model) for model in await self.catalog.configs()]

    async def add(self, model: Model) -> Model:
        """Stores a model that was checked. Raises NodexaError where there is one of its name."""
        known = any(each.name == model.name for each in await self.catalog.configs())
        if known or not await self.store.add_model(model, now=self.clock()):
            raise NodexaError("model_already_exists", f"There is a model {model.name!r}.", param="model.name")
        self.catalog.forget()
        return self._shown(model)

    async def delete(self, name: str) -> None:
        """Raises NodexaError for one that isn't there, is the operator's, or writes for an assistant."""
        found = {model.name: model for model in await self.catalog.configs()}.get(name)
        if found is None:
            raise unknown("model", name, param="name")
        if found.from_file:
            raise NodexaError("model_in_use", "This model comes from the operator's file.", param="name")
        if await self.store.uses_model(name):
            raise NodexaError(
                "model_in_use", f"An assistant writes with {name!r}; give it another first.", param="name"
            )
        await self.store.delete_model(name)
        self.catalog.forget()

    def _shown(self, model: Model) -> Model:
        shown = Model()
        shown.CopyFrom(model)
        shown.problem = self.problem(model)
        return shown
