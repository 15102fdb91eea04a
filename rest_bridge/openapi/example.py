"""First requests for the page, as they stand in the README."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_CURL: Final = """\
curl -N "$NODEXA_BASE_URL/v1/responses" -H "Authorization: Bearer $NODEXA_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d "{\\"model\\": \\"$NODEXA_ASSISTANT_ID\\", \\"input\\": \\"What is the capital of France?\\", \\"stream\\": true}"
"""

_PYTHON: Final = """\
import os
from openai import OpenAI

client = OpenAI(base_url=os.environ["NODEXA_BASE_URL"] + "/v1", api_key=os.environ["NODEXA_API_KEY"])
response = client.responses.create(model=os.environ["NODEXA_ASSISTANT_ID"], input="What is the capital of France?")
print(response.output_text)
"""

_NODE: Final = """\
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.NODEXA_BASE_URL + "/v1", apiKey: process.env.NODEXA_API_KEY });
const response = await client.responses.create({
  model: process.env.NODEXA_ASSISTANT_ID,
  input: "What is the capital of France?",
});
console.log(response.output_text);
"""

EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "curl": _CURL,
        "Python (pip install openai)": _PYTHON,
        "Node (npm install openai)": _NODE,
    }
)
"""Title → program."""
