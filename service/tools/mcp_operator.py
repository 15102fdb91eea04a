"""The operator's own MCP servers: `[mcp.NAME]` in nodexa.toml. Secrets are named there and stand in the environment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from service.errors import NodexaError
from service.settings import SettingsError
from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_server import LABEL, header_problem, read_server
from service.tools.tool import CALL_SECONDS, ToolError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OperatorServer:
    """A server behind `url`, or the program that `command` starts. The values of `…_env` are names of variables.

    `organizations` are the ids of those that may use it; empty for all.
    """

    label: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    headers_env: Mapping[str, str] = field(default_factory=dict)
    authorization_env: str = ""
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    organizations: frozenset[str] = frozenset()
    timeout_seconds: float = CALL_SECONDS

    def serves(self, org_id: str) -> bool:
        """Whether an organization may use it."""
        return not self.organizations or org_id in self.organizations

    def target(self, environment: Mapping[str, str]) -> Endpoint | Program:
        """Where it is. Raises ToolError where a variable is not set."""
        if self.command:
            variables = {name: self._value(name, environment) for name in self.env}
            return Program(self.command, variables, self.timeout_seconds)
        headers = dict(self.headers)
        headers |= {name: self._value(variable, environment) for name, variable in self.headers_env.items()}
        if self.authorization_env:
            headers["Authorization"] = f"Bearer {self._value(self.authorization_env, environment)}"
        if any(header_problem(name, value) for name, value in headers.items()):
            raise self._unusable("a variable holds what can't be sent as a header")
        return Endpoint(self.url, headers, self.timeout_seconds)

    def _value(self, name: str, environment: Mapping[str, str]) -> str:
        if not environment.get(name):
            raise self._unusable(f"the variable {name} is not set where the core runs")
        return environment[name]

    def _unusable(self, reason: str) -> ToolError:
        log.warning("[mcp.%s] can't be used: %s", self.label, reason)
        return ToolError("tool_error", "The operator has not set this MCP server up.", done=False)


def operator_servers(tables: Mapping[str, Any]) -> Mapping[str, OperatorServer]:
    """The servers of `[mcp.NAME]` tables, by name. Raises SettingsError for what can't be understood."""
    return MappingProxyType({name: _server(name, table) for name, table in tables.items()})


def _server(name: str, table: Any) -> OperatorServer:
    if not LABEL.fullmatch(name):
        raise _wrong(name, "its name has 1 to 64 characters of a-z A-Z 0-9 _ -, a letter first")
    if not isinstance(table, dict):
        raise _wrong(name, "it must be a table")
    if unknown := sorted(table.keys() - _FIELDS.keys()):
        raise _wrong(name, f"{unknown[0]} is none of {', '.join(_FIELDS)}")
    for field_name, value in table.items():
        if not _FIELDS[field_name](value):
            raise _wrong(name, f"{field_name} must be {_WORDS[_FIELDS[field_name]]}")
    if bool(table.get("url")) == bool(table.get("command")):
        raise _wrong(name, "it needs either a url or a command")
    if foreign := sorted(table.keys() & (_OF_URL if table.get("command") else _OF_COMMAND)):
        raise _wrong(name, f"{foreign[0]} has no meaning beside {'command' if table.get('command') else 'url'}")
    try:
        read_server({"server_label": name, "server_url": table.get("url"), "headers": table.get("headers")}, "")
    except NodexaError as error:
        raise _wrong(name, error.message) from None
    found: dict[str, Any] = {
        key: frozenset(value) if key == "organizations" else _frozen(value) for key, value in table.items()
    }
    return OperatorServer(label=name, **found)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _are_pairs(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= CALL_SECONDS


def _wrong(name: str, reason: str) -> SettingsError:
    return SettingsError(f"[mcp.{name}] {reason}")


_FIELDS: Final = {
    "url": _is_text,
    "headers": _are_pairs,
    "headers_env": _are_pairs,
    "authorization_env": _is_text,
    "command": _are_texts,
    "env": _are_texts,
    "organizations": _are_texts,
    "timeout_seconds": _are_seconds,
}
_WORDS: Final = {
    _is_text: "a text",
    _are_texts: 'a list of texts, like ["a", "b"]',
    _are_pairs: 'names and texts: {A = "b"}',
    _are_seconds: f"a number of seconds up to {CALL_SECONDS:g}",
}
_OF_URL: Final = frozenset({"headers", "headers_env", "authorization_env"})
_OF_COMMAND: Final = frozenset({"env"})
