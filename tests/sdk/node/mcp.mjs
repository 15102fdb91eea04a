// A tool of an MCP server: called at once in a stream, and called when somebody has approved of it.

import { client, model, report } from "./recording.mjs";

const tool = { type: "mcp", server_label: "desk", server_url: process.argv[2], allowed_tools: ["note"] };
const input = "call desk__note in milk";
const types = (response) => response.output.map((item) => item.type);

const stream = client.responses.stream({ model, input, tools: [{ ...tool, require_approval: "never" }] });
const called = await stream.finalResponse();
const held = await client.responses.create({ model, input, tools: [tool] });
const approved = await client.responses.create({
  model,
  previous_response_id: held.id,
  input: [{ type: "mcp_approval_response", approval_request_id: held.output.at(-1).id, approve: true }],
  tools: [tool],
});

report({ called: types(called), held: types(held), approved: types(approved), text: approved.output_text });
