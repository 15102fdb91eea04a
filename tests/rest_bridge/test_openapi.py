"""The document describes everything that the bridge does, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.item_pb2 import ContentPart, Item
from nodexa.v1.response_pb2 import Response, ResponseSettings
from openapi_spec_validator import OpenAPIV31SpecValidator

from rest_bridge.errors import STATUS_OF
from rest_bridge.openapi.document import document, text
from rest_bridge.openapi.event import BODIES, described
from rest_bridge.openapi.item import ITEMS, PARTS
from rest_bridge.openapi.knowledge import OPERATIONS as OF_KNOWLEDGE
from rest_bridge.openapi.operation import OPERATIONS as OF_RESPONSES
from rest_bridge.openapi.request import PARAMETERS
from rest_bridge.openapi.tool import TOOLS
from rest_bridge.routes import ROUTES
from rest_bridge.wire import content, item, tool
from rest_bridge.wire.dialect import Dialect, told_name
from rest_bridge.wire.event_body import BODIES as RENDERED
from rest_bridge.wire.event_body import EVENT_NAMES, PHASES, SNAPSHOTS
from rest_bridge.wire.request import FIELDS
from rest_bridge.wire.response import render_response, render_settings
from tests.rest_bridge.conftest import BridgeUnderTest

DOCUMENT: dict[str, Any] = json.loads(text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = {**OF_RESPONSES, **OF_KNOWLEDGE}


def test_it_is_a_valid_document() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_is_described_and_nothing_else() -> None:
    routes = {(method, path) for path, methods in ROUTES.items() for method in methods}
    assert set(OPERATIONS) == routes, "rest_bridge/openapi/operation.py has a row for each route"
    assert {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods} == routes


def test_every_parameter_of_a_path_is_described() -> None:
    for (method, path), operation in OPERATIONS.items():
        found = [DOCUMENT["components"]["parameters"][name] for name in operation.parameters]
        named = [parameter["name"] for parameter in found if parameter["in"] == "path"]
        assert sorted(named) == sorted(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_operation_has_an_id_of_its_own() -> None:
    assert len({operation.id for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_every_field_is_described_with_its_treatment() -> None:
    properties = SCHEMAS["CreateResponse"]["properties"]
    assert list(properties) == list(FIELDS)
    assert set(PARAMETERS) == set(FIELDS), "rest_bridge/openapi/request.py has a row for each field"
    for name, field in FIELDS.items():
        assert properties[name]["x-nodexa-treatment"] == field.treatment.name.lower()
        assert field.treatment.value in properties[name]["description"]
        assert field.instead in properties[name]["description"]


def test_what_becomes_of_a_header_is_told() -> None:
    parameters = DOCUMENT["components"]["parameters"]
    assert parameters["idempotency-key"]["x-nodexa-treatment"] == "enforced"
    assert parameters["x-user-id"]["x-nodexa-treatment"] == "enforced"


def test_every_event_is_described() -> None:
    names = {name for kind, name in EVENT_NAMES.items() if kind != "item_progress"}
    names |= {told_name(Dialect.NODEXA, name) for name in names}
    names |= {f"response.{type_}.{phase}" for type_, phases in PHASES.items() for phase in phases}
    assert {schema["properties"]["type"]["const"] for _, _, schema in described()} == names
    assert set(BODIES) | SNAPSHOTS == set(EVENT_NAMES), "rest_bridge/openapi/event.py has a row for each kind"
    for path, method in (("/v1/responses", "post"), ("/v1/responses/{id}", "get")):
        content_ = DOCUMENT["paths"][path][method]["responses"]["200"]["content"]
        assert set(content_["text/event-stream"]["x-nodexa-events"]) == names


@pytest.mark.parametrize("kind", RENDERED)
def test_an_event_has_the_members_that_are_described(kind: str) -> None:
    event = ResponseEvent()
    body = getattr(event, kind)
    body.SetInParent()
    if kind.startswith("output_item"):
        body.item.message.SetInParent()
    if "part" in body.DESCRIPTOR.fields_by_name:
        body.part.output_text.SetInParent()
    assert set(RENDERED[kind](body)) == set(BODIES[kind][1])


def test_a_response_has_the_members_that_are_described() -> None:
    shown = render_response(Response(), render_settings(ResponseSettings()))
    assert set(shown) == set(SCHEMAS["Response"]["properties"])


def test_every_kind_of_item_part_and_tool_is_described() -> None:
    assert (
        set(ITEMS)
        == set(item.PARSERS)
        == {field.name for field in Item.DESCRIPTOR.oneofs_by_name["kind"].fields} - {"opaque"}
    )
    parts = {field.name for field in ContentPart.DESCRIPTOR.oneofs_by_name["kind"].fields}
    assert set(PARTS) == set(content.PARSERS) == parts - {"opaque"}
    assert set(TOOLS) == set(tool.PARSERS)


def test_every_error_code_stands_beside_its_status() -> None:
    codes = {
        code: int(name.removeprefix("Error"))
        for name, answer in DOCUMENT["components"]["responses"].items()
        for code in answer["content"]["application/json"]["schema"]["allOf"][1]["properties"]["error"]["properties"][
            "code"
        ]["enum"]
    }
    assert codes == dict(STATUS_OF)


async def test_it_is_served_to_anybody(bridge: BridgeUnderTest) -> None:
    async with bridge.http(key="") as http:
        answer = await http.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json() == DOCUMENT == document()
