"""A model's configuration opens the right model, or says what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.chunk import text_of
from service.model.directory import KINDS, open_model, problem, with_extra
from tests.fakes.chat_server import ChatServer
from tests.service.model.chat_client import answer, asking

CHAT = ModelConfig.KIND_OPENAI_CHAT


def config(**fields: Any) -> ModelConfig:
    return ModelConfig(**{"name": "m", "kind": CHAT, "base_url": "http://127.0.0.1:1/v1", **fields})


def test_every_kind_has_its_entry() -> None:
    assert set(KINDS) == set(ModelConfig.Kind.values()) - {ModelConfig.KIND_UNSPECIFIED}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"kind": ModelConfig.KIND_UNSPECIFIED}, "kind"),
        ({"base_url": ""}, "http://"),
        ({"base_url": "ftp://host/v1"}, "http://"),
        ({"base_url": "http://"}, "host"),
        ({"base_url": "http://host:99999/v1"}, "not a URL"),
        ({"base_url": "http://user:pass@host/v1"}, "api_key_env"),
        ({"base_url": "http://host/v1\r\nx: y"}, "host"),
        ({"api_key_env": "UNSET"}, "UNSET"),
        ({"api_key_env": "EMPTY"}, "EMPTY"),
        ({"api_key_env": "ODD"}, "printable"),
        ({"api_key_env": "KEY"}, ""),
    ],
)
def test_what_is_wrong_is_said_before_anyone_asks(fields: dict[str, Any], words: str) -> None:
    found = problem(config(**fields), environment={"KEY": "sk-1", "EMPTY": " ", "ODD": "a\nb-canary"})
    assert words in found if words else found == ""
    assert "canary" not in found
    assert "pass@" not in found


def test_a_wrong_configuration_is_refused_when_it_is_opened() -> None:
    with pytest.raises(NodexaError, match="'m' is configured wrongly"):
        open_model(config(base_url="nowhere"), environment={})


def test_a_kind_whose_package_is_not_installed_says_what_to_install() -> None:
    kind = with_extra("service.model.none", "None", needs="no_such_package", extra="oracle")

    assert 'pip install "nodexa[oracle]"' in kind.problem(config(), {})
    with pytest.raises(NodexaError, match="no_such_package is not installed"):
        kind.open(config(), {})


@pytest.mark.parametrize("kind", [ModelConfig.KIND_ANTHROPIC, ModelConfig.KIND_GEMINI])
def test_a_vendor_s_own_server_needs_no_address(kind: ModelConfig.Kind.ValueType) -> None:
    assert problem(config(kind=kind, base_url="", api_key_env="KEY"), environment={"KEY": "sk-1"}) == ""
    assert "UNSET" in problem(config(kind=kind, base_url="", api_key_env="UNSET"), environment={})


async def test_the_key_comes_from_the_environment_as_it_is_then() -> None:
    environment: dict[str, str] = {}
    async with ChatServer() as server:
        model = open_model(config(base_url=server.url, api_key_env="KEY"), environment=environment)
        with pytest.raises(NodexaError) as caught:
            await answer(model, asking("Hi"))
        assert caught.value.code == "upstream_auth_error"
        assert "KEY" in caught.value.message
        environment["KEY"] = "sk-new"
        assert text_of(await answer(model, asking("Hi"))) == "Hi"
        assert server.requests[0].headers["authorization"] == "Bearer sk-new"


def test_the_model_says_what_it_can() -> None:
    able = open_model(config(), environment={})
    unable = open_model(config(no_tools=True, no_images=True), environment={})
    can, cannot = able.abilities, unable.abilities
    assert (can.tools, can.images, cannot.tools, cannot.images) == (True, True, False, False)
