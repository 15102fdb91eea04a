"""The OpenAI Agents SDK: a structured answer, a refusal, and a failure in a stream."""

import asyncio
import json
import os

from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from openai import APIError, AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)


class Place(BaseModel):
    city: str


async def main() -> None:
    client = AsyncOpenAI(base_url=os.environ["NODEXA_BASE_URL"] + "/v1", api_key=os.environ["NODEXA_API_KEY"])
    model = OpenAIResponsesModel(os.environ["NODEXA_ASSISTANT_ID"], client)
    agent = Agent(name="plain", model=model)
    structured = await Runner.run(Agent(name="structured", model=model, output_type=Place), "Where?")
    errors = {}
    for said in ("overflow", "throttled"):
        try:
            await Runner.run(agent, said)
        except APIError as error:
            errors[said] = error.code
    pieces = []
    try:
        streamed = Runner.run_streamed(agent, "reset One two")
        raw = (event.data async for event in streamed.stream_events() if event.type == "raw_response_event")
        async for event in raw:
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)  # noqa: PERF401 (a comprehension would lose them to the failure)
    except APIError as error:
        errors["reset"] = error.code
    print(json.dumps({"structured": structured.final_output.city, "pieces": pieces, "errors": errors}))


asyncio.run(main())
