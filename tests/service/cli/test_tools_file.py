"""A tools file says what the Responses API says; a mistake in it is named by its place."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from service.cli.tools_file import read_tools

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Größe"}}},
    "strict": True,
}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "tools.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_function_is_read_whole(tmp_path: Path) -> None:
    (tool,) = read_tools(written(tmp_path, [WEATHER])).tools
    assert (tool.function.name, tool.function.description, tool.function.strict) == ("get_weather", "The weather", True)
    assert json.loads(tool.function.parameters_json) == WEATHER["parameters"]


def test_what_a_function_leaves_out_stays_unset(tmp_path: Path) -> None:
    (tool,) = read_tools(written(tmp_path, [{"type": "function", "name": "f", "parameters": None}])).tools
    assert not tool.function.HasField("strict")
    assert not tool.function.HasField("description")
    assert not tool.function.parameters_json


def test_other_kinds_of_tools_are_kept_as_they_are(tmp_path: Path) -> None:
    other = {"type": "mcp", "server_url": "https://example.com"}
    (tool,) = read_tools(written(tmp_path, [other])).tools
    assert tool.opaque.type == "mcp"
    assert json.loads(tool.opaque.json) == other


def test_custom_tools_and_namespaces_are_read_whole(tmp_path: Path) -> None:
    grammar = {"type": "grammar", "syntax": "regex", "definition": "x+"}
    patch = {"type": "custom", "name": "patch", "description": "Patches.", "format": grammar}
    shell = {"type": "custom", "name": "shell", "format": {"type": "text"}}
    space = {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [WEATHER, shell]}
    custom, namespace = read_tools(written(tmp_path, [patch, space])).tools
    assert (custom.custom.name, custom.custom.description) == ("patch", "Patches.")
    assert (custom.custom.grammar.syntax, custom.custom.grammar.definition) == ("regex", "x+")
    assert (namespace.namespace.name, namespace.namespace.description) == ("crm", "Customers.")
    function, inner = namespace.namespace.tools
    assert (function.function.name, inner.custom.name) == ("get_weather", "shell")
    assert not inner.custom.HasField("grammar")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"type": "custom", "name": "f", "format": {"type": "x"}}], r"\[0\]\.format\.type must be text or grammar"),
        ([{"type": "custom", "name": "f", "format": {"type": "grammar"}}], r"\[0\]\.format must have a syntax"),
        ([{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}], r"\[0\]\.tools\[0\]\.name must be"),
        ([{"type": "namespace", "name": "n", "tools": {}}], r"\[0\]\.tools must be an array of tools"),
        ("[{]", "is not JSON: line 1, column 3"),
        ({"tools": []}, "must hold an array of tools"),
        (["get_weather"], r"\[0\] must be an object with a type"),
        ([WEATHER, {"type": "function"}], r"\[1\]\.name must be a string"),
        ([{**WEATHER, "parameters": "{}"}], r"\[0\]\.parameters must be a JSON Schema object"),
        ([{**WEATHER, "strict": "yes"}], r"\[0\]\.strict must be true or false"),
        ([{**WEATHER, "parameter": {}}], r"\[0\] has the unknown field 'parameter'"),
        ([{"type": "function", "function": WEATHER}], r"\[0\] has the form of Chat Completions"),
    ],
)
def test_a_mistake_is_named_by_its_place(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(click.BadParameter, match=words):
        read_tools(written(tmp_path, content))
