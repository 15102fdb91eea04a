"""Tools that act for the user: the response waits for a token, and the next one that brings it goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message
from nodexa.v1.response_pb2 import Response as CoreResponse
from nodexa.v1.response_service_pb2 import CreateResponseRequest
from openai.types.responses import Response

from tests.conftest import events_in
from tests.fakes.in_thread import in_thread
from tests.fakes.mcp_server import McpServer
from tests.fakes.web_server import WebServer, shows
from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack
from tests.sdk.told import ended
from tests.service.cli.served import SECONDS

TOKEN: Final = "canary-token"


class Speaker:
    """Sends requests as the SDK does; `own` says that it is Nodexa's own dialect that it hears."""

    def __init__(self, client: openai.AsyncOpenAI, *, own: bool) -> None:
        self._client = client
        self._own = own

    async def ask(self, text: str | None = None, *, stream: bool, token: str = "", **more: Any) -> Response:
        """The response, final or waiting; `token` is the user's for `crm`."""
        headers = {"x-user-tokens": json.dumps({"crm": token})} if token else {}
        asked: dict[str, Any] = {"input": [] if text is None else text, "extra_headers": headers, **more}
        if stream:
            return ended([event async for event in await self._client.responses.create(**asked, stream=True)])
        response: Response = await self._client.responses.create(**asked)
        return response

    def wanted(self, response: Response) -> dict[str, Any]:
        """What the response says of the token that it waits for."""
        told = response.model_dump(warnings=False)
        if not self._own:
            (hidden,) = told["nodexa"]["oauth_required"]
            return dict(hidden)
        (shown,) = [item for item in told["output"] if item["type"] == "oauth_required"]
        return dict(shown)


def assistant_with(stack: Stack, folder: Path, tool: Mapping[str, Any]) -> str:
    """The id of a new assistant with that tool."""
    (folder / "tools.json").write_text(json.dumps([tool]))
    options = ("--name", "tooled", "--model", "fake", "--tools", str(folder / "tools.json"))
    made: str = stack.nodexa("assistants", "create", *options)["id"]
    return made


def desk(server: McpServer) -> Mapping[str, Any]:
    """A tool that acts for the user of `crm`."""
    tool = {"type": "mcp", "server_label": "desk", "server_url": server.url, "require_approval": "never"}
    return {**tool, "allowed_tools": ["note"], "provider": "crm"}


@pytest.fixture
def folder(tmp_path: Path, assistant: str) -> Path:
    """A folder of the test's own, once the model is there."""
    return tmp_path


@pytest.fixture(params=["openai", "nodexa"])
async def speaker(request: pytest.FixtureRequest, stack: Stack, recorder: Recorder) -> AsyncIterator[Speaker]:
    """The SDK in each dialect; what it is told in its own is checked as a whole."""
    own = request.param == "nodexa"
    http = openai.DefaultAsyncHttpxClient(trust_env=False) if own else recorder.async_http()
    headers = {"x-nodexa-dialect": "nodexa"} if own else {}
    async with openai.AsyncOpenAI(
        base_url=f"{stack.base_url}/v1", api_key=stack.key, default_headers=headers, timeout=SECONDS, http_client=http
    ) as client:
        yield Speaker(client, own=own)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_rest_tool_waits_for_the_token_of_its_user(
    speaker: Speaker, stack: Stack, folder: Path, *, stream: bool
) -> None:
    async with WebServer() as web:
        web.pages["/orders/17"] = shows({"state": "sent"})
        number = {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}
        tool = {"type": "rest", "name": "find_order", "url": f"{web.url}/orders/{{number}}", "parameters": number}
        model = assistant_with(stack, folder, {**tool, "provider": "crm"})

        waiting = await speaker.ask("call find_order in 17", stream=stream, model=model)
        answered = await speaker.ask(token=TOKEN, stream=stream, model=model, previous_response_id=waiting.id)

    assert str(waiting.status) == "requires_action"
    wanted = speaker.wanted(waiting)
    assert (wanted["provider"], wanted["name"]) == ("crm", "find_order")
    assert json.loads(wanted["arguments"]) == {"number": "17"}
    assert answered.status == "completed"
    call = answered.output[0]
    assert call.type == "mcp_call"
    assert (call.name, call.output) == ("find_order", '{"state": "sent"}')
    assert answered.output_text == 'The tools said: {"state": "sent"}'
    assert [asked.headers["authorization"] for asked in web.asked] == [f"Bearer {TOKEN}"]
    assert TOKEN not in "".join(each.model_dump_json(warnings=False) for each in (waiting, answered))
    assert TOKEN not in str(stack.asked("17"))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_mcp_server_that_wants_a_token_says_where_it_is_given(
    speaker: Speaker, stack: Stack, folder: Path, *, stream: bool
) -> None:
    async with McpServer(token=TOKEN) as server:
        model = assistant_with(stack, folder, desk(server))

        waiting = await speaker.ask("call desk__note in milk", stream=stream, model=model)
        refused = await speaker.ask(token="an old one", stream=stream, model=model, previous_response_id=waiting.id)
        answered = await speaker.ask(token=TOKEN, stream=stream, model=model, previous_response_id=refused.id)

    for held in (waiting, refused):
        assert str(held.status) == "requires_action"
        wanted = speaker.wanted(held)
        assert (wanted["provider"], wanted["url"]) == ("crm", "https://login.example/")
    assert answered.status == "completed"
    assert [item.type for item in answered.output] == ["mcp_list_tools", "mcp_call", "message"]
    assert server.notes == ["milk"]


def test_a_token_goes_the_same_way_over_grpc(stack: Stack, folder: Path) -> None:
    with in_thread(McpServer(token=TOKEN)) as server, stack.responses() as responses:
        request = CreateResponseRequest(assistant_id=assistant_with(stack, folder, desk(server)))
        said = ContentPart(input_text=InputText(text="call desk__note in milk"))
        asked = Item(message=Message(role=Message.ROLE_USER, content=[said]))
        told = []
        for token in ("", TOKEN):
            more: dict[str, Any] = {"user_tokens": {"crm": token}} if token else {"input": [asked]}
            request.MergeFrom(CreateResponseRequest(**more))
            batches = list(responses.StreamResponse(request, metadata=stack.metadata, timeout=SECONDS))
            response = events_in(batches)[-1].completed.response
            told.append((response.status, [item.opaque.type or item.WhichOneof("kind") for item in response.output]))
            wanted = response.output[-1].opaque.json
            request = CreateResponseRequest(assistant_id=request.assistant_id, previous_response_id=response.id)
            assert TOKEN not in str(batches)
            if not token:
                assert json.loads(wanted)["url"] == "https://login.example/"

    assert told == [
        (CoreResponse.STATUS_REQUIRES_ACTION, ["oauth_required"]),
        (CoreResponse.STATUS_COMPLETED, ["mcp_list_tools", "mcp_call", "message"]),
    ]
    assert server.notes == ["milk"]
