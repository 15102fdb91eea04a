// The OpenAI Agents SDK with conversations: its session, streamed, with two tools; and runs that name one.

import { Agent, OpenAIConversationsSession, OpenAIResponsesModel, run, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

setTracingDisabled(true);

const client = new OpenAI({ baseURL: process.env.NODEXA_BASE_URL + "/v1", apiKey: process.env.NODEXA_API_KEY });
const model = new OpenAIResponsesModel(client, process.env.NODEXA_ASSISTANT_ID);
const weather = tool({
  name: "weather",
  description: "How the weather is in a city.",
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `Sunny in ${city}.`,
});
const agent = new Agent({ name: "guide", model, tools: [weather] });
const plain = new Agent({ name: "plain", model });
const session = new OpenAIConversationsSession({ client });

async function said(agent, text) {
  const streamed = await run(agent, text, { session, stream: true });
  for await (const event of streamed) void event;
  await streamed.completed;
  return streamed.finalOutput;
}

const first = await said(agent, "Call weather: how is it in Paris and Rome?");
const second = await said(plain, "And in Tromsø?");
const recalled = await said(plain, "recall");
// What others call an output is a result to this SDK.
const kept = (await session.getItems()).map((item) => item.type.replace("_result", "_output"));
const popped = await session.popItem();
const left = (await session.getItems()).length;
await session.clearSession();
const { id: conversationId } = await client.conversations.create();
const managed = await run(agent, "Call weather: how is it in Oslo?", { conversationId });
const again = await run(plain, "recall", { conversationId });

console.log(
  JSON.stringify({
    first,
    second,
    recalled,
    kept,
    popped: popped.content[0].text,
    left,
    managed: [managed.finalOutput, again.finalOutput],
  }),
);
