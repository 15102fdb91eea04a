"""Opens a model on a fake Messages server."""

from __future__ import annotations

from typing import Any

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.model.anthropic_model import AnthropicModel
from tests.service.model.chat_client import Naps


def model_on(url: str, *, upstream: str = "claude-opus-5-5", **options: Any) -> AnthropicModel:
    """Returns a model named `m` on the server at `url`."""
    config = ModelConfig(name="m", kind=ModelConfig.KIND_ANTHROPIC, base_url=url, upstream_model=upstream)
    options.setdefault("sleep", Naps())
    return AnthropicModel(config, api_key=options.pop("api_key", lambda: "sk-canary"), chance=lambda: 0.5, **options)
