"""Pydantic AI: tools called in a stream, a structured answer, a refusal, and a failure in a stream."""

import asyncio
import json
import os

from openai import APIError
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider


class Place(BaseModel):
    city: str


async def main() -> None:
    provider = OpenAIProvider(base_url=os.environ["NODEXA_BASE_URL"] + "/v1", api_key=os.environ["NODEXA_API_KEY"])
    model = OpenAIResponsesModel(os.environ["NODEXA_ASSISTANT_ID"], provider=provider)
    plain = Agent(model)
    guide = Agent(model)
    asked = []

    @guide.tool_plain
    def weather(city: str) -> str:
        """How the weather is in a city."""
        asked.append(city)
        return city

    async with guide.run_stream("Call weather: how is it in Paris and Rome?") as streamed:
        answer = "".join([text async for text in streamed.stream_text(delta=True)])
    structured = await Agent(model, output_type=NativeOutput(Place)).run("Where?")
    tool_output = await Agent(model, output_type=Place).run("Where?")
    errors = {}
    for said in ("overflow", "throttled"):
        try:
            await plain.run(said)
        except ModelHTTPError as error:
            errors[said] = error.body["code"]
    try:
        async with plain.run_stream("reset One two") as failing:
            async for _ in failing.stream_text(delta=True):
                pass
    except (APIError, ModelAPIError) as error:
        errors["reset"] = "upstream_error" if "upstream_error" in str(error) else str(error)
    print(
        json.dumps(
            {
                "asked": sorted(asked),
                "answer": answer,
                "structured": structured.output.city,
                "tool_output": tool_output.output.city,
                "errors": errors,
            }
        )
    )


asyncio.run(main())
