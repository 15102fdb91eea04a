"""The OpenAI Agents SDK with tools that the server runs: its own hosted tools, and those of an assistant."""

import asyncio
import json
import os

from agents import (
    Agent,
    HostedMCPTool,
    MCPToolApprovalRequest,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    WebSearchTool,
    set_tracing_disabled,
)
from agents.result import RunResultBase
from openai import AsyncOpenAI

set_tracing_disabled(True)

CLIENT = AsyncOpenAI(base_url=os.environ["NODEXA_BASE_URL"] + "/v1", api_key=os.environ["NODEXA_API_KEY"])
PLAIN = OpenAIResponsesModel(os.environ["NODEXA_ASSISTANT_ID"], CLIENT)
TOOLED = OpenAIResponsesModel(os.environ["TOOLED"], CLIENT)
# null and not []: the assistant's own tools, and not none.
OWN = ModelSettings(extra_body={"tools": None})


def server(approval: str, *, approve: bool = True) -> HostedMCPTool:
    async def judge(request: MCPToolApprovalRequest) -> dict:
        return {"approve": approve, "reason": "Too early."}

    config = {
        "type": "mcp",
        "server_label": "desk",
        "server_url": os.environ["MCP_URL"],
        "allowed_tools": ["note"],
        "require_approval": approval,
    }
    return HostedMCPTool(tool_config=config, on_approval_request=judge if approval == "always" else None)


AGENTS = {
    "mcp": (Agent(name="desk", model=PLAIN, tools=[server("never")]), "call desk__note in milk"),
    "approved": (Agent(name="asked", model=PLAIN, tools=[server("always")]), "call desk__note in eggs"),
    "refused": (Agent(name="denied", model=PLAIN, tools=[server("always", approve=False)]), "call desk__note in lies"),
    "search": (Agent(name="reader", model=PLAIN, tools=[WebSearchTool()]), "call web_search in rain"),
    "own mcp": (Agent(name="own", model=TOOLED, model_settings=OWN), "call desk__note in tea"),
    "own rest": (Agent(name="own", model=TOOLED, model_settings=OWN), "call find_order in 17"),
    "own search": (Agent(name="own", model=TOOLED, model_settings=OWN), "call web_search in rain"),
}


async def run(agent: Agent, said: list | str, *, stream: bool) -> RunResultBase:
    if not stream:
        return await Runner.run(agent, said)
    streamed = Runner.run_streamed(agent, said)
    async for _ in streamed.stream_events():
        pass
    return streamed


async def main() -> None:
    report = {}
    for name, (agent, said) in AGENTS.items():
        for stream in (False, True):
            result = await run(agent, said, stream=stream)
            # Its whole history goes back, answers to approvals included: nothing is done again.
            again = await run(agent, [*result.to_input_list(), {"role": "user", "content": "Sure?"}], stream=stream)
            report.setdefault(name, []).append([result.final_output, again.final_output])
    print(json.dumps(report))


asyncio.run(main())
