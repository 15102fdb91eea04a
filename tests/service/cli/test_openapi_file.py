"""OpenAPI documents become REST tools; what can't is named with its operation."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from service.cli.openapi_file import Attached, read_operations
from service.tools.rest_call import rest_request
from service.tools.rest_spec import read_spec

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://{region}.api.example/v2", "variables": {"region": {"default": "eu"}}}],
    "paths": {
        "/orders/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "operationId": "getOrder",
                "summary": "An order.",
                "description": "By its number.",
                "parameters": [
                    {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "Accept", "in": "header", "schema": {"type": "string"}},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                ],
            },
            "put": {
                "operationId": "orders.replace",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
            },
            "delete": {},
        },
        "/orders": {
            "post": {
                "operationId": "addOrders",
                "requestBody": {
                    "content": {
                        "application/vnd.shop+json; charset=utf-8": {
                            "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
                        }
                    }
                },
            }
        },
        "/login": {
            "post": {
                "operationId": "login",
                "requestBody": {
                    "content": {"application/x-www-form-urlencoded": {"schema": {"properties": {"user": {}}}}}
                },
            }
        },
        "/upload": {
            "post": {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {"schema": {}}}}}
        },
        "/deep": {
            "get": {
                "operationId": "deep",
                "parameters": [{"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}}],
            }
        },
        "/cookie": {
            "get": {
                "operationId": "cookie",
                "parameters": [{"name": "session", "in": "cookie", "required": True, "schema": {}}],
            }
        },
        "/outside": {
            "get": {
                "operationId": "outside",
                "parameters": [{"name": "q", "in": "query", "schema": {"$ref": "other.yaml#/Q"}}],
            }
        },
        "/nowhere": {"get": {"operationId": "nowhere", "parameters": [{"$ref": "#/components/parameters/None"}]}},
        "/circle": {"get": {"operationId": "circle", "parameters": [{"$ref": "#/components/parameters/Circle"}]}},
    },
    "components": {
        "parameters": {
            "Id": {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "Its number.",
                "schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            },
            "Circle": {"$ref": "#/components/parameters/Circle"},
        },
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["item", "created"],
                "properties": {
                    "id": {"type": "string"},
                    "item": {"type": "string", "nullable": True, "example": "tea"},
                    "part": {"$ref": "#/components/schemas/Part"},
                    "created": {"type": "string", "readOnly": True},
                },
            },
            "Part": {
                "type": "object",
                "properties": {"parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}}},
            },
        },
    },
}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def one(path: Path, operation: str, **attached: Any) -> dict[str, Any]:
    [tool] = read_operations(path, operation, Attached(**attached))
    # Whatever comes out is a tool and a schema.
    jsonschema.Draft202012Validator.check_schema(dict(read_spec(tool, "").schema))
    return tool


def test_an_operation_becomes_a_tool(document: Path) -> None:
    tool = one(document, "getOrder")

    assert (tool["name"], tool["method"], tool["url"]) == ("getOrder", "GET", "https://eu.api.example/v2/orders/{id}")
    assert tool["description"] == "An order.\nBy its number."
    assert tool["parameters"] == {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "exclusiveMinimum": 0, "description": "Its number.", "in": "path"},
            "fields": {"type": "array", "items": {"type": "string"}, "in": "query"},
            "X-Trace": {"type": "string", "in": "header"},
        },
        "required": ["id"],
    }
    request = rest_request(read_spec(tool, ""), {"id": 7, "fields": ["a"], "X-Trace": "t"}, key="k")
    assert (request.url, request.headers["X-Trace"]) == ("https://eu.api.example/v2/orders/7?fields=a", "t")


def test_a_body_is_shown_by_its_properties(document: Path) -> None:
    tool = one(document, "orders.replace")

    properties = tool["parameters"]["properties"]
    assert tool["name"] == "orders_replace"
    assert properties["item"] == {"type": ["string", "null"], "in": "body"}
    assert properties["id_body"] == {"as": "id", "type": "string", "in": "body"}
    assert properties["part"] == {"$ref": "#/$defs/Part", "in": "body"}
    assert tool["parameters"]["required"] == ["id", "item"]
    part = {"type": "object", "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}}}
    assert tool["parameters"]["$defs"] == {"Part": part}
    request = rest_request(read_spec(tool, ""), {"id": 7, "id_body": "x", "item": "tea"}, key="k")
    assert (json.loads(request.body or b""), request.url[-9:]) == ({"id": "x", "item": "tea"}, "/orders/7")


def test_a_body_without_properties_is_one_argument(document: Path) -> None:
    tool = one(document, "addOrders")

    body = tool["parameters"]["properties"]["body"]
    assert (body["type"], body["whole"], sorted(tool["parameters"]["$defs"])) == ("array", True, ["Order", "Part"])


def test_a_form_stays_a_form(document: Path) -> None:
    assert one(document, "login")["body"] == "form"


def test_an_operation_without_a_name_is_called_by_its_path(document: Path) -> None:
    tool = one(document, "DELETE /orders/{id}")

    assert (tool["name"], tool["method"]) == ("DELETE_orders_id", "DELETE")


def test_what_the_document_does_not_say_is_attached(document: Path) -> None:
    headers = ["X-Key=$NODEXA_TOOL_KEY", "X-Auth=Token $NODEXA_TOOL_B", "X-Kind=a=b"]
    tool = one(document, "getOrder", server="https://other.example/", provider="shop", headers=headers)

    assert (tool["url"], tool["provider"]) == ("https://other.example/orders/{id}", "shop")
    assert tool["headers"] == {
        "X-Key": {"env": "NODEXA_TOOL_KEY", "prefix": ""},
        "X-Auth": {"env": "NODEXA_TOOL_B", "prefix": "Token "},
        "X-Kind": "a=b",
    }


def test_yaml_is_read_like_json(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    changed = copy.deepcopy(DOCUMENT)
    changed["paths"]["/orders/{id}"]["get"]["description"] = "since 2024-01-01"
    path.write_text(yaml.safe_dump(changed).replace("example: tea", "example: 2024-01-01"))

    assert one(path, "getOrder")["description"] == "An order.\nsince 2024-01-01"
    assert [tool["name"] for tool in read_operations(path, "getOrder, login", Attached())] == ["getOrder", "login"]


REFUSED = {
    "getorder": "no operation 'getorder'. It has: DELETE /orders/{id}, addOrders",
    ",": "no operation is named",
    "upload": "multipart/form-data, which is not supported",
    "deep": "the parameter 'filter' is written in a style",
    "cookie": "needs the cookie 'session'",
    "outside": "'other.yaml#/Q' leads out of the document",
    "nowhere": "'#/components/parameters/None' leads nowhere",
    "circle": "leads in a circle",
    "all": "can't be a tool",
}


@pytest.mark.parametrize("wanted", REFUSED)
def test_what_can_not_be_a_tool_is_named(document: Path, wanted: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        read_operations(document, wanted, Attached())

    assert REFUSED[wanted] in refused.value.message
    assert str(document) in refused.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "neither JSON nor YAML: line 1"),
        ("a: [", "neither JSON nor YAML: line 1"),
        ("!!python/object/apply:os.getcwd []", "neither JSON nor YAML"),
        ("[]", "no OpenAPI 3 document"),
        ('{"swagger": "2.0"}', "no OpenAPI 3 document"),
        ('{"openapi": "3.1.0"}', "no paths"),
        ('{"openapi": "3.1.0", "paths": {"/": 3}}', "an object is expected"),
        ('{"openapi": "3.1.0", "paths": {"/": {"get": {"operationId": "x"}}}}', "names no server"),
        (
            '{"openapi": "3.1.0", "paths": {"/": {"get": {"operationId": "x"}}}, "servers": [{"url": "/v1"}]}',
            "relative",
        ),
        ("\x00", "neither JSON nor YAML"),
    ],
)
def test_a_document_that_can_not_be_read_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "document.yaml"
    path.write_text(content)

    with pytest.raises(click.BadParameter) as refused:
        read_operations(path, "x", Attached())

    assert said in refused.value.message


@pytest.mark.parametrize("header", ["X-Key", "X-Key=$OPENAI_API_KEY", "Host=x"])
def test_a_header_that_can_not_be_is_refused(document: Path, header: str) -> None:
    with pytest.raises(click.BadParameter):
        read_operations(document, "getOrder", Attached(headers=[header]))
