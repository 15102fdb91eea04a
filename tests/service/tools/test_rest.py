"""REST tools: what goes over the wire, and what the model is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_output_item import McpCall

from service.tools.addresses import Allowance
from service.tools.egress import Egress
from service.tools.rest import Rest
from service.tools.rest_call import rest_request
from service.tools.rest_spec import read_spec
from service.tools.tool import Call, Errand, Outcome, TokenWantedError, Tool, ToolError, UserTokens
from tests.fakes.web_server import Page, WebServer, shows
from tests.service.tools.rest_tools import MAKE, ORDER

TOKEN, SECRET, KEY = "canary-user-token", "canary-env-secret", "resp_1/call_1"
ENVIRONMENT = {"NODEXA_TOOL_CRM": SECRET, "OTHER_SECRET": "canary-other"}


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with WebServer() as server:
        yield server


@pytest.fixture
async def kind(web: WebServer) -> AsyncIterator[Rest]:
    egress = Egress(Allowance.of([f"127.0.0.1:{web.port}"]))
    yield Rest(egress, ENVIRONMENT)
    await egress.close()


def at(web: WebServer, tool: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A tool whose server is ours."""
    return {**tool, "url": tool["url"].replace("https://api.example", web.url), **more}


async def opened(kind: Rest, tool: Mapping[str, Any]) -> Tool:
    await kind.check(tool, "tools[0]", org_id="org", own=True)
    async with kind.source(tool).open(errand()) as found:
        [only] = found.tools
        return only


def errand(**tokens: str) -> Errand:
    return Errand("org", "asst", "user", "resp_1", UserTokens(tokens))


def call(**values: Any) -> Call:
    return Call("order", json.dumps(values), values, KEY)


async def test_arguments_go_where_they_belong(web: WebServer, kind: Rest) -> None:
    web.pages["/orders/a%2Fb%20%C3%BC"] = shows({"state": "sent"})
    tool = await opened(kind, at(web, ORDER))

    outcome = await tool.run(call(id="a/b ü", fields=["a", "b&c"], trace="t"), errand())

    [asked] = web.asked
    assert outcome == Outcome('{"state": "sent"}')
    assert parse_qsl(urlsplit(asked.target).query) == [("version", "2"), ("fields", "a"), ("fields", "b&c")]
    assert (asked.method, asked.headers["x-trace"], asked.body) == ("GET", "t", b"")
    assert "idempotency-key" not in asked.headers


async def test_what_changes_something_has_a_body_and_a_key(web: WebServer, kind: Rest) -> None:
    web.pages["/orders"] = Page(status=204)
    tool = await opened(kind, at(web, MAKE))

    outcome = await tool.run(call(item="tea", count=2, dry=True), errand())

    [asked] = web.asked
    assert (asked.json, asked.target) == ({"item": "tea", "n": 2}, "/orders?dry=true")
    assert (asked.headers["idempotency-key"], asked.headers["content-type"]) == (KEY, "application/json")
    assert outcome.output == "Done, with the status 204 and nothing else."


async def test_a_body_can_be_a_form_or_one_argument(web: WebServer, kind: Rest) -> None:
    web.pages["/orders"] = shows({})
    form = await opened(kind, at(web, MAKE, body="form"))
    whole = {"properties": {"order": {"type": "array", "in": "body", "whole": True}}}
    array = await opened(kind, at(web, MAKE, parameters=whole))

    await form.run(call(item="a b&c", count=2), errand())
    await array.run(call(order=[1, {"a": None}]), errand())

    assert (web.asked[0].body, web.asked[1].json) == (b"item=a+b%26c&n=2", [1, {"a": None}])
    assert web.asked[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_the_model_is_shown_the_schema_without_our_words(web: WebServer, kind: Rest) -> None:
    shown = (await opened(kind, at(web, ORDER))).shown
    bare = (await opened(kind, {"type": "rest", "name": "bare", "url": web.url})).shown

    schema = json.loads(shown.parameters_json)
    assert (shown.name, shown.description, schema["required"]) == ("order", "An order.", ["id"])
    assert schema["properties"]["trace"] == {"type": "string"}
    assert schema["properties"]["id"] == {"type": "string", "description": "Its number."}
    assert json.loads(bare.parameters_json) == {"type": "object", "properties": {}}


async def test_only_what_is_safe_goes_without_approval(web: WebServer, kind: Rest) -> None:
    cases = {
        (): (True, False),
        (("method", "POST"),): (False, True),
        (("method", "POST"), ("safe", True)): (True, False),
        (("method", "DELETE"), ("repeatable", True)): (True, True),
        (("method", "PUT"), ("approval", False)): (False, False),
        (("method", "GET"), ("safe", False)): (False, True),
        (("method", "GET"), ("approval", True)): (True, True),
    }
    for options, expected in cases.items():
        tool = await opened(kind, at(web, ORDER, **dict(options)))
        assert (tool.repeatable, tool.approval) == expected, options


async def test_secrets_of_the_environment_go_in_headers_only(web: WebServer, kind: Rest) -> None:
    echo = f"you sent Bearer {SECRET} and kind=plain"
    web.pages["/orders/1"] = Page(echo.encode())
    headers = {"Authorization": {"env": "NODEXA_TOOL_CRM", "prefix": "Bearer "}, "X-Kind": "plain"}
    tool = await opened(kind, at(web, ORDER, headers=headers))

    outcome = await tool.run(call(id=1), errand())

    assert (web.asked[0].headers["authorization"], web.asked[0].headers["x-kind"]) == (f"Bearer {SECRET}", "plain")
    assert outcome.output == "you sent Bearer [redacted] and kind=plain"
    assert SECRET not in str((tool.shown, tool.item(call(id=1), outcome)))


async def test_a_secret_that_is_not_there_sends_nothing(web: WebServer, kind: Rest) -> None:
    tool = await opened(kind, at(web, ORDER, headers={"X-Key": {"env": "NODEXA_TOOL_NONE"}}))

    with pytest.raises(ToolError, match="not set up rightly") as failed:
        await tool.run(call(id="1"), errand())

    assert (failed.value.done, web.asked) == (False, [])
    assert "NODEXA_TOOL_NONE" not in failed.value.message


async def test_the_users_token_goes_to_the_tool_that_names_its_provider(web: WebServer, kind: Rest) -> None:
    web.pages["/orders/1"] = Page(f"hello {TOKEN}".encode())
    mine = await opened(kind, at(web, ORDER, provider="crm"))
    other = await opened(kind, at(web, ORDER, name="other"))
    whose = errand(crm=TOKEN, mail="canary-mail-token")

    outcome = await mine.run(call(id="1"), whose)
    await other.run(call(id="1"), whose)

    assert web.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in web.asked[1].headers
    assert "canary-mail-token" not in str(web.asked)
    assert outcome.output == "hello [redacted]"
    assert TOKEN not in repr(whose)


async def test_a_token_that_is_missing_or_refused_is_asked_for(web: WebServer, kind: Rest) -> None:
    tool = await opened(kind, at(web, ORDER, provider="crm"))
    for tokens in ({}, {"mail": TOKEN}, {"crm": "a\r\nX-Evil: b"}):
        with pytest.raises(TokenWantedError) as wanted:
            await tool.run(call(id="1"), errand(**tokens))
        assert wanted.value.provider == "crm"
    assert web.asked == []
    for status in (401, 403):
        web.pages["/orders/1"] = shows({"error": TOKEN}, status)
        with pytest.raises(TokenWantedError) as wanted:
            await tool.run(call(id="1"), errand(crm=TOKEN))
        assert TOKEN not in str(wanted.value)


@pytest.mark.parametrize(("status", "done"), [(400, False), (401, False), (404, False), (500, None)])
async def test_a_status_that_says_no_is_told_with_the_answer(
    web: WebServer, kind: Rest, *, status: int, done: bool | None
) -> None:
    web.pages["/orders/1"] = shows({"why": "x" * 9000}, status)
    tool = await opened(kind, at(web, ORDER))

    with pytest.raises(ToolError) as failed:
        await tool.run(call(id="1"), errand())

    item = tool.item(call(id="1"), failed.value)
    assert (failed.value.code, failed.value.done) == ("http_error", done)
    assert failed.value.message.startswith(f'The server answered with the status {status}. {{"why": "xxx')
    assert len(failed.value.message) < 4100
    assert item["error"]["code"] == status
    assert McpCall.model_validate({"id": "mcp_1", "type": tool.type, "status": "failed", **item}).output is None


async def test_the_item_is_one_of_openais(web: WebServer, kind: Rest) -> None:
    tool = await opened(kind, at(web, ORDER))

    for came in (None, Outcome("fine"), ToolError("tool_timeout", "slow")):
        item = tool.item(call(id="1"), came)
        told = McpCall.model_validate({"id": "mcp_1", "type": tool.type, "status": "completed", **item})
        assert (told.name, told.server_label, told.arguments) == ("order", "order", '{"id": "1"}')


async def test_too_much_and_too_slow_are_told(web: WebServer, kind: Rest) -> None:
    web.pages["/orders/1"] = Page(b"x" * 300_000)
    web.pages["/orders/2"] = Page(hang="before")
    web.pages["/orders/3"] = Page(b"\x89PNG\xff", headers={"content-type": "image/png"})
    tool = await opened(kind, at(web, ORDER, timeout_seconds=0.2))

    for number, code in (("1", "tool_response_too_large"), ("2", "tool_timeout")):
        with pytest.raises(ToolError) as failed:
            await tool.run(call(id=number), errand())
        assert failed.value.code == code
    assert "5 bytes of image/png" in (await tool.run(call(id="3"), errand())).output


BAD_VALUES: tuple[dict[str, Any], ...] = (
    *({}, {"id": None}, {"id": ""}, {"id": ".."}, {"id": "."}, {"id": "../admin"}, {"id": "a/../b"}, {"id": "..\\x"}),
    *({"id": {"a": 1}}, {"id": ["a"]}, {"id": "\ud800"}, {"id": "1", "other": 1}, {"id": "1", "trace": "a\r\nb: c"}),
    *({"id": "1", "trace": "ü"}, {"id": "1", "fields": [{"a": 1}]}),
)


async def test_arguments_that_can_not_go_send_nothing(web: WebServer, kind: Rest) -> None:
    tool = await opened(kind, at(web, ORDER))
    for values in BAD_VALUES:
        with pytest.raises(ToolError) as failed:
            await tool.run(Call("order", "{}", values, KEY), errand())
        assert (failed.value.code, failed.value.done) == ("tool_error", False), values
    assert web.asked == []


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_argument_changes_where_a_call_goes(number: str, trace: str) -> None:
    try:
        request = rest_request(read_spec(ORDER, ""), {"id": number, "fields": [number], "trace": trace}, key=KEY)
    except ToolError:
        return
    url = urlsplit(request.url)
    assert (url.scheme, url.netloc, url.fragment) == ("https", "api.example", "")
    assert url.path.startswith("/orders/")
    assert url.path.count("/") == 2
    assert parse_qsl(url.query, keep_blank_values=True) == [("version", "2"), ("fields", number)]
    assert request.headers["X-Trace"].isascii()
