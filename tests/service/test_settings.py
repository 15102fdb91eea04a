"""The operator's file: which models it names, and what it says when it can't be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Model

from service.settings import (
    EMBEDDED_MODEL,
    EmbeddingsSettings,
    SettingsError,
    WebSearchSettings,
    embedded_model,
    read_egress,
    read_embeddings,
    read_models,
    read_web_search,
)

FILE = """
[models.big]
kind = "openai_chat"
base_url = "http://127.0.0.1:11434/v1"
upstream_model = "qwen3:32b"
api_key_env = "QWEN_KEY"
no_images = true
"""


def test_without_a_file_there_is_the_model_that_comes_with_nodexa(tmp_path: Path) -> None:
    assert read_models(tmp_path) == {EMBEDDED_MODEL: embedded_model()}
    assert read_models(tmp_path / "none") == {EMBEDDED_MODEL: embedded_model()}


def test_the_file_adds_models(tmp_path: Path) -> None:
    (tmp_path / "nodexa.toml").write_text(FILE)

    assert read_models(tmp_path)["big"] == Model(
        name="big",
        kind=Model.KIND_OPENAI_CHAT,
        base_url="http://127.0.0.1:11434/v1",
        upstream_model="qwen3:32b",
        api_key_env="QWEN_KEY",
        no_images=True,
        from_file=True,
    )


def test_a_model_of_the_same_name_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "nodexa.toml").write_text(f'[models."{EMBEDDED_MODEL}"]\nkind = "embedded"\ngguf = "/w.gguf"\n')

    assert read_models(tmp_path)[EMBEDDED_MODEL].gguf == "/w.gguf"


BROKEN = {
    "no TOML": ("models = [", "is not TOML"),
    "no UTF-8": (b"\xff\xfe", "is not TOML"),
    "an unknown setting": ("modles = 1", "unknown settings: modles"),
    "models that are none": ("models = 3", "models must be tables"),
    "a model that is none": ("[models]\na = 3", "[models.a] must be a table"),
    "no kind": ("[models.a]", "[models.a]"),
    "an unknown kind": ('[models.a]\nkind = "oracle"', "[models.a]"),
    "an unknown field": ('[models.a]\nkind = "embedded"\ncolor = "red"', "color"),
    "a number for a text": ('[models.a]\nkind = "openai_chat"\nbase_url = 3', "[models.a]"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    path = tmp_path / "nodexa.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(SettingsError) as refused:
        read_models(tmp_path)

    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_the_file_says_where_tools_may_go(tmp_path: Path) -> None:
    assert read_egress(tmp_path) == ()

    (tmp_path / "nodexa.toml").write_text('[egress]\nallow = ["127.0.0.1:8080", "10.0.0.0/8"]\n')

    assert read_egress(tmp_path) == ("127.0.0.1:8080", "10.0.0.0/8")
    assert read_models(tmp_path) == {EMBEDDED_MODEL: embedded_model()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("egress = 1", "egress must be a table"),
        ("[egress]\nallow = 'all'", "[egress] allow must be a list"),
        ("[egress]\nallow = [1]", "[egress] allow must be a list"),
        ("[egress]\nalow = []", "[egress] has unknown settings: alow"),
    ],
)
def test_an_allowance_that_can_not_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "nodexa.toml").write_text(content)

    with pytest.raises(SettingsError) as refused:
        read_egress(tmp_path)

    assert said in str(refused.value)


def test_the_file_names_a_search_service(tmp_path: Path) -> None:
    assert read_web_search(tmp_path) is None

    (tmp_path / "nodexa.toml").write_text('[web_search]\nkind = "searxng"\nbase_url = "http://127.0.0.1:8888"\n')
    assert read_web_search(tmp_path) == WebSearchSettings("searxng", base_url="http://127.0.0.1:8888")

    (tmp_path / "nodexa.toml").write_text('[web_search]\nkind = "brave"\napi_key_env = "BRAVE_KEY"\n')
    assert read_web_search(tmp_path) == WebSearchSettings("brave", api_key_env="BRAVE_KEY")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("kind = 'oracle'", "kind must be one of searxng, brave, tavily"),
        ("base_url = 'http://x'", "kind must be one of"),
        ("kind = 'searxng'", "must say where your SearXNG is"),
        ("kind = 'tavily'", "must name the environment variable"),
        ("kind = 'brave'\napi_key = 'secret'", "[web_search] has unknown settings: api_key"),
        ("kind = 'brave'\napi_key_env = 3", "are texts"),
    ],
)
def test_a_search_service_that_can_not_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "nodexa.toml").write_text(f"[web_search]\n{content}\n")

    with pytest.raises(SettingsError) as refused:
        read_web_search(tmp_path)

    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_file_names_an_embeddings_model(tmp_path: Path) -> None:
    assert read_embeddings(tmp_path) is None

    (tmp_path / "nodexa.toml").write_text('[embeddings]\nbase_url = "http://127.0.0.1:11434/v1"\nmodel = "words"\n')
    assert read_embeddings(tmp_path) == EmbeddingsSettings("http://127.0.0.1:11434/v1", "words")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("model = 'words'", "needs base_url"),
        ("base_url = 'http://x'", "needs base_url"),
        ("base_url = 'http://x'\nmodel = 3", "model must be a text"),
        ("base_url = 'http://x'\nmodel = 'words'\nbatch = 0", "batch must be between 1 and 256"),
        ("base_url = 'http://x'\nmodel = 'words'\ndimensions = true", "dimensions must be a number"),
        ("base_url = 'http://x'\nmodel = 'words'\ndimensions = 0", "dimensions must be between 1 and 8192"),
        ("api_key = 'secret'", "[embeddings] has unknown settings: api_key"),
    ],
)
def test_an_embeddings_model_that_can_not_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "nodexa.toml").write_text(f"[embeddings]\n{content}\n")

    with pytest.raises(SettingsError) as refused:
        read_embeddings(tmp_path)

    assert said in str(refused.value)
