"""The OpenAI SDK, any version that has `responses`: two turns, a stream, two tools at once, structure, failures."""

import json
import os

import openai

client = openai.OpenAI(
    base_url=os.environ["NODEXA_BASE_URL"] + "/v1", api_key=os.environ["NODEXA_API_KEY"], max_retries=0
)
model = os.environ["NODEXA_ASSISTANT_ID"]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "name": "weather", "parameters": CITY, "strict": True}]


def outputs(response):
    """The city of each call, as its output."""
    calls = [item for item in response.output if item.type == "function_call"]
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": json.loads(call.arguments)["city"]}
        for call in calls
    ]


def streamed(**request):
    """The pieces of text, and the response of the last event."""
    pieces = []
    for event in client.responses.create(model=model, stream=True, **request):
        if event.type == "response.output_text.delta":
            pieces.append(event.delta)
        last = event
    return pieces, last.response


first = client.responses.create(model=model, input="My name is Ada.")
second = client.responses.create(model=model, input="recall", previous_response_id=first.id)
pieces, _ = streamed(input="One two three")
asked = client.responses.create(model=model, input="Call weather: how is it in Paris and Rome?", tools=TOOLS)
told = client.responses.create(model=model, input=outputs(asked), previous_response_id=asked.id, tools=TOOLS)
_, asked_streaming = streamed(input="Call weather: how is it in Paris and Rome?", tools=TOOLS)
told_streaming, _ = streamed(input=outputs(asked_streaming), previous_response_id=asked_streaming.id, tools=TOOLS)
structured = client.responses.create(
    model=model,
    input="Where?",
    text={"format": {"type": "json_schema", "name": "place", "schema": CITY, "strict": True}},
)
errors = {}
for said in ("overflow", "throttled"):
    try:
        client.responses.create(model=model, input=said)
    except openai.APIStatusError as error:
        errors[said] = error.code
try:
    streamed(input="reset One two")
except openai.APIError as error:
    errors["reset"] = error.code
print(
    json.dumps(
        {
            "version": openai.__version__,
            "recalled": second.output_text,
            "pieces": pieces,
            "told": told.output_text,
            "told_streaming": "".join(told_streaming),
            "structured": json.loads(structured.output_text),
            "errors": errors,
            "stored": client.responses.retrieve(first.id).output_text,
        }
    )
)
