// Tools of an MCP server and a search, whole and streamed: called, failing, and called when somebody has approved of it.

import { client, model, report } from "./recording.mjs";

const server = { type: "mcp", server_label: "desk", server_url: process.argv[2], allowed_tools: ["note", "fail"] };
const never = [{ ...server, require_approval: "never" }];
const search = [{ type: "web_search" }];
const input = "call desk__note in milk";
const types = (response) => response.output.map((item) => item.type);
const answer = (held, approve) => [
  { type: "mcp_approval_response", approval_request_id: held.output.at(-1).id, approve },
];
const ways = {
  whole: (body) => client.responses.create({ model, ...body }),
  streamed: (body) => client.responses.stream({ model, ...body }).finalResponse(),
};

const result = {};
for (const [way, respond] of Object.entries(ways)) {
  const called = await respond({ input, tools: never });
  const failed = await respond({ input: "call desk__fail", tools: never });
  const held = await respond({ input, tools: [server] });
  const more = { previous_response_id: held.id, tools: [server] };
  const approved = await respond({ input: answer(held, true), ...more });
  const refused = await respond({ input: answer(held, false), ...more });
  const found = await respond({ input: "call web_search in rain", tools: search });
  result[way] = {
    called: types(called),
    failed: failed.output.find((item) => item.type === "mcp_call").error.type,
    held: types(held),
    approved: types(approved),
    text: approved.output_text,
    refused: types(refused),
    found: types(found),
    cited: found.output.at(-1).content[0].annotations.map((note) => note.url),
  };
}
report(result);
