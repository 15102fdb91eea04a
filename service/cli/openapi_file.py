"""An OpenAPI 3 document, read into tools of type `rest`; nothing is fetched, and nothing of it is needed later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import yaml

from service.cli.openapi_schema import Schemas, resolved
from service.errors import NodexaError
from service.tools.rest_spec import METHODS, read_spec

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
DESCRIPTION: Final = 1000
_SKIPPED_HEADERS: Final = ("accept", "content-type", "authorization")  # As OpenAPI itself says.
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Attached:
    """What every imported tool gets beside what the document says."""

    server: str = ""
    provider: str = ""
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Operation:
    document: Mapping[str, Any]
    method: str
    path: str
    item: Mapping[str, Any]
    said: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.said.get("operationId") or f"{self.method} {self.path}")


def read_operations(path: Path, wanted: str, attached: Attached) -> list[dict[str, Any]]:
    """The operations of a document that `wanted` names, with commas between; `all` is all of them.

    Raises BadParameter that says what is wrong and where.
    """
    operations = {operation.name: operation for operation in _operations(path, _document(path))}
    names = list(operations) if wanted == "all" else [name.strip() for name in wanted.split(",") if name.strip()]
    if unknown := [name for name in names if name not in operations]:
        raise _wrong(path, f"it has no operation {unknown[0]!r}. It has: {', '.join(sorted(operations))}")
    if not names:
        raise _wrong(path, "no operation is named")
    return [_tool(path, operations[name], attached) for name in names]


class _Loader(yaml.SafeLoader):
    """YAML as JSON knows it: dates stay texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 — it is a safe one
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"it can't be read ({type(error).__name__})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _wrong(path, f"it is neither JSON nor YAML{place}") from None
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise _wrong(path, "it is no OpenAPI 3 document")
    if not isinstance(document.get("paths"), dict):
        raise _wrong(path, "it has no paths")
    return document


def _operations(path: Path, document: Mapping[str, Any]) -> Iterator[_Operation]:
    for template, written in document["paths"].items():
        item = _followed(path, document, written)
        for method, said in item.items():
            if str(method).upper() in METHODS and isinstance(said, dict):
                yield _Operation(document, str(method).upper(), str(template), item, said)


def _tool(path: Path, operation: _Operation, attached: Attached) -> dict[str, Any]:
    try:
        tool = _built(operation, attached)
        read_spec(tool, "")
    except (NodexaError, ValueError) as error:
        raise _wrong(path, f"the operation {operation.name!r} can't be a tool: {error}") from None
    return tool


def _built(operation: _Operation, attached: Attached) -> dict[str, Any]:
    schemas = Schemas(operation.document)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, schema, needed in [*_parameters(operation, schemas), *_body(operation, schemas)]:
        # The same name in two places: the second one gets its place into its name.
        argument = name if name not in properties else f"{name}_{schema['in']}"
        properties[argument] = schema if argument == name else {"as": name, **schema}
        required += [argument] if needed else []
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if schemas.definitions:
        parameters["$defs"] = schemas.definitions
    told = "\n".join(text for word in ("summary", "description") if (text := operation.said.get(word)))
    tool: dict[str, Any] = {
        "type": "rest",
        "name": re.sub(r"[^a-zA-Z0-9_-]+", "_", operation.name).strip("_")[:64],
        "description": told[:DESCRIPTION],
        "method": operation.method,
        "url": _server(operation, attached.server) + operation.path,
        "parameters": parameters,
    }
    if FORM in _content(operation) and not _json_type(operation):
        tool["body"] = "form"
    if attached.provider:
        tool["provider"] = attached.provider
    if attached.headers:
        tool["headers"] = dict(_header(text) for text in attached.headers)
    return tool


def _server(operation: _Operation, given: str) -> str:
    if given:
        return given.rstrip("/")
    servers = next(
        (s for level in (operation.said, operation.item, operation.document) if (s := level.get("servers"))), ()
    )
    if not servers:
        raise ValueError("the document names no server; name it with --openapi-server")
    variables = servers[0].get("variables", {})
    url = _VARIABLE.sub(lambda found: str(variables.get(found[1], {}).get("default", found[0])), servers[0]["url"])
    if "://" not in url:
        raise ValueError(f"its server {url!r} is relative; name it with --openapi-server")
    return url.rstrip("/")


def _parameters(operation: _Operation, schemas: Schemas) -> Iterator[tuple[str, dict[str, Any], bool]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for written in (*operation.item.get("parameters", ()), *operation.said.get("parameters", ())):
        parameter = resolved(operation.document, written)
        found[parameter["name"], parameter["in"]] = parameter
    for (name, where), parameter in found.items():
        needed = bool(parameter.get("required")) or where == "path"
        if where == "header" and name.lower() in _SKIPPED_HEADERS:
            continue
        if where == "cookie":
            if needed:
                raise ValueError(f"it needs the cookie {name!r}")
            continue
        if not _is_plain(parameter, where):
            raise ValueError(f"the parameter {name!r} is written in a style that is not supported")
        media = next(iter(parameter.get("content", {}).values()), parameter)
        schema = schemas.take(media.get("schema", {}))
        if text := parameter.get("description"):
            schema.setdefault("description", text)
        yield name, {**schema, "in": where}, needed


def _is_plain(parameter: Mapping[str, Any], where: str) -> bool:
    """Whether a list in it is written as we write it."""
    style = parameter.get("style", "form" if where in ("query", "cookie") else "simple")
    return style in ("form", "simple") and (where != "query" or parameter.get("explode", True) is True)


def _body(operation: _Operation, schemas: Schemas) -> Iterator[tuple[str, dict[str, Any], bool]]:
    content = _content(operation)
    if not content:
        return
    kind = _json_type(operation) or (FORM if FORM in content else "")
    if not kind:
        raise ValueError(f"its body is {', '.join(content)}, which is not supported")
    needed = bool(_request_body(operation).get("required"))
    written = content[kind].get("schema", {})
    plain = resolved(operation.document, written)
    if isinstance(plain.get("properties"), dict) and not {"allOf", "anyOf", "oneOf"} & plain.keys():
        for name, each in plain["properties"].items():
            if not resolved(operation.document, each).get("readOnly"):
                yield name, {**schemas.take(each), "in": "body"}, needed and name in plain.get("required", ())
    else:
        yield "body", {**schemas.take(written), "in": "body", "whole": True}, needed


def _request_body(operation: _Operation) -> Mapping[str, Any]:
    return resolved(operation.document, operation.said.get("requestBody", {}))


def _content(operation: _Operation) -> Mapping[str, Any]:
    content = _request_body(operation).get("content", {})
    return {str(kind).partition(";")[0].strip().lower(): media for kind, media in content.items()}


def _json_type(operation: _Operation) -> str:
    return next((kind for kind in _content(operation) if kind == JSON or kind.endswith("+json")), "")


def _header(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`; `$VARIABLE` at the end of the value is one of the core's."""
    name, mark, value = text.partition("=")
    if not mark:
        raise ValueError(f"the header {text!r} is not NAME=VALUE")
    prefix, dollar, variable = value.partition("$")
    return name, {"env": variable, "prefix": prefix} if dollar else value


def _followed(path: Path, document: Mapping[str, Any], written: Any) -> Mapping[str, Any]:
    try:
        return resolved(document, written)
    except ValueError as error:
        raise _wrong(path, str(error)) from None


def _wrong(path: Path, reason: str) -> click.BadParameter:
    return click.BadParameter(f"{path}: {reason}", param_hint="--openapi")
