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


@pytest.mark.parametrize(
    ("content", "words"),
    [
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
