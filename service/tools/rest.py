"""The tools of type `rest`: HTTP calls that an administrator described on an assistant."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from nodexa.v1.tool_pb2 import FunctionTool

from service.errors import NodexaError
from service.tools.egress import Answer, Egress
from service.tools.masking import masked
from service.tools.rest_call import rest_request
from service.tools.rest_spec import RestSpec, is_header_value, read_spec
from service.tools.tool import OUTPUT_BYTES, Call, Errand, Opened, Outcome, Source, TokenWantedError, ToolError

REFUSALS: Final = (401, 403)
TOLD_OF_FAILURES: Final = 4000
"""Characters of an answer that says no."""
_TEXTS: Final = ("text/", "json", "xml", "yaml", "javascript", "urlencoded", "csv")

log = logging.getLogger(__name__)


class HttpStatusError(ToolError):
    """The server answered with a status that says no."""

    def __init__(self, status: int, message: str, *, done: bool | None) -> None:
        super().__init__("http_error", message, done=done)
        self.status = status


class Rest:
    """The kind of all REST tools. `environment` holds the secrets that their headers name."""

    def __init__(self, egress: Egress, environment: Mapping[str, str]) -> None:
        self._egress = egress
        self._environment = environment

    async def check(self, tool: Mapping[str, Any], path: str, *, org_id: str, own: bool) -> None:
        if not own:
            raise NodexaError(
                "invalid_request", "Tools of type 'rest' belong to assistants, not to requests.", param=path
            )
        spec = read_spec(tool, path)
        self._egress.check(spec.url.replace("{", "").replace("}", ""), f"{path}.url")

    def source(self, tool: Mapping[str, Any]) -> Source:
        return _Source(RestTool(read_spec(tool, ""), self._egress, self._environment))

    def hosted(self, tool: Mapping[str, Any]) -> bool:
        return False


class _Source:
    def __init__(self, tool: RestTool) -> None:
        self._tool = tool

    @asynccontextmanager
    async def open(self, errand: Errand) -> AsyncIterator[Opened]:
        yield Opened([self._tool])


class RestTool:
    """One HTTP call."""

    type: Final = "mcp_call"  # The type that every client knows for calls of a server's tools.
    phases: Final[Sequence[str]] = ("in_progress",)

    def __init__(self, spec: RestSpec, egress: Egress, environment: Mapping[str, str]) -> None:
        self._spec = spec
        self._egress = egress
        self._environment = environment

    @property
    def shown(self) -> FunctionTool:
        schema = json.dumps(self._spec.schema, ensure_ascii=False)
        return FunctionTool(name=self._spec.name, description=self._spec.description, parameters_json=schema)

    @property
    def repeatable(self) -> bool:
        return self._spec.repeatable

    @property
    def approval(self) -> bool:
        return self._spec.approval

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        return {
            "server_label": self._spec.name,
            "name": self._spec.name,
            "arguments": call.arguments,
            "output": outcome.output if isinstance(outcome, Outcome) else None,
            "error": _error(outcome) if isinstance(outcome, ToolError) else None,
        }

    async def run(self, call: Call, errand: Errand) -> Outcome:
        spec = self._spec
        request = rest_request(spec, call.values, key=call.key)
        token, secrets = self._token(errand), self._secrets()
        answer = await self._egress.fetch(
            request.method,
            request.url,
            headers={**request.headers, **self._headers(token, secrets)},
            content=request.body,
            seconds=spec.seconds,
            most=OUTPUT_BYTES,
        )
        if spec.provider and answer.status in REFUSALS:
            raise TokenWantedError(spec.provider)
        told = _told(answer, hidden=[token, *secrets.values()])
        if answer.status < 300:
            return Outcome(told or f"Done, with the status {answer.status} and nothing else.")
        message = f"The server answered with the status {answer.status}. {told[:TOLD_OF_FAILURES]}".rstrip()
        # A server that says 4xx has looked and refused; what one did that broke, nobody knows.
        raise HttpStatusError(answer.status, message, done=False if 400 <= answer.status < 500 else None)

    def _token(self, errand: Errand) -> str:
        """The user's token, empty where none is wanted. Raises TokenWantedError."""
        if not self._spec.provider:
            return ""
        token = errand.tokens.of(self._spec.provider)
        if not token or not is_header_value(token):
            raise TokenWantedError(self._spec.provider)
        return token

    def _secrets(self) -> dict[str, str]:
        """What the environment holds for the headers, by variable. Raises ToolError."""
        found = {}
        for variable in (header.env for header in self._spec.headers if header.env):
            value = self._environment.get(variable, "").strip()
            if not value or not is_header_value(value):
                log.error(
                    "the tool %s needs the environment variable %s where the core runs", self._spec.name, variable
                )
                raise ToolError(
                    "tool_error", "The tool is not set up rightly: a secret of it is not there.", done=False
                )
            found[variable] = value
        return found

    def _headers(self, token: str, secrets: Mapping[str, str]) -> dict[str, str]:
        """What goes along that the model never sees."""
        headers = {header.name: header.text + secrets.get(header.env, "") for header in self._spec.headers}
        return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _told(answer: Answer, *, hidden: Sequence[str]) -> str:
    """The body as a text, without the secrets that a server sends back."""
    kind = answer.headers.get("content-type", "").lower()
    if answer.body and kind and not any(text in kind for text in _TEXTS):
        return f"It answered {len(answer.body)} bytes of {kind.partition(';')[0][:100]}, which can't be shown."
    return masked(answer.body.decode(errors="replace"), hidden)


def _error(error: ToolError) -> Mapping[str, Any]:
    if isinstance(error, HttpStatusError):
        return {"type": "http_error", "code": error.status, "message": error.message}
    content = [{"type": "text", "text": f"{error.code}: {error.message}"}]
    return {"type": "mcp_tool_execution_error", "content": content}
