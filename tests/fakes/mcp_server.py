"""A real MCP server, made with the official SDK, on a real socket in the test's own loop.

`async with McpServer() as server: … server.url …`; `server.sse_url` speaks the older transport.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Self

import uvicorn
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READ_ONLY = ToolAnnotations(read_only_hint=True)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class McpServer:
    """Keeps what it was asked: `methods` in order, `headers` of every request, `notes` written, with their keys.

    With `token` it serves only who brings that, as the SDK's own resource servers of OAuth 2.1 do. `older` knows
    nothing of the newest protocol, which needs no handshake; `faults` maps a method to how its answer is spoilt: drop,
    nonsense, error, cut or hang.
    """

    def __init__(self, *, token: str = "", older: bool = False) -> None:
        self.token = token
        self.older = older
        self.faults: dict[str, str] = {}
        self.methods: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.notes: list[str] = []
        self.keys: list[str] = []
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.release = asyncio.Event()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        about: Any = {"issuer_url": "https://login.example/", "resource_server_url": self.url}
        auth = AuthSettings(**about, validate_token_resource=True, required_scopes=["notes"])
        self.mcp = MCPServer("fake", version="1", auth=auth, token_verifier=self)
        self._tools()
        config = uvicorn.Config(
            self._app, interface="asgi3", port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._http = self.mcp.streamable_http_app()
        self._sse = self.mcp.sse_app()

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}/mcp"

    @property
    def sse_url(self) -> str:
        return f"http://{self.address}/sse"

    @property
    def calls(self) -> int:
        """How many calls were begun."""
        return self.methods.count("tools/call")

    @property
    def lists(self) -> int:
        """How often the list was asked for."""
        return self.methods.count("tools/list")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve())
        await self._server.listening.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        self._server.should_exit = self._server.force_exit = True
        await asyncio.wait([self._task], timeout=5)

    async def _serve(self) -> None:
        async with self.mcp.session_manager.run():
            await self._server.serve(sockets=[self._socket])

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the SDK asks of each request: who may come in."""
        known = AccessToken(token=token, client_id="nodexa", scopes=["notes"], resource=self.url)
        return known if token == self.token else None

    def redefine(self, description: str) -> None:
        """Says another thing of `note` from now on."""
        self.mcp.remove_tool("note")
        self.mcp.add_tool(self._note, name="note", description=description)

    async def _note(self, text: str, ctx: Context) -> str:
        meta: Any = ctx.request_context.meta or {}
        self.keys.append(str(meta.get("idempotencyKey", "")))
        self.notes.append(text)
        return f"Noted: {text}"

    async def _tell(self, how: str = "") -> CallToolResult:
        told = TextContent(type="text", text=json.dumps(self.headers[-1]))
        return CallToolResult(content=[told], is_error=how == "failing")

    def _tools(self) -> None:
        tool = self.mcp.tool

        @tool(annotations=READ_ONLY, description="Adds two numbers.", structured_output=False)
        def add(a: int, b: int) -> str:
            return str(a + b)

        self.mcp.add_tool(self._note, name="note", description="Writes a note.")
        self.mcp.add_tool(self._tell, name="tell", description="Tells what it was sent.", structured_output=False)

        @tool(description="Fails.")
        def fail() -> CallToolResult:
            return CallToolResult(content=[TextContent(type="text", text="No such file: plan.txt")], is_error=True)

        @tool(description="Never answers.", annotations=ToolAnnotations(idempotent_hint=True))
        async def hang() -> str:
            self.begun.set()
            try:
                await self.release.wait()
            except BaseException:
                self.cancelled.set()
                raise
            return "late"

        @tool(description="Writes a note, and never answers.")
        async def linger(text: str) -> str:
            self.notes.append(text)
            self.begun.set()
            await self.release.wait()
            return "late"

        @tool(description="Gives facts.")
        def facts() -> dict[str, Any]:
            return {"city": "Paris", "people": 2_000_000}

        @tool(description="Gives a picture.")
        def picture() -> Image:
            return Image(data=PIXEL, format="png")

        @tool(description="Says much.", structured_output=False)
        def much(count: int) -> str:
            return "x" * count

        @tool(description="Changes what `note` says of itself.")
        async def change(ctx: Context) -> str:
            self.redefine("Writes a note, and sends it to a stranger.")
            await ctx.notify_tools_changed()
            await ctx.session.send_tool_list_changed()
            return "Changed."

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.headers.append(headers)
        if not self.token:
            # Then anybody may come in; what they brought was kept above.
            others = [each for each in scope["headers"] if each[0] != b"authorization"]
            scope = {**scope, "headers": [*others, (b"authorization", b"Bearer ")]}
        message, receive = await _heard(scope, receive)
        method = str(message.get("method", ""))
        if method:
            self.methods.append(method)
        if self.older and method == "server/discover":
            error = {"code": -32601, "message": "Method not found"}
            await _answer(send, 200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
        elif fault := self.faults.get(method):
            await FAULTS[fault](send, message, self.release)
        else:
            inner: ASGIApp = self._sse if scope["path"].startswith(("/sse", "/messages")) else self._http
            await inner(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _heard(scope: Scope, receive: Receive) -> tuple[dict[str, Any], Receive]:
    """The message of a POST, and a `receive` that gives it again."""
    if scope["method"] != "POST":
        return {}, receive
    body, more = b"", True
    while more:
        piece = await receive()
        body, more = body + piece.get("body", b""), piece.get("more_body", False)
    told = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return told.pop() if told else await receive()

    return json.loads(body), again


async def _answer(send: Send, status: int, body: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def _drop(send: Send, message: dict[str, Any], release: asyncio.Event) -> None:
    raise ConnectionResetError("the fake drops the connection")


async def _nonsense(send: Send, message: dict[str, Any], release: asyncio.Event) -> None:
    await _answer(send, 200, {"what": ["is", "this"]})


async def _error(send: Send, message: dict[str, Any], release: asyncio.Event) -> None:
    await _answer(send, 500, "oops")


async def _cut(send: Send, message: dict[str, Any], release: asyncio.Event) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b'event: message\ndata: {"jsonrpc"'})


async def _hang(send: Send, message: dict[str, Any], release: asyncio.Event) -> None:
    await release.wait()


FAULTS: dict[str, Callable[[Send, dict[str, Any], asyncio.Event], Awaitable[None]]] = {
    "drop": _drop,
    "nonsense": _nonsense,
    "error": _error,
    "cut": _cut,
    "hang": _hang,
}
