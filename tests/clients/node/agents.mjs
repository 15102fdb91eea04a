// The OpenAI Agents SDK: a structured answer, a refusal, and a failure in a stream.

import { Agent, OpenAIResponsesModel, run, setTracingDisabled } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

setTracingDisabled(true);

const client = new OpenAI({ baseURL: process.env.NODEXA_BASE_URL + "/v1", apiKey: process.env.NODEXA_API_KEY });
const model = new OpenAIResponsesModel(client, process.env.NODEXA_ASSISTANT_ID);
const agent = new Agent({ name: "plain", model });

const structured = await run(new Agent({ name: "structured", model, outputType: z.object({ city: z.string() }) }), "Where?");
const errors = {};
for (const said of ["overflow", "throttled"]) {
  await run(agent, said).catch((error) => (errors[said] = error.code));
}
const pieces = [];
try {
  const streamed = await run(agent, "reset One two", { stream: true });
  for await (const text of streamed.toTextStream()) pieces.push(text);
  await streamed.completed;
} catch (error) {
  errors.reset = error.code ?? error.message;
}
console.log(JSON.stringify({ structured: structured.finalOutput.city, pieces, errors }));
