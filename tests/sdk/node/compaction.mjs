// A client that keeps its own history: reasoning that goes round sealed, and a conversation made short.

import { client, model, report } from "./recording.mjs";

const settings = { model, store: false, include: ["reasoning.encrypted_content"] };
const input = [{ role: "user", content: "think it over" }];
const stream = client.responses.stream({ ...settings, input });
const thought = await stream.finalResponse();
const reasoning = thought.output.find((item) => item.type === "reasoning");
input.push({ ...reasoning, content: undefined }, ...thought.output.filter((item) => item.type === "message"));
input.push({ role: "user", content: "And now?" });
const answered = await client.responses.create({ ...settings, input });

const short = await client.responses.compact({ model, input });
const continued = await client.responses.create({
  ...settings,
  input: [...short.output, { role: "user", content: "Go on." }],
});
const refused = await client.responses
  .create({ ...settings, input: [{ ...short.output[0], encrypted_content: "nxs1_AAAA" }] })
  .catch((error) => [error.constructor.name, error.code, error.param]);

report({
  sealed: reasoning.encrypted_content.startsWith("nxs1_"),
  answered: answered.output_text,
  short: { object: short.object, types: short.output.map((item) => item.type), used: short.usage.total_tokens > 0 },
  continued: continued.output_text,
  refused,
});
