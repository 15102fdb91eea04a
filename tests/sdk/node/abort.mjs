// A stream that its reader leaves: it can be taken up again, and cancelled.

import { client, model, report } from "./recording.mjs";

const input = "hang One two";
const stream = await client.responses.create({ model, input, stream: true });
let id;
for await (const event of stream) {
  id ??= event.response?.id;
  if (event.type === "response.output_text.delta") stream.controller.abort();
}
const left = await client.responses.retrieve(id);

const again = await client.responses.retrieve(id, { stream: true });
let last;
for await (const event of again) {
  if (event.type === "response.output_text.delta") await client.responses.cancel(id);
  last = event;
}

const helper = client.responses.stream({ model, input });
let helped;
helper.on("response.created", (event) => (helped = event.response.id));
helper.on("response.output_text.delta", () => helper.abort());
const aborted = await helper.finalResponse().catch((error) => error.constructor.name);
const cancelled = await client.responses.cancel(helped);

report({
  left: left.status,
  last: [last.type, last.response.status, last.response.output_text],
  aborted,
  cancelled: cancelled.status,
});
