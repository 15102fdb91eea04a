"""Which class answers for which kind of model: the one table from an administrator's configuration to a Model."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model import weights
from service.model.embedded import EmbeddedModel
from service.model.embedder import Embedder
from service.model.http_client import parse_address
from service.model.model import Model
from service.model.openai_chat import OpenAIChat
from service.model.openai_responses import OpenAIResponses
from service.settings import FILE_NAME, EmbeddingsSettings, SettingsError

Environment = Mapping[str, str]


def open_model(config: ModelConfig, *, environment: Environment) -> Model:
    """Returns the model; nothing is loaded or connected yet. Raises NodexaError where the configuration is wrong.

    `environment` is read again for each request: that a key is missing is an error of the request.
    """
    try:
        return _kind(config).open(config, environment)
    except ValueError as error:
        raise NodexaError("upstream_error", f"The model {config.name!r} is configured wrongly: {error}.") from None


def problem(config: ModelConfig, *, environment: Environment) -> str:
    """Returns why the model can't answer now, in words for the administrator; empty when it seems fine."""
    try:
        return _kind(config).problem(config, environment)
    except ValueError as error:
        return str(error)


def open_embedder(settings: EmbeddingsSettings, *, environment: Environment) -> Embedder:
    """The model that embeds texts; nothing is connected yet. Raises SettingsError where its settings are wrong."""
    config = ModelConfig(name=settings.model, api_key_env=settings.api_key_env)
    try:
        return Embedder(settings, api_key=_key_asker(config, environment))
    except ValueError as error:
        raise SettingsError(f"[embeddings] in {FILE_NAME}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Kind:
    open: Callable[[ModelConfig, Environment], Model]
    problem: Callable[[ModelConfig, Environment], str]


def _kind(config: ModelConfig) -> _Kind:
    try:
        return KINDS[config.kind]
    except KeyError:
        raise ValueError("its kind is none that this version knows") from None


def _open_embedded(config: ModelConfig, environment: Environment) -> Model:
    return EmbeddedModel(config, environment=environment, cores=os.cpu_count() or 1)


def _embedded_problem(config: ModelConfig, _: Environment) -> str:
    weights.find(config.gguf)
    return ""


def _key_asker(config: ModelConfig, environment: Environment) -> Callable[[], str]:
    def api_key() -> str:
        if wrong := _key_problem(config, environment):
            raise NodexaError("upstream_auth_error", f"The model {config.name!r} can't be asked: {wrong}.")
        return _key(config, environment)

    return api_key


def _open_chat(config: ModelConfig, environment: Environment) -> Model:
    return OpenAIChat(config, api_key=_key_asker(config, environment))


def _open_responses(config: ModelConfig, environment: Environment) -> Model:
    return OpenAIResponses(config, api_key=_key_asker(config, environment))


def _server_problem(config: ModelConfig, environment: Environment) -> str:
    parse_address(config.base_url, "")
    return _key_problem(config, environment)


def with_extra(module: str, name: str, *, needs: str, extra: str) -> _Kind:
    """The entry of a kind whose class `name`, in `module`, imports the package `needs`, which only an extra brings.

    Nothing of it is imported before such a model is opened.
    """

    def missing() -> str:
        if importlib.util.find_spec(needs) is not None:
            return ""
        return f'the package {needs} is not installed where the core runs: pip install "nodexa[{extra}]"'

    def open_it(config: ModelConfig, environment: Environment) -> Model:
        if lacks := missing():
            raise NodexaError("upstream_error", f"The model {config.name!r} can't be asked: {lacks}.")
        opened: Model = getattr(importlib.import_module(module), name)(config, api_key=_key_asker(config, environment))
        return opened

    def problem_of(config: ModelConfig, environment: Environment) -> str:
        if config.base_url:
            parse_address(config.base_url, "")
        return missing() or _key_problem(config, environment)

    return _Kind(open_it, problem_of)


def _key(config: ModelConfig, environment: Environment) -> str:
    return environment.get(config.api_key_env, "").strip() if config.api_key_env else ""


def _key_problem(config: ModelConfig, environment: Environment) -> str:
    if not config.api_key_env:
        return ""
    key = _key(config, environment)
    if not key:
        return f"the environment variable {config.api_key_env} is not set where the core runs"
    if not (key.isascii() and key.isprintable()):
        return f"the environment variable {config.api_key_env} holds no key: only printable ASCII can be sent"
    return ""


KINDS: Mapping[ModelConfig.Kind.ValueType, _Kind] = {
    ModelConfig.KIND_EMBEDDED: _Kind(_open_embedded, _embedded_problem),
    ModelConfig.KIND_OPENAI_CHAT: _Kind(_open_chat, _server_problem),
    ModelConfig.KIND_OPENAI_RESPONSES: _Kind(_open_responses, _server_problem),
    ModelConfig.KIND_ANTHROPIC: with_extra(
        "service.model.anthropic_model", "AnthropicModel", needs="anthropic", extra="anthropic"
    ),
    ModelConfig.KIND_GEMINI: with_extra(
        "service.model.gemini_model", "GeminiModel", needs="google.genai", extra="gemini"
    ),
}
