"""The OpenAI Agents SDK with conversations: its session, streamed, with two tools; and runs that name one."""

import asyncio
import json
import os

from agents import Agent, OpenAIConversationsSession, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)


@function_tool
def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"Sunny in {city}."


async def said(agent: Agent, text: str, session: OpenAIConversationsSession) -> str:
    streamed = Runner.run_streamed(agent, text, session=session)
    async for _ in streamed.stream_events():
        pass
    return str(streamed.final_output)


async def main() -> None:
    client = AsyncOpenAI(base_url=os.environ["NODEXA_BASE_URL"] + "/v1", api_key=os.environ["NODEXA_API_KEY"])
    model = OpenAIResponsesModel(os.environ["NODEXA_ASSISTANT_ID"], client)
    agent = Agent(name="guide", model=model, tools=[weather])
    session = OpenAIConversationsSession(openai_client=client)
    first = await said(agent, "Call weather: how is it in Paris and Rome?", session)
    plain = Agent(name="plain", model=model)
    second = await said(plain, "And in Tromsø?", session)
    recalled = await said(plain, "recall", session)
    kept = [item.get("type") for item in await session.get_items()]
    popped = await session.pop_item()
    left = len(await session.get_items())
    await session.clear_session()
    conversation = await client.conversations.create()
    managed = await Runner.run(agent, "Call weather: how is it in Oslo?", conversation_id=conversation.id)
    again = await Runner.run(plain, "recall", conversation_id=conversation.id)
    report = {
        "first": first,
        "second": second,
        "recalled": recalled,
        "kept": kept,
        "popped": popped["content"][0]["text"] if popped else None,
        "left": left,
        "managed": [managed.final_output, again.final_output],
    }
    print(json.dumps(report))


asyncio.run(main())
