"""LangChain: tools called in a stream, a structured answer, a refusal, and a failure in a stream."""

import json
import os

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import APIError
from pydantic import BaseModel


class Place(BaseModel):
    city: str


@tool
def weather(city: str) -> str:
    """How the weather is in a city."""
    return city


chat = ChatOpenAI(
    model=os.environ["NODEXA_ASSISTANT_ID"],
    base_url=os.environ["NODEXA_BASE_URL"] + "/v1",
    api_key=os.environ["NODEXA_API_KEY"],
    use_responses_api=True,
)
whole = None
for piece in chat.bind_tools([weather]).stream("Call weather: how is it in Paris and Rome?"):
    whole = piece if whole is None else whole + piece
structured = chat.with_structured_output(Place, method="json_schema").invoke("Where?")
errors = {}
for said in ("overflow", "throttled"):
    try:
        chat.invoke(said)
    except APIError as error:
        errors[said] = error.code
pieces = []
try:
    pieces.extend(piece.text for piece in chat.stream("reset One two") if piece.text)
except APIError as error:
    errors["reset"] = error.code
calls = [[call["name"], call["args"]["city"]] for call in whole.tool_calls]
print(
    json.dumps(
        {
            "calls": calls,
            "usage": whole.usage_metadata["total_tokens"] > 0,
            "structured": structured.city,
            "errors": errors,
        }
    )
)
