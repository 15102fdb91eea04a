"""S3: secrets and prompts that went through every kind of traffic are found nowhere that they should not be."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from service.store.sqlite import sqlite3
from tests.fakes.chat_server import Raw
from tests.fakes.responses_server import ResponsesServer
from tests.fakes.web_server import Page
from tests.faults.counts import count
from tests.faults.outside import Outside, outside
from tests.service.cli.served import SECONDS, Served, nodexa

USER_TOKEN, TOOL_TOKEN, TOOL_HEADER = "canary-user-token", "canary-tool-token", "canary-tool-header"
UPSTREAM_KEY, WRONG_KEY = "sk-canary-upstream-key", "nxk_canaryWrongKeyAAAAAAAAAAAA_aaaaaa"
PROMPT = "canary prompt words"
REST_SECRET, OPERATORS_TOKEN = "canary-rest-secret", "canary-operators-token"
SECRETS = (USER_TOKEN, TOOL_TOKEN, TOOL_HEADER, UPSTREAM_KEY, WRONG_KEY, REST_SECRET, OPERATORS_TOKEN)
ENVIRONMENT = {
    "UPSTREAM_KEY": UPSTREAM_KEY,
    "NODEXA_BRIDGE_ACCESS_LOG": "true",
    "NODEXA_TOOL_KEY": REST_SECRET,
    "OPERATORS_TOKEN": OPERATORS_TOKEN,
}
FILE = """
[egress]
allow = ["127.0.0.0/8"]

[mcp.operators]
url = "{url}"
authorization_env = "OPERATORS_TOKEN"
"""
REST = {
    "type": "rest",
    "name": "order",
    "provider": "provider",
    "headers": {"X-Key": {"env": "NODEXA_TOOL_KEY"}},
    "parameters": {"type": "object", "properties": {"about": {"type": "string"}}},
}
MCP = {
    "type": "mcp",
    "server_label": "files",
    "server_url": "https://mcp.example",
    "authorization": TOOL_TOKEN,
    "headers": {"X-Key": TOOL_HEADER},
    "require_approval": "never",
}


@dataclass(slots=True)
class Traffic:
    """A Nodexa in use: `told` is every answer that it gave, `errors` those that were refusals."""

    served: Served
    upstream: ResponsesServer
    outside: Outside
    model: str
    tooled: str
    key: str
    told: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}", "x-user-tokens": json.dumps({"provider": USER_TOKEN})}

    def body(self, **more: Any) -> dict[str, Any]:
        return {"model": self.model, "input": PROMPT, "instructions": PROMPT, "tools": [MCP], **more}

    async def send(self, path: str, status: int, *, headers: dict[str, str] | None = None, **sent: Any) -> str:
        """Sends a POST, whose answer must have that status."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=SECONDS) as http:
            got = await http.post(path, headers=self.headers | (headers or {}), **sent)
        assert (got.status_code, got.text) == (status, got.text)
        self.told.append(got.text)
        if status >= 400:
            self.errors.append(got.text)
        return got.text

    @property
    def url(self) -> str:
        return self.served.quickstart["NODEXA_BASE_URL"]


@contextlib.asynccontextmanager
async def in_use(folder: Path) -> AsyncIterator[Traffic]:
    """A Nodexa on two model servers: one runs tools of its own and wants a key, the other leaves them to Nodexa."""
    data = folder / "var"
    data.mkdir(mode=0o700)
    ours = outside(token=TOOL_TOKEN, operators_token=OPERATORS_TOKEN)
    async with ResponsesServer() as upstream, ours as beyond:
        (data / "nodexa.toml").write_text(FILE.format(url=beyond.operators.url))
        operators = {"type": "mcp", "server_label": "operators", "require_approval": "never"}
        file = folder / "tools.json"
        file.write_text(json.dumps([{**REST, "url": f"{beyond.web.url}/orders"}, operators]))
        served = await asyncio.to_thread(lambda: Served(data, env=ENVIRONMENT).ready())
        try:
            where = ("--data", str(data), "--json")
            server = ("--kind", "openai_responses", "--base-url", upstream.url, "--api-key-env", "UPSTREAM_KEY")
            made = []
            for command in (
                ("models", "add", "upstream", *server),
                ("models", "add", "chat", "--kind", "openai_chat", "--base-url", beyond.chat.url),
                ("assistants", "create", "--name", "tested", "--model", "upstream"),
                ("assistants", "create", "--name", "tooled", "--model", "chat", "--tools", str(file)),
            ):
                ended = await asyncio.to_thread(nodexa, *command, *where, cwd=folder)
                assert ended.code == 0, ended.err
                made.append(ended.json)
            key = served.quickstart["NODEXA_API_KEY"]
            yield Traffic(served, upstream, beyond, made[2]["id"], made[3]["id"], key)
        finally:
            served.stop()


async def good(traffic: Traffic) -> None:
    await traffic.send("/v1/responses", 200, json=traffic.body())
    await traffic.send("/v1/responses", 200, json=traffic.body(stream=True))
    await traffic.send("/v1/responses", 200, json=traffic.body(background=True))
    await traffic.send("/v1/responses", 200, json=traffic.body(store=False))
    asked = traffic.upstream.requests[0]
    # They do reach those whom they are for.
    assert asked.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert {TOOL_TOKEN, TOOL_HEADER} <= {
        asked.body["tools"][0]["authorization"],
        *asked.body["tools"][0]["headers"].values(),
    }
    url = f"ws{traffic.url.removeprefix('http')}/v1/responses"
    async with connect(url, additional_headers=traffic.headers, proxy=None) as socket, asyncio.timeout(SECONDS):
        await socket.send(json.dumps({"type": "response.create", **traffic.body()}))
        while "response.completed" not in (message := str(await socket.recv())):
            traffic.told.append(message)


async def bad(traffic: Traffic) -> None:
    responses = "/v1/responses"
    await traffic.send(responses, 400, content=f'{{"input": "{PROMPT}", ', headers={"content-type": "application/json"})
    await traffic.send(responses, 400, json=traffic.body(temperature=PROMPT))
    await traffic.send(responses, 400, json=traffic.body(previous_response_id="resp_none"))
    await traffic.send(responses, 400, json=traffic.body(), headers={"x-user-tokens": f'{{"p": "{USER_TOKEN}'})
    await traffic.send(responses, 400, json=traffic.body(), headers={"x-user-tokens": json.dumps([USER_TOKEN])})
    await traffic.send(responses, 401, json=traffic.body(), headers={"authorization": f"Bearer {WRONG_KEY}"})
    await traffic.send(responses, 401, json=traffic.body(), headers={"x-api-key": WRONG_KEY})
    await traffic.send(responses, 401, json=traffic.body(), headers={"authorization": f"Basic {WRONG_KEY}"})
    await traffic.send(f"{responses}?api_key={WRONG_KEY}", 400, json=traffic.body(input=7))
    await traffic.send("/v1/conversations", 400, json={"items": PROMPT})


def http(status: str, body: str, *, kind: str = "application/json") -> Raw:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return Raw((f"{head}{body}".encode(),))


async def broken_upstream(traffic: Traffic) -> None:
    """Answers of a model server that repeats all that it was sent."""
    echo = f"{UPSTREAM_KEY} {TOOL_TOKEN} {TOOL_HEADER} {PROMPT}"
    error = json.dumps({"error": {"message": f"Wrong: {echo}", "type": "x", "code": "y", "param": None}})
    for status in ("401 Unauthorized", "403 Forbidden", "500 Internal Server Error"):
        # A stream has begun before the model server is asked.
        for stream, answered in ((False, 502), (True, 200)):
            traffic.upstream.replies.extend([http(status, error)] * 5)
            await traffic.send("/v1/responses", answered, json=traffic.body(stream=stream))
            traffic.upstream.replies.clear()
    for text in (echo, "{", '{"type": "nonsense"}'):
        traffic.upstream.replies.extend(
            [http("200 OK", text), http("200 OK", f"data: {text}\n\n", kind="text/event-stream")]
        )
        assert "upstream_protocol_error" in await traffic.send("/v1/responses", 200, json=traffic.body())
        traffic.upstream.replies.clear()


async def tools(traffic: Traffic) -> None:
    """Calls of the platform's own tools, whose servers answer, refuse and break, and repeat all that they were sent."""
    asked = traffic.outside.web.asked
    echo = f"{USER_TOKEN} {REST_SECRET}".encode()
    for status in (200, 401, 500):
        traffic.outside.web.pages["/orders"] = Page(echo, status, {"content-type": "text/plain"})
        for more in ({}, {"stream": True}, {"background": True, "stream": True}, {"store": False}):
            body = {"model": traffic.tooled, "input": f"call order in {PROMPT}", **more}
            told = await traffic.send("/v1/responses", 200, json=body)
            assert ("oauth_required" if status == 401 else "[redacted]") in told
    assert {(each.headers["authorization"], each.headers["x-key"]) for each in asked} == {
        (f"Bearer {USER_TOKEN}", REST_SECRET)
    }
    for label, token, works in (("files", TOOL_TOKEN, True), ("files", TOOL_HEADER, False), ("operators", "", True)):
        brought = {**MCP, "server_url": traffic.outside.mcp.url, "authorization": token}
        body = {"model": traffic.tooled, "input": f"call {label}__note in {PROMPT}", "stream": True}
        brings = {"tools": [brought]} if token else {}
        told = await traffic.send("/v1/responses", 200, json={**body, **brings})
        assert ("Noted: " in told) == works
        # It repeats all that it was sent.
        again = await traffic.send(
            "/v1/responses", 200, json={**body, "input": f"call {label}__tell in good", **brings}
        )
        assert ("content-length" in again) == works
    assert {TOOL_HEADER} == {headers.get("x-key") for headers in traffic.outside.mcp.headers} - {None}
    command = ("tools", "test", traffic.tooled, "order", "--user-token", f"provider={USER_TOKEN}")
    where = ("--data", str(traffic.served.data))
    ended = await asyncio.to_thread(nodexa, *command, *where, cwd=traffic.served.data)
    assert "[redacted]" in ended.out
    traffic.told.append(ended.out + ended.err)


async def crash(traffic: Traffic) -> None:
    """A bug of ours: a table is gone."""
    with contextlib.closing(sqlite3.connect(traffic.served.data / "nodexa.db")) as conn:
        conn.execute("alter table conversations rename to mislaid")
    items = [{"type": "message", "role": "user", "content": PROMPT}]
    await traffic.send("/v1/conversations", 500, json={"items": items, "metadata": {"note": PROMPT}})


def found(text: str | bytes, words: Sequence[str]) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return [word for word in words if word.encode() in data]


async def test_no_secret_is_found_where_it_should_not_be(tmp_path: Path) -> None:
    async with in_use(tmp_path) as traffic:
        for _ in range(count(1, soak=20)):
            await good(traffic)
            await bad(traffic)
            await broken_upstream(traffic)
            await tools(traffic)
        await crash(traffic)
        files = [path for path in traffic.served.data.iterdir() if path.name.startswith("nodexa.db")]
        kept = b"".join(path.read_bytes() for path in files)
        code, log = await asyncio.to_thread(traffic.served.end)
        kept += b"".join(path.read_bytes() for path in files if path.exists())

    key = (traffic.key, traffic.key[4:40])
    assert code == 0
    assert PROMPT.encode() in kept
    assert found(kept, (*SECRETS, *key)) == []
    assert "Traceback" in log
    assert "POST /v1/responses 502" in log
    assert found(log, (*SECRETS, *key, PROMPT)) == []
    assert found("".join(traffic.told), (*SECRETS, *key)) == []
    assert found("".join(traffic.errors), (PROMPT,)) == []
