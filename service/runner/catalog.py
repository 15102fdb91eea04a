"""Which assistant answers and which model writes: read from the store, kept at hand for a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.model import Model
from service.runner.at_hand import AtHand
from service.store.administration import Administration

MOST_AT_HAND: Final = 10_000

OpenModel = Callable[[ModelConfig], Model]

log = logging.getLogger(__name__)


class Catalog:
    """Assistants and models by name. `from_file` are the operator's own models; they hide stored ones."""

    def __init__(self, store: Administration, *, open_model: OpenModel, from_file: Mapping[str, ModelConfig]) -> None:
        self._store = store
        self._open_model = open_model
        self._from_file = from_file
        self._assistants: AtHand[tuple[str, str], Assistant] = AtHand(most=MOST_AT_HAND)
        self._configs: AtHand[None, dict[str, ModelConfig]] = AtHand(most=1)
        self._open: dict[str, tuple[ModelConfig, Model]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def at_hand(self, org_id: str, assistant_id: str) -> Assistant | None:
        """The assistant, if it was asked for a moment ago."""
        return self._assistants.find((org_id, assistant_id))

    async def assistant(self, org_id: str, assistant_id: str) -> Assistant:
        """The assistant. Raises NodexaError `assistant_not_found`."""
        name = (org_id, assistant_id)
        assistant = await self._assistants.get(name, lambda: self._store.assistant(org_id, assistant_id))
        if assistant is None:
            raise NodexaError("assistant_not_found", f"No assistant {assistant_id!r}.", param="model")
        return assistant

    def open_at_hand(self, name: str) -> Model | None:
        """The model, if it is open and what is known of it was read a moment ago."""
        known = self._configs.find(None)
        opened = self._open.get(name)
        return opened[1] if known is not None and opened is not None and opened[0] is known.get(name) else None

    async def configs(self) -> Sequence[ModelConfig]:
        """All models by name, the operator's file included."""
        return [config for _, config in sorted((await self._known()).items())]

    async def model(self, name: str) -> Model:
        """The model, opened. Raises NodexaError `model_not_found`: the assistant names one that was removed."""
        config = (await self._known()).get(name)
        if config is None:
            # Another core of this database may have just added it.
            self._configs.forget()
            config = (await self._known()).get(name)
        if config is None:
            message = f"The model {name!r} doesn't exist: add it, or give the assistant another."
            raise NodexaError("model_not_found", message, param="model")
        opened = self._open.get(name)
        if opened is None or opened[0] != config:
            self._open[name] = (config, self._open_model(config))
            if opened is not None:
                self._close_later(opened[1])
        return self._open[name][1]

    async def warm(self) -> None:
        """Prepares the models that assistants use, so that no first question waits for weights to load."""
        for config in await self.configs():
            if not await self._store.uses_model(config.name):
                continue
            try:
                await (await self.model(config.name)).warm()
            except NodexaError as error:
                # Whoever asks this model is told; the others are prepared all the same.
                log.warning("model %s is not ready: %s", config.name, error.message)

    def forget(self) -> None:
        """Reads everything anew: an administrator changed something."""
        self._assistants.forget()
        self._configs.forget()

    async def close(self) -> None:
        """Closes every model."""
        await asyncio.gather(*self._closing, *(model.close() for _, model in self._open.values()))
        self._open.clear()

    async def _known(self) -> dict[str, ModelConfig]:
        return self._configs.find(None) or await self._configs.get(None, self._read_configs) or {}

    async def _read_configs(self) -> dict[str, ModelConfig]:
        return {config.name: config for config in await self._store.models()} | dict(self._from_file)

    def _close_later(self, model: Model) -> None:
        task = asyncio.create_task(model.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
