// The OpenAI Agents SDK with hosted tools: an MCP server's, approved of and refused, and a search; whole and streamed.

import { Agent, hostedMcpTool, OpenAIResponsesModel, run, setTracingDisabled, webSearchTool } from "@openai/agents";
import OpenAI from "openai";

setTracingDisabled(true);

const client = new OpenAI({ baseURL: process.env.NODEXA_BASE_URL + "/v1", apiKey: process.env.NODEXA_API_KEY });
const model = new OpenAIResponsesModel(client, process.env.NODEXA_ASSISTANT_ID);
const server = { serverLabel: "desk", serverUrl: process.env.MCP_URL, allowedTools: ["note"] };
const asking = (approve) =>
  hostedMcpTool({ ...server, requireApproval: "always", onApproval: async () => ({ approve, reason: "Too early." }) });
const stories = {
  mcp: [hostedMcpTool({ ...server, requireApproval: "never" }), "call desk__note in milk"],
  approved: [asking(true), "call desk__note in eggs"],
  refused: [asking(false), "call desk__note in lies"],
  search: [webSearchTool(), "call web_search in rain"],
};

const report = {};
for (const [name, [tool, said]] of Object.entries(stories)) {
  const agent = new Agent({ name, model, tools: [tool] });
  const whole = await run(agent, said);
  const streamed = await run(agent, said, { stream: true });
  for await (const _ of streamed);
  await streamed.completed;
  report[name] = [whole.finalOutput, streamed.finalOutput];
}
console.log(JSON.stringify(report));
