"""Bad input: what it gets, through the whole HTTP stack."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest

NOBODY = "resp_00000000-0000-7000-8000-000000000000"
NO_ASSISTANT = "asst_00000000-0000-7000-8000-000000000000"
USER = {"role": "user", "content": "Hello"}


def check_error(answer: httpx.Response, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """Checks an error answer down to its last member; returns the error."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    assert list(answer.json()) == ["error"]
    error: dict[str, Any] = answer.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]
    assert answer.headers["x-request-id"]
    return error


@pytest.mark.parametrize(
    ("more", "status", "code", "param"),
    [
        ({"model": None}, 400, "missing_required_field", "model"),
        ({"input": None}, 400, "missing_required_field", "input"),
        ({"input": []}, 400, "missing_required_field", "input"),
        ({"model": "gpt-4"}, 400, "invalid_model", "model"),
        ({"model": NO_ASSISTANT}, 404, "assistant_not_found", "model"),
        ({"input": [{"role": "wizard", "content": "x"}]}, 400, "invalid_input_type", "input[0].role"),
        ({"input": [USER, {"content": "x"}]}, 400, "invalid_input_type", "input[1]"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, 400, "missing_call_id", "input[0].call_id"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
            400,
            "unknown_call_id",
            "input[0].call_id",
        ),
        ({"previous_response_id": NOBODY}, 400, "previous_response_not_found", "previous_response_id"),
        ({"tools": [{"type": "function", "name": f"f{n}"} for n in range(129)]}, 400, "too_many_tools", "tools"),
        ({"tools": [{"type": "function", "name": "f"}] * 2}, 400, "duplicate_tool_name", "tools[1].name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, 400, "invalid_tool_name", "tools[0].name"),
        (
            {"tools": [{"type": "function", "name": "f", "parameters": {"type": "nonsense"}}]},
            400,
            "invalid_tool_schema",
            "tools[0].parameters",
        ),
        ({"tools": [{"type": "web_search"}]}, 400, "tool_not_supported_for_model", "tools[0]"),
        ({"tools": [{"type": "web_search_preview"}]}, 400, "tool_not_supported_for_model", "tools[0]"),
        ({"temperature": 3}, 400, "invalid_request", "temperature"),
        ({"stream": "true"}, 400, "invalid_request", "stream"),
        ({"prompt": {"id": "pmpt_1"}}, 400, "unsupported_parameter", "prompt"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_bad_field_is_refused_by_its_name(
    bridge: BridgeUnderTest, more: dict[str, Any], status: int, code: str, param: str, *, stream: bool
) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json={**bridge.body(stream=stream), **more})
    error = check_error(answer, status, code, param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff", b'{"a": "\\ud800"}'])
async def test_a_body_that_is_no_json_object_is_refused(bridge: BridgeUnderTest, body: bytes) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", content=body, headers={"content-type": "application/json"})
    check_error(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_a_body_of_another_kind_is_refused(bridge: BridgeUnderTest, headers: dict[str, str]) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", content=b"{}", headers=headers)
    check_error(answer, 415, "unsupported_media_type")


ROUTES = [
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses"),
    ("GET", f"/v1/responses/{NOBODY}"),
    ("DELETE", f"/v1/responses/{NOBODY}"),
    ("POST", f"/v1/responses/{NOBODY}/cancel"),
    ("GET", f"/v1/responses/{NOBODY}/input_items"),
    ("GET", "/v1/models"),
    ("GET", f"/v1/models/{NO_ASSISTANT}"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_answers_without_a_key(bridge: BridgeUnderTest, method: str, path: str) -> None:
    async with bridge.http(key="") as http:
        error = check_error(await http.request(method, path), 401, "missing_api_key")
    assert error["type"] == "authentication_error"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_answers_to_a_key_that_is_not_valid(bridge: BridgeUnderTest, method: str, path: str) -> None:
    body = bridge.body() if (method, path) == ROUTES[0] else None
    async with bridge.http(key="") as http:
        for words in ("Bearer", "Basic dXNlcjpwYXNz", "Bearer sk-other", "Bearer nxk_AAAA_000000"):
            answer = await http.request(method, path, headers={"authorization": words}, json=body)
            check_error(answer, 401, "invalid_api_key")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_two_different_keys_are_no_key(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        check_error(await http.get("/v1/models", headers={"x-api-key": "nxk_other"}), 401, "invalid_api_key")


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if NOBODY in route[1]])
async def test_an_unknown_id_is_not_found_anywhere(bridge: BridgeUnderTest, method: str, path: str) -> None:
    async with bridge.http() as http:
        error = check_error(await http.request(method, path), 404, "response_not_found", "id")
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/responses/", "/v1/responses//cancel", "/v1/responses/a/b", "/v2/responses", "/v1/models/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_an_unknown_path_is_not_found(bridge: BridgeUnderTest, method: str, path: str) -> None:
    async with bridge.http(key="") as http:
        check_error(await http.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/responses", "POST, GET, HEAD, OPTIONS"),
        ("POST", f"/v1/responses/{NOBODY}", "GET, DELETE, HEAD, OPTIONS"),
        ("GET", f"/v1/responses/{NOBODY}/cancel", "POST, OPTIONS"),
        ("DELETE", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_a_path_lacks_is_refused_with_those_it_has(
    bridge: BridgeUnderTest, method: str, path: str, allow: str
) -> None:
    async with bridge.http(key="") as http:
        answer = await http.request(method, path)
        options = await http.options(path)
    check_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow
    assert (options.status_code, options.headers["allow"]) == (204, allow)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("stream=yes", "stream"),
        ("stream=", "stream"),
        ("stream=true&stream=true", "stream"),
        ("stream=true&starting_after=-1", "starting_after"),
        ("stream=true&starting_after=x", "starting_after"),
        ("stream=true&starting_after=1.5", "starting_after"),
        ("stream=true&starting_after=", "starting_after"),
        ("stream=true&starting_after=%D9%A1", "starting_after"),
        ("stream=true&starting_after=99999999999999999999", "starting_after"),
        ("starting_after=1", "starting_after"),
    ],
)
async def test_a_bad_query_of_a_response_is_refused(bridge: BridgeUnderTest, query: str, param: str) -> None:
    async with bridge.http() as http:
        check_error(await http.get(f"/v1/responses/{NOBODY}?{query}"), 400, "invalid_request", param)


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order")]
)
async def test_a_bad_query_of_a_list_is_refused(bridge: BridgeUnderTest, query: str, param: str) -> None:
    async with bridge.http() as http:
        check_error(await http.get(f"/v1/responses/{NOBODY}/input_items?{query}"), 400, "invalid_request", param)


async def test_a_query_that_is_no_text_is_refused(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        check_error(await http.get(f"/v1/responses/{NOBODY}?stream=%FF"), 400, "invalid_request")


@pytest.mark.parametrize(
    ("headers", "code", "param"),
    [
        ({"x-user-id": ""}, "invalid_user_id", "x-user-id"),
        ({"x-user-id": "x" * 257}, "invalid_user_id", "x-user-id"),
        ({"x-user-tokens": "canary"}, "invalid_user_tokens", "x-user-tokens"),
        ({"x-user-tokens": '{"a": "' + "canary" * 2000 + '"}'}, "invalid_user_tokens", "x-user-tokens"),
    ],
)
async def test_a_bad_header_is_refused_and_not_repeated(
    bridge: BridgeUnderTest, headers: dict[str, str], code: str, param: str
) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(), headers=headers)
    check_error(answer, 400, code, param)
    assert "canary" not in answer.text


async def test_the_request_id_of_the_client_stands_on_every_answer(bridge: BridgeUnderTest) -> None:
    mine = {"x-request-id": "req_of-mine.1"}
    async with bridge.http(key="") as http:
        for path in ("/healthz", "/nowhere", "/v1/models"):
            assert (await http.get(path, headers=mine)).headers["x-request-id"] == "req_of-mine.1"
        made_up = [(await http.get("/healthz", headers={"x-request-id": "a b"})).headers["x-request-id"] for _ in "12"]
    assert made_up[0] != made_up[1]
    assert all(request_id.startswith("req_") for request_id in made_up)


async def test_a_head_is_a_get_without_its_body(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        answer = await http.head("/v1/models")
        gone = await http.head("/nowhere")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
    assert (gone.status_code, gone.content) == (404, b"")


async def test_a_response_that_still_runs_cannot_be_continued_yet(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([gate, *says("Done")])
    async with bridge.http() as http:
        started = (await http.post("/v1/responses", json=bridge.body(background=True))).json()
        answer = await http.post("/v1/responses", json=bridge.body(previous_response_id=started["id"]))
        gate.set()
    check_error(answer, 409, "response_not_ready", "previous_response_id")
    assert answer.headers["x-should-retry"] == "false"
