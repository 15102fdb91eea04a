"""Opens a model on a fake Gemini API."""

from __future__ import annotations

from typing import Any

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.model.gemini_model import GeminiModel
from tests.service.model.chat_client import Naps


def gemini_on(url: str, *, upstream_model: str = "gemini-up", **options: Any) -> GeminiModel:
    """Returns a model named `m` on the server at `url`."""
    config = ModelConfig(name="m", kind=ModelConfig.KIND_GEMINI, base_url=url, upstream_model=upstream_model)
    options.setdefault("sleep", Naps())
    return GeminiModel(config, api_key=options.pop("api_key", lambda: "canary"), chance=lambda: 0.5, **options)
