// Vercel AI SDK: tools called in a stream, a structured answer whole and streamed, a refusal, a failure in a stream.

import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";

const nodexa = createOpenAI({ baseURL: process.env.NODEXA_BASE_URL + "/v1", apiKey: process.env.NODEXA_API_KEY });
const model = nodexa.responses(process.env.NODEXA_ASSISTANT_ID);
const schema = z.object({ city: z.string() });
const tools = { weather: tool({ inputSchema: schema, execute: ({ city }) => city }) };

const prompt = "Call weather: how is it in Paris and Rome?";
const streamed = streamText({ model, tools, stopWhen: stepCountIs(5), prompt });
const calls = [];
for await (const part of streamed.fullStream) if (part.type === "tool-call") calls.push([part.toolName, part.input.city]);
const usage = (await streamed.totalUsage).totalTokens > 0;

// The SDK's own history refers to the answer by its id.
const history = [{ role: "user", content: prompt }, ...(await streamed.response).messages];
await generateText({ model, tools, messages: [...history, { role: "user", content: "And in Bergen?" }] });

const whole = await generateObject({ model, schema, prompt: "Where?" });
const partial = streamObject({ model, schema, prompt: "Where?" });
for await (const _ of partial.partialObjectStream);

const errors = {};
for (const said of ["overflow", "throttled"]) {
  await generateText({ model, prompt: said, maxRetries: 0 }).catch((error) => (errors[said] = error.data.error.code));
}
const failing = streamText({ model, prompt: "reset One two", onError: ({ error }) => (errors.reset = error.message ?? error) });
const pieces = [];
for await (const text of failing.textStream) pieces.push(text);
const answer = await streamed.text;
console.log(JSON.stringify({ calls, usage, answer, whole: whole.object, partial: await partial.object, pieces, errors }));
