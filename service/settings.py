"""What an operator can set, and where it comes from: arguments first, then the environment, then nodexa.toml."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.json_format import ParseDict, ParseError
from nodexa.v1.admin_pb2 import Model

from service.tls import TlsFiles

Clock = Callable[[], int]
"""Milliseconds since 1970."""

DAY: Final = 24 * 3600.0
FILE_NAME: Final = "nodexa.toml"
TABLES: Final = frozenset({"models", "egress", "mcp", "web_search", "embeddings"})
"""What `nodexa.toml` may hold."""
SEARCH_SERVICES: Final = ("searxng", "brave", "tavily")
EMBEDDINGS_NUMBERS: Final = MappingProxyType({"dimensions": (1, 8192), "batch": (1, 256)})
"""The least and the most of each."""
EMBEDDED_MODEL: Final = "smollm2-135m"
"""The name of the model that comes with Nodexa."""


class SettingsError(Exception):
    """The settings can't be used; the message says which and why, for the operator."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the core is told from outside.

    `listen` are gRPC addresses, `host:port` or `unix:PATH`; `way_in` (empty: one of them) and `base_url`, where the
    bridge answers, are for the quickstart file. With `tls`, all of them but unix sockets are encrypted. At most
    `max_calls` calls are open at a time. Times are in seconds; `grace` is how long a foreground response goes on
    without a reader. A response is kept for `retention` from its start, its log for `log_retention` from its end; what
    is due is deleted every `upkeep`. With `shared`, other cores may use the same data directory; one that is not heard
    of for `lease` loses its runs. At full load `processes` share the CPUs: this one and a bridge. `environment` holds
    the secrets of tools and of the search service, by the names that the settings of those have.
    """

    data: Path = Path("var")
    listen: tuple[str, ...] = ("127.0.0.1:50051",)
    base_url: str = "http://127.0.0.1:8080"
    way_in: str = ""
    insecure: bool = False
    tls: TlsFiles | None = None
    shared: bool = False
    processes: int = 2
    lease: float = 3.0
    grace: float = 10.0
    retention: float = 30 * DAY
    log_retention: float = 7 * DAY
    upkeep: float = 3600.0
    drain: float = 5.0
    max_calls: int = 20_000
    max_message_bytes: int = 16 * 1024 * 1024
    models: Mapping[str, Model] = field(default_factory=lambda: MappingProxyType({}))
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


def now_ms() -> int:
    """The time of the machine."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds from some moment on; a clock that nobody sets."""
    return time.monotonic_ns() // 1_000_000


def embedded_model() -> Model:
    """The model that is always there; an operator's own of the same name takes its place."""
    return Model(name=EMBEDDED_MODEL, kind=Model.KIND_EMBEDDED, from_file=True)


def read_models(data: Path) -> Mapping[str, Model]:
    """The models of `nodexa.toml` in the data directory, `[models.NAME]` each, and the one that comes with Nodexa.

    Raises SettingsError for a file that can't be understood.
    """
    path = data / FILE_NAME
    entries = _document(path).get("models", {})
    if not isinstance(entries, dict):
        raise SettingsError(f"{path}: models must be tables, [models.NAME] each")
    found = {name: _model(path, name, entry) for name, entry in entries.items()}
    return {EMBEDDED_MODEL: embedded_model()} | found


def read_egress(data: Path) -> tuple[str, ...]:
    """Where tools may go beside the public internet: `allow` under `[egress]`, as `service.tools.addresses` reads it.

    Raises SettingsError for a file that can't be understood.
    """
    path = data / FILE_NAME
    table = _table(path, "egress", known={"allow"})
    allow = table.get("allow", [])
    if not isinstance(allow, list) or not all(isinstance(rule, str) for rule in allow):
        raise SettingsError(f'{path}: [egress] allow must be a list, like ["127.0.0.1:8080", "10.0.0.0/8"]')
    return tuple(allow)


def read_mcp(data: Path) -> Mapping[str, Any]:
    """The operator's own MCP servers, `[mcp.NAME]` each, as `service.tools.mcp_operator` reads them.

    Raises SettingsError for a file that can't be understood.
    """
    path = data / FILE_NAME
    tables = _document(path).get("mcp", {})
    if not isinstance(tables, dict):
        raise SettingsError(f"{path}: mcp must be tables, [mcp.NAME] each")
    return tables


@dataclass(frozen=True, slots=True)
class WebSearchSettings:
    """The search service of the tool `web_search`. An empty `base_url` means the service's own."""

    kind: str
    base_url: str = ""
    api_key_env: str = ""


def read_web_search(data: Path) -> WebSearchSettings | None:
    """The operator's search service, `[web_search]`, None where there is none.

    Raises SettingsError for a file that can't be understood.
    """
    path = data / FILE_NAME
    table = _table(path, "web_search", known={"kind", "base_url", "api_key_env"})
    if not table:
        return None
    if not all(isinstance(value, str) for value in table.values()):
        raise SettingsError(f"{path}: the settings of [web_search] are texts")
    found = WebSearchSettings(**{"kind": "", **table})
    if found.kind not in SEARCH_SERVICES:
        raise SettingsError(f"{path}: [web_search] kind must be one of {', '.join(SEARCH_SERVICES)}")
    if found.kind == "searxng" and not found.base_url:
        raise SettingsError(f"{path}: [web_search] base_url must say where your SearXNG is")
    if found.kind != "searxng" and not found.api_key_env:
        raise SettingsError(f"{path}: [web_search] api_key_env must name the environment variable with its key")
    return found


@dataclass(frozen=True, slots=True)
class EmbeddingsSettings:
    """What embeds the texts that `file_search` finds. `dimensions` 0: the model's own; `batch` are texts a request."""

    base_url: str = ""
    model: str = ""
    api_key_env: str = ""
    dimensions: int = 0
    batch: int = 32


def read_embeddings(data: Path) -> EmbeddingsSettings | None:
    """The operator's embeddings model, `[embeddings]`, None where there is none.

    Raises SettingsError for a file that can't be understood.
    """
    path = data / FILE_NAME
    table = _table(path, "embeddings", known={each.name for each in fields(EmbeddingsSettings)})
    if not table:
        return None
    for name, value in table.items():
        if type(value) is not type(getattr(EmbeddingsSettings(), name)):
            kind = "a number" if name in EMBEDDINGS_NUMBERS else "a text"
            raise SettingsError(f"{path}: [embeddings] {name} must be {kind}")
    found = EmbeddingsSettings(**table)
    if not found.base_url or not found.model:
        raise SettingsError(
            f"{path}: [embeddings] needs base_url, where /embeddings is asked, and model, its name there"
        )
    for name, (least, most) in EMBEDDINGS_NUMBERS.items():
        if name in table and not least <= table[name] <= most:
            raise SettingsError(f"{path}: [embeddings] {name} must be between {least} and {most}")
    return found


def _document(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text()) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    if unknown := document.keys() - TABLES:
        raise SettingsError(f"{path} has unknown settings: {', '.join(sorted(unknown))}")
    return document


def _table(path: Path, name: str, *, known: Set[str]) -> dict[str, Any]:
    table = _document(path).get(name, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {name} must be a table, [{name}]")
    if unknown := table.keys() - known:
        raise SettingsError(f"{path}: [{name}] has unknown settings: {', '.join(sorted(unknown))}")
    return table


def _model(path: Path, name: str, entry: Any) -> Model:
    if not isinstance(entry, dict):
        raise SettingsError(f"{path}: [models.{name}] must be a table")
    kind = f"KIND_{str(entry.get('kind', '')).upper()}"
    try:
        return ParseDict({**entry, "kind": kind, "name": name, "from_file": True}, Model())
    except ParseError as error:
        raise SettingsError(f"{path}: [models.{name}] {error}") from error
