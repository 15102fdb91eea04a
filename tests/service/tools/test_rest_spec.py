"""What an administrator may write of a REST tool: what can't be is refused by its field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.errors import NodexaError
from service.tools.addresses import Allowance
from service.tools.egress import Egress
from service.tools.rest import Rest
from tests.service.tools.rest_tools import ORDER


@pytest.fixture
async def kind() -> AsyncIterator[Rest]:
    egress = Egress(Allowance.of([]))
    yield Rest(egress, {})
    await egress.close()


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "a b"}, "name"),
    ({"name": ""}, "name"),
    ({"description": 3}, "description"),
    ({"method": "TRACE"}, "method"),
    ({"method": ["GET"]}, "method"),
    ({"url": "https://{id}.example/"}, "url"),
    ({"url": "https://api.example{id}/"}, "url"),
    ({"url": "https://api.example/orders?id={id}"}, "url"),
    ({"url": "https://api.example/{id}#x"}, "url"),
    ({"url": "https://api.example/{other}"}, "url"),
    ({"parameters": {"properties": {"id": {}, "x": {"in": "path"}}, "required": ["id"]}}, "url"),
    ({"url": "http://127.0.0.1/{id}"}, "url"),
    ({"url": "ftp://api.example/{id}"}, "url"),
    ({"url": "https://user:secret@api.example/{id}"}, "url"),
    ({"url": "/{id}"}, "url"),
    ({"parameters": []}, "parameters"),
    ({"parameters": {"type": "array"}}, "parameters"),
    ({"parameters": {"properties": {"id": 3}}}, "parameters.properties.id"),
    ({"parameters": {"properties": {"id": {"in": "cookie"}}}}, "parameters.properties.id.in"),
    ({"parameters": {"properties": {"id": {"as": ""}}}}, "parameters.properties.id.as"),
    ({"parameters": {"properties": {"id": {}, "x": {"in": "header", "as": "Host"}}}}, "parameters.properties.x"),
    ({"parameters": {"properties": {"id": {}, "x": {"whole": True}}}}, "parameters.properties.x.whole"),
    ({"parameters": {"properties": {"id": {}, "x": {"in": "body"}}, "required": ["id"]}}, "parameters"),
    ({"parameters": {"properties": {"id": {}}}}, "url"),
    ({"parameters": {"properties": {"id": {"description": "x" * 300_000}}, "required": ["id"]}}, "parameters"),
    ({"headers": {"Host": "x"}}, "headers"),
    ({"headers": {"Idempotency-Key": "x"}}, "headers"),
    ({"headers": {"a b": "x"}}, "headers"),
    ({"headers": {"X-Trace": "x"}}, "headers"),
    ({"headers": {"X-Key": 3}}, "headers.X-Key"),
    ({"headers": {"X-Key": "a\r\nb"}}, "headers.X-Key"),
    ({"headers": {"X-Key": {"env": "OPENAI_API_KEY"}}}, "headers.X-Key"),
    ({"headers": {"X-Key": {"env": 3}}}, "headers.X-Key"),
    ({"headers": {"X-Key": {"value": "x"}}}, "headers.X-Key"),
    ({"provider": "crm", "headers": {"authorization": "x"}}, "headers"),
    ({"provider": ""}, "provider"),
    ({"body": "xml"}, "body"),
    ({"safe": "yes"}, "safe"),
    ({"timeout_seconds": 61}, "timeout_seconds"),
    ({"timeout_seconds": True}, "timeout_seconds"),
    ({"made_up": 1}, "made_up"),
)


@pytest.mark.parametrize(("change", "field"), WRONG)
async def test_a_tool_that_can_not_be_is_refused_by_its_field(kind: Rest, change: dict[str, Any], field: str) -> None:
    with pytest.raises(NodexaError) as refused:
        await kind.check({**ORDER, **change}, "assistant.defaults.tools[3]", org_id="org", own=True)

    assert refused.value.param == f"assistant.defaults.tools[3].{field}"
    assert "secret" not in refused.value.message


async def test_a_request_can_bring_none(kind: Rest) -> None:
    with pytest.raises(NodexaError, match="belong to assistants"):
        await kind.check(ORDER, "tools[0]", org_id="org", own=False)
    assert not kind.hosted(ORDER)


@pytest.mark.parametrize("field", ["name", "url"])
async def test_a_tool_needs_a_name_and_a_url(kind: Rest, field: str) -> None:
    with pytest.raises(NodexaError) as refused:
        await kind.check({k: v for k, v in ORDER.items() if k != field}, "tools[0]", org_id="org", own=True)

    assert (refused.value.code, refused.value.param) == ("missing_required_field", f"tools[0].{field}")
